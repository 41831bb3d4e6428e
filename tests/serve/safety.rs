//! Safety rules in the program: what is held back is in the answers, and everything says so.

use serde_json::Value;

use crate::support::control::ctl;
use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{CONFIG, Files, SERVER, until};
use crate::support::service::{EU, US, www};

const POLICIES: &str = r#"
[pool.eu-west]
members = ["192.0.2.10"]
[pool.us-east]
members = ["198.51.100.10"]
[pool.ap-south]
members = ["203.0.113.10"]
[policy.www]
kind = "failover"
targets = ["eu-west", "us-east", "ap-south"]
[record."www.example.com"]
use = "www"
"#;

fn files(safety: &str, policies: &str) -> Files {
    Files::of(format!("{SERVER}[admin]\nlisten = \"\"\n[safety]\n{safety}\n"), policies)
}

fn done(files: &Files, line: &str) -> (String, String) {
    let output = ctl(files, line);
    assert_eq!(output.code, 0, "ctl {line}: {output:?}");
    (output.stdout, output.stderr)
}

#[test]
fn the_last_two_pools_stay_whatever_operators_and_files_say() {
    let files = files("never_below = 2", POLICIES);
    let mut serving = files.serve();
    done(&files, "drain eu-west");
    assert_eq!(www(&serving), US);
    let (_, warning) = done(&files, "force us-east down --force");
    assert!(warning.contains("held in the answers by never_below = 2"), "{warning}");
    assert_eq!(www(&serving), US);
    for line in ["status", "health", "events", "explain www.example.com --client 192.0.2.1"] {
        let (text, _) = done(&files, line);
        assert!(text.contains("held in the answers by never_below = 2"), "{line}: {text}");
    }
    serving.log(&["pool us-east is held in the answers by never_below = 2"]);

    // As it is after a kill.
    serving.process.signal("KILL");
    serving.process.wait();
    let serving = files.serve();
    assert_eq!(www(&serving), US);

    // Another one comes back, and so it leaves.
    done(&files, "restore eu-west");
    assert_eq!(www(&serving), EU);
    let (text, _) = done(&files, "status");
    assert!(text.contains("2 up, 1 down") && !text.contains("held"), "{text}");

    let drained = POLICIES.replace("[pool.eu-west]\n", "[pool.eu-west]\nstate = \"drain\"\n");
    files.write("config/policies/services.toml", drained);
    done(&files, "reload");
    assert_eq!(www(&serving), EU);
    files.write(CONFIG, format!("{SERVER}[admin]\nlisten = \"\"\n"));
    done(&files, "reload");
    assert_eq!(www(&serving), "203.0.113.10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_moves_no_more_clients_than_the_rule_lets_it() {
    let region = Server::start(Behaviour::good()).await;
    let port = region.address.port();
    let checked = format!(
        "[monitor.web]\nkind = \"http\"\nport = {port}\ninterval = \"1s\"\nfall = 1\n\
         [pool.a]\nmonitor = \"web\"\nmembers = [\"127.0.0.1\"]\n[pool.b]\nmembers = [\"{US}\"]\n\
         [policy.www]\nkind = \"failover\"\ntargets = [\"a\", \"b\"]\n\
         [record.\"www.example.com\"]\nuse = \"www\"\n"
    );
    let files = files("max_shift = \"25%/1h\"", &checked);
    let serving = files.serve();
    let clients_of = |region: &str| {
        let ask = |n: usize| {
            let told = Ask::new("www.example.com", "A").from(&format!("203.0.{n}.0/24"));
            told.udp(serving.address()).one()
        };
        (0..200).filter(|n| ask(*n) == region).count()
    };
    assert_eq!(clients_of("127.0.0.1"), 200);
    region.now(Behaviour::status(503, "no"));
    serving.log(&["pool a is held back by max_shift = 25%/1h"]);
    until("a quarter has moved", || clients_of(US) > 0);
    let moved = clients_of(US);
    assert!((30..=70).contains(&moved), "{moved} of 200");
    let status: Value = serde_json::from_str(&done(&files, "status --json").0).unwrap();
    assert_eq!(
        (&status["held"][0]["pool"], &status["held"][0]["share"]),
        (&"a".into(), &0.75.into())
    );
    // Whoever is back has everybody back at once.
    region.now(Behaviour::good());
    until("all are back", || clients_of(US) == 0);
}
