//! `meridian external-dns` beside a server: what ExternalDNS says is what is answered.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::dns::Ask;
use crate::support::http::{Reply, ask};
use crate::support::program::{CONFIG, Files, Process, SERVER, Serving, until};

const FILE: &str = "zones/apps.example.com.zone";
const COMMAND: [&str; 9] = [
    "external-dns",
    "--zone",
    "apps.example.com",
    "--name-server",
    "ns1.example.net",
    "--file",
    FILE,
    "--listen",
    "127.0.0.1:0",
];
const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

/// The command, and where it listens.
fn webhook(files: &Files) -> (Process, SocketAddr) {
    listening(files.start(&COMMAND))
}

fn listening(process: Process) -> (Process, SocketAddr) {
    let line = process.stderr.wait("where it listens", |line| line.contains("webhook for "));
    let (_, rest) = line.split_once(" on ").unwrap();
    let address = rest.split(',').next().unwrap().parse().unwrap();
    (process, address)
}

fn get(webhook: SocketAddr, path: &str) -> Value {
    let headers = format!("Accept: {MEDIA_TYPE}\r\n");
    let reply = ask(webhook, "GET", path, &headers, "");
    assert!(reply.status == 200 && reply.head.contains(MEDIA_TYPE), "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn post(webhook: SocketAddr, path: &str, body: &Value) -> Reply {
    let headers = format!("Content-Type: {MEDIA_TYPE}\r\nAccept: {MEDIA_TYPE}\r\n");
    ask(webhook, "POST", path, &headers, &body.to_string())
}

fn endpoint(rtype: &str, target: &str) -> Value {
    json!({
        "dnsName": "shop.apps.example.com", "recordType": rtype, "targets": [target],
        "recordTTL": 60, "labels": { "owner": "default" },
    })
}

fn told(serving: &Serving, rtype: &str) -> Vec<String> {
    Ask::new("shop.apps.example.com", rtype).udp(serving.address()).data()
}

#[test]
fn what_a_cluster_has_is_answered_and_survives_both() {
    let files = Files::new().with(CONFIG, SERVER.replace("workers", "watch = true\nworkers"));
    fs::create_dir_all(files.path("zones")).unwrap();
    let (mut process, address) = webhook(&files);
    assert_eq!(get(address, "/"), json!({ "filters": ["apps.example.com"] }));
    assert_eq!(get(address, "/records"), json!([]));
    assert_eq!(ask(address, "GET", "/healthz", "", "").status, 200);

    // A zone without endpoints is served already.
    let serving = files.serve();
    assert_eq!(told(&serving, "A"), [""; 0]);
    let (old, text) = (endpoint("A", "192.0.2.1"), endpoint("TXT", "\"heritage=external-dns\""));
    let adjusted = post(address, "/adjustendpoints", &json!([old, text]));
    assert_eq!(serde_json::from_str::<Value>(&adjusted.body).unwrap(), json!([old, text]));
    assert_eq!(post(address, "/records", &json!({ "create": [old, text] })).status, 204);
    until("the new name is answered", || told(&serving, "A") == ["192.0.2.1"]);
    assert_eq!(told(&serving, "TXT"), ["heritage=external-dns"]);
    assert_eq!(get(address, "/records"), json!([old, text]));

    let new = endpoint("A", "192.0.2.2");
    let changes = json!({ "updateOld": [old], "updateNew": [new] });
    assert_eq!(post(address, "/records", &changes).status, 204);
    until("the change is answered", || told(&serving, "A") == ["192.0.2.2"]);

    // Refused as a whole, with the reason.
    let wrong = json!({ "create": [endpoint("AAAA", "192.0.2.3")], "delete": [new] });
    let refused = post(address, "/records", &wrong);
    assert!(refused.status == 500 && refused.body.contains("IN AAAA 192.0.2.3`"), "{refused:?}");
    assert_eq!(post(address, "/records", &json!("all")).status, 422);
    assert_eq!(get(address, "/records"), json!([new, text]));

    assert_eq!(process.stop(), Some(0));
    let (_process, address) = webhook(&files);
    assert_eq!(get(address, "/records"), json!([new, text]));
    assert_eq!(post(address, "/records", &json!({ "delete": [new, text] })).status, 204);
    until("the name is gone", || told(&serving, "A").is_empty());
}

#[test]
fn a_start_that_changes_nothing_leaves_the_serial_where_it_is() {
    let files = Files::new();
    let written = || fs::read_to_string(files.path(FILE)).unwrap();
    let serial = |text: &str| -> u32 {
        let soa = text.lines().find(|line| line.contains(" SOA ")).unwrap();
        soa.split(' ').nth(6).unwrap().parse().unwrap()
    };
    let (mut process, address) = webhook(&files);
    assert_eq!(
        post(address, "/records", &json!({ "create": [endpoint("A", "192.0.2.1")] })).status,
        204
    );
    assert_eq!(process.stop(), Some(0));
    let before = written();
    let (mut process, _) = webhook(&files);
    assert_eq!(written(), before);
    assert_eq!(process.stop(), Some(0));

    // Another command line is a change, and so is a file that was lost.
    let (mut process, _) = listening(files.start(&[&COMMAND[..], &["--ttl", "60"]].concat()));
    assert!(serial(&written()) > serial(&before), "{before}");
    assert!(written().contains("apps.example.com. 60 IN NS"));
    assert_eq!(process.stop(), Some(0));
    let before = written();
    fs::remove_file(files.path(FILE)).unwrap();
    let (_process, _) = listening(files.start(&[&COMMAND[..], &["--ttl", "60"]].concat()));
    assert!(serial(&written()) > serial(&before), "{before}");
}

#[test]
fn a_zone_of_somebody_else_is_left_alone() {
    let files = Files::new().with(FILE, "; by hand\n");
    let output = files.run(&COMMAND);
    assert!(output.code == 2 && output.stderr.contains("was not written by this command"));
    assert_eq!(fs::read_to_string(files.path(FILE)).unwrap(), "; by hand\n");
}
