//! The files of this folder: what is asked, and what must be answered over every transport. The
//! format stands in README.md beside them.
#![allow(clippy::unwrap_used)] // also outside #[test] functions everything here is a test

mod clients;
mod expected;
mod message;
mod query;
mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use clients::{Clients, TRANSPORTS};
use scenario::Scenario;
use support::certificates::Authority;
use support::clients::NAME;
use support::program::{CONFIG, Files, Serving};

const SERVER: &str = r#"
[tls]
certificate = "certificate.pem"
key = "key.pem"
listen_dot = ["127.0.0.1:0"]
listen_doh = ["127.0.0.1:0"]
listen_doq = ["127.0.0.1:0"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_question_gets_its_answer_over_every_transport() {
    let mut files: JoinSet<Vec<String>> = paths().into_iter().map(run).collect();
    let mut wrong = Vec::new();
    while let Some(of_file) = files.join_next().await {
        wrong.extend(of_file.unwrap_or_else(|panic| vec![panic.to_string()]));
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{}\n{} are wrong", wrong.join("\n"), wrong.len());
}

#[test]
fn every_question_names_its_rfc_and_there_are_374_from_36_of_them() {
    let (mut count, mut rfcs) = (0, BTreeSet::new());
    for path in paths() {
        let scenario = Scenario::read(&path);
        if !scenario.policies.is_empty() {
            continue;
        }
        for case in scenario.cases {
            assert!(!case.rfc.is_empty(), "{}:{}: by which RFC?", path.display(), case.line);
            count += 1;
            let mut words = case.rfc.split(&[' ', ',']).map(str::to_owned);
            while let Some(word) = words.next() {
                rfcs.extend(if word == "RFC" { words.next() } else { None });
            }
        }
    }
    assert!(count >= 374 && rfcs.len() >= 36, "{count} of {} RFCs: {rfcs:?}", rfcs.len());
}

fn paths() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let paths = fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "scenario")).collect()
}

/// Serves a file and asks all its questions; says what was answered wrong.
async fn run(path: PathBuf) -> Vec<String> {
    let scenario = Scenario::read(&path);
    let (_files, serving, authority) = serve(&scenario);
    let mut clients = Clients::new(&serving, authority);
    let mut wrong = Vec::new();
    for case in &scenario.cases {
        let asked = case.query.octets();
        for transport in TRANSPORTS.into_iter().filter(|over| case.query.is_for(over)) {
            let result = if case.expected.is_silence {
                let is_silent = clients.is_silent(transport, &asked).await;
                if is_silent { Ok(()) } else { Err("not silent".to_owned()) }
            } else {
                let replies = clients.ask(transport, &asked, case.query.is_transfer()).await;
                case.expected.compare(&case.query, &asked, &replies, transport == "udp")
            };
            if let Err(found) = result {
                let file = path.file_name().unwrap().display();
                wrong.push(format!("{file}:{}: {transport}: {found} ({})", case.line, case.rfc));
            }
        }
    }
    wrong
}

/// The program, which serves one scenario over all transports.
fn serve(scenario: &Scenario) -> (Files, Serving, Authority) {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.files(NAME);
    // Keys of [server] come before the first table.
    let at = scenario.server.find("\n[").map_or(scenario.server.len(), |at| at + 1);
    let at = if scenario.server.starts_with('[') { 0 } else { at };
    let (keys, tables) = scenario.server.split_at(at);
    let geoip = if tables.contains("[geoip") { "" } else { "[geoip]\ndatabases = []\n" };
    let config = format!("[server]\nzones = [\"../zones/*.zone\"]\n{keys}{SERVER}{geoip}{tables}");
    let mut files = Files::new()
        .with(CONFIG, config)
        .with("config/certificate.pem", certificate)
        .with("config/key.pem", key)
        .with("config/policies/scenario.toml", &scenario.policies);
    for (zone, text) in &scenario.zones {
        files = files.with(&format!("zones/{zone}.zone"), text);
    }
    let serving = files.serve();
    (files, serving, authority)
}
