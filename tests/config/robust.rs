//! Whatever stands in the files, reading them ends with a configuration or with diagnostics that
//! can be shown; it never panics.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use meridian::config::{self, Memory};

const SERVER: &[u8] = b"[server]\nzones = []\n";

/// Reads a server's file, a policy file and a latency table, and renders what is said.
fn read(server: &[u8], policies: &[u8], table: &[u8]) {
    let files: Memory = [
        ("config/meridian.toml", server.to_vec()),
        ("config/policies/test.toml", policies.to_vec()),
        ("config/policies/latency.csv", table.to_vec()),
    ]
    .into_iter()
    .collect();
    match config::read(&files, "config/meridian.toml".as_ref()) {
        Ok(loaded) => drop(config::render(&loaded.lints, true)),
        Err(errors) => {
            assert!(!errors.is_empty());
            drop(config::render(&errors, true));
        }
    }
}

/// Every example and every mistake of the other tests, as one policy file each.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = vec![];
    for folder in ["config/policies", "tests/config_errors"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                corpus.push(fs::read(path).expect("a file"));
            }
        }
    }
    corpus
}

#[test]
fn every_truncation_of_the_examples_is_survived() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/meridian.toml");
    // Every option switched on: `#key = value` without the `#`.
    let template =
        fs::read_to_string(template).unwrap().replace("\n#", "\n").replace("\n ", "\n# ");
    let template = template.as_bytes();
    for end in 0..template.len() {
        read(&template[..end], b"", b"");
    }
    for text in corpus() {
        // A step that is no divisor of a line keeps this quick and still cuts everywhere.
        for end in (0..text.len()).step_by(7) {
            read(SERVER, &text[..end], b"country:GB,a,1\n");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&octets, b"", b"");
        read(SERVER, &octets, b"");
        let latency = b"[pool.a]\nlocation='a:b'\nmembers=['192.0.2.1']\n[policy.l]\nkind='latency'\n\
            targets=['a']\ntable='latency.csv'\n";
        read(SERVER, latency, &octets);
    }

    #[test]
    fn random_toml_is_survived(lines in prop::collection::vec(line(), 0..30)) {
        let text = lines.join("\n");
        read(text.as_bytes(), b"", b"");
        read(SERVER, text.as_bytes(), text.as_bytes());
    }

    #[test]
    fn changed_examples_are_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let corpus = corpus();
        let mut text = which.get(&corpus).clone();
        for (at, octet) in changes {
            *at.get_mut(&mut text) = octet;
        }
        read(SERVER, &text, b"country:GB,a,1\n");
        read(&text, b"", b"");
    }
}

/// A line that is likely to mean something.
fn line() -> impl Strategy<Value = String> {
    let words = [
        "[pool.a]",
        "[policy.b]",
        "[policy.c]",
        "[monitor.m]",
        "[record.'a.b']",
        "[server]",
        "[geoip.networks]",
        "kind = 'geo'",
        "kind = 'weighted'",
        "kind = 'http'",
        "kind = 'tcp'",
        "kind = 'nearest'",
        "kind = 'latency'",
        "members = ['192.0.2.1', '2001:db8::1']",
        "members = [{ cname = 'a.b' }]",
        "monitor = 'm'",
        "targets = ['a', 'b']",
        "targets = [{ to = 'c', weight = 0 }]",
        "targets = [{ to = 'c', bias = 3 }, 'a']",
        "rules = [{ match = 'country:GB', to = 'c' }, { match = 'net:0.0.0.0/0', to = 'none' }]",
        "default = 'b'",
        "use = 'b'",
        "ttl = 99",
        "on_all_down = ['192.0.2.1']",
        "answers = 3",
        "min_healthy = '50%'",
        "location = { country = 'GB' }",
        "table = 'latency.csv'",
        "on_down = 'nearest'",
        "'10.0.0.0/8' = { country = 'GB' }",
        "listen = []",
        "weight = 1",
        "interval = '1s'",
        "timeout = '2s'",
        "path = '/'",
        "expect = { status = [200] }",
        "zones = []",
        "policies = ['policies/*.toml']",
        "= 3",
        "[[pool.a]]",
        "x.y = 1",
        "\"\"\"",
    ];
    prop_oneof![9 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,12}"]
}
