//! What is said about each class of mistake, word for word.
//!
//! `tests/config_errors/NAME.toml` is a policy file with mistakes, `NAME.txt` what must be said
//! about it. A line `#=== PATH` starts a further file (under `config/`) in the same case; a part
//! `meridian.toml` takes the place of the server's own file. `MERIDIAN_BLESS=1` writes the
//! `.txt` files anew: read the difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use meridian::config::{self, Memory};

/// The server's file of a case that has none.
const SERVER: &str = "[server]\nzones = []\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_errors")
}

/// What is said about a case: its errors, or its lints when it has no errors.
fn said_about(name: &str, text: &str) -> String {
    let own = format!("config/policies/{name}.toml");
    let mut files = vec![("config/meridian.toml".to_owned(), SERVER.to_owned())];
    let mut parts = text.split("#=== ");
    files.push((own, parts.next().unwrap_or_default().to_owned()));
    for part in parts {
        let (path, text) = part.split_once('\n').expect("a path and a text");
        files.push((format!("config/{path}"), text.to_owned()));
    }
    let files: Memory = files.into_iter().collect();
    match config::read(&files, "config/meridian.toml".as_ref()) {
        Ok(loaded) => config::render(&loaded.lints, false),
        Err(errors) => config::render(&errors, false),
    }
}

#[test]
fn every_class_of_mistake_is_explained() {
    let bless = std::env::var_os("MERIDIAN_BLESS").is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let said = said_about(name, &fs::read_to_string(&case).unwrap());
        assert!(!said.is_empty(), "{name}: nothing was said");
        assert_eq!(said.starts_with("lint["), name.starts_with("lint_"), "{name}:\n{said}");
        let expected = case.with_extension("txt");
        if bless {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{name} says now:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_mistake_shows_a_secret() {
    for (own, policies) in [
        ("cookie_secret = \"hunter\"", ""),
        ("cookie_secret = hunter", ""),
        ("cookie_secret = \"hunter", ""),
        ("cookie_secret = \"hunter\" \"hunter\"", ""),
        ("cookie_secert = \"hunter\"", ""),
        ("cookie_secret = [\"hunter\"]", ""),
        ("cookie_secret = { of = \"hunter\" }", ""),
        ("cookie_accept = [\"00\", \"hunter\"]", ""),
        ("cookie_accept = [\"hunter\"", ""),
        ("listen = [\"127.0.0.1:1\"\ncookie_secret = \"hunter\"", ""),
        ("cookie_secret = \"hunter\"\ncookie_secret = \"hunter\"", ""),
        ("[admin]\ntoken = \"hunter\"", ""),
        ("[keys]\none = \"hunter\"", ""),
        ("[keys.one]\nsecret = 'hunter'\nsecret = 'hunter'", ""),
        ("[keys.one]\nsecrets = 'hunter'", ""),
        ("[[webhook]]\nurl = \"https://user:hunter@hooks.example.net/\"", ""),
        ("[[webhook]]\nurl = \"ftp://hooks.example.net/hunter\"", ""),
        ("[[webhook]]\nurls = \"https://hunter@hooks.example.net/\"", ""),
        ("", "headers = { Authorization = \"hunter\\u0007\" }"),
        ("", "headers = { \"not a name\" = \"hunter\" }"),
        ("", "headers = \"hunter\""),
        ("", "headers = [\"hunter\"]"),
        ("", "[monitor.m.headers]\nHost = \"hunter\""),
        ("", "send = \"hunter\"\nsend = \"hunter\""),
    ] {
        let text = format!(
            "[monitor.m]\nkind = \"http\"\n{policies}\n#=== meridian.toml\n[server]\nzones = []\n{own}\n"
        );
        let said = said_about("p", &text);
        assert!(said.starts_with("error["), "{text}:\n{said}");
        assert!(said.contains("**") && !said.contains("hunter"), "{text}:\n{said}");
    }
}
