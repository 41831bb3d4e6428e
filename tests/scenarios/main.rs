//! The files of this folder: what is asked, and what must be answered over every transport. The
//! format stands in README.md beside them.
#![allow(clippy::unwrap_used)] // also outside #[test] functions everything here is a test

#[path = "../encrypted/clients.rs"]
mod clients;
mod reply;
mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;

use clients::NAME;
use reply::Told;
use scenario::Scenario;
use support::certificates::Authority;
use support::program::{CONFIG, Files, Serving};

const SERVER: &str = r#"
[server]
zones = ["../zones/*.zone"]
[tls]
certificate = "certificate.pem"
key = "key.pem"
listen_dot = ["127.0.0.1:0"]
listen_doh = ["127.0.0.1:0"]
listen_doq = ["127.0.0.1:0"]
[geoip]
databases = []
"#;

#[tokio::test]
async fn lookups_over_every_transport() {
    run("lookup.scenario").await;
}

#[tokio::test]
async fn what_rfcs_say_over_every_transport() {
    run("rfcs.scenario").await;
}

#[tokio::test]
async fn steered_answers_over_every_transport() {
    run("steered.scenario").await;
}

/// Serves a file and asks all its questions.
async fn run(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(file);
    let scenario = Scenario::read(&path);
    let server = Server::start(&scenario);
    let mut wrong = Vec::new();
    for case in &scenario.cases {
        let query = case.query();
        for (transport, reply) in server.ask(&query).await {
            let told = Told::read(&query, &reply);
            if let Err(found) = case.compare(&told, transport == "UDP") {
                wrong.push(format!("{file}:{}: {transport}: {found}", case.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The program, which serves one scenario over all transports.
struct Server {
    _files: Files,
    serving: Serving,
    authority: Authority,
    dot: SocketAddr,
    doh: SocketAddr,
    doq: SocketAddr,
}

impl Server {
    fn start(scenario: &Scenario) -> Server {
        let authority = Authority::new("ours");
        let (certificate, key) = authority.files(NAME);
        let mut files = Files::new()
            .with(CONFIG, format!("{SERVER}{}", scenario.server))
            .with("config/certificate.pem", certificate)
            .with("config/key.pem", key)
            .with("config/policies/scenario.toml", &scenario.policies);
        for (zone, text) in &scenario.zones {
            files = files.with(&format!("zones/{zone}.zone"), text);
        }
        let serving = files.serve();
        let address = |protocol: &str| {
            let line = serving.log(&["answering for ", protocol]);
            let (_, rest) = line.rsplit_once(" on ").unwrap();
            rest.split(',').next().unwrap().parse().unwrap()
        };
        let (dot, doh) = (address(", DNS over TLS"), address(", DNS over HTTPS"));
        let doq = address(", DNS over QUIC");
        Server { _files: files, serving, authority, dot, doh, doq }
    }

    /// The reply over each transport.
    async fn ask(&self, query: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let plain = self.serving.address();
        let mut tls = clients::tls(self.dot, self.authority.client(b"dot")).await.unwrap();
        let https = clients::https(self.doh, self.authority.client(b"h2"));
        let quic = clients::quic(self.doq, self.authority.client(b"doq")).await.unwrap();
        vec![
            ("UDP", clients::udp(plain, query).await),
            ("TCP", clients::tcp(plain, query).await),
            ("TLS", clients::ask(&mut tls, query).await.expect("a reply")),
            ("HTTPS, POST", clients::post(&https, self.doh.port(), query).await.unwrap()),
            ("HTTPS, GET", get(&https, self.doh.port(), query).await),
            ("QUIC", unframed(clients::ask_quic(&quic, query).await.unwrap())),
        ]
    }
}

async fn get(client: &reqwest::Client, port: u16, query: &[u8]) -> Vec<u8> {
    let query = BASE64URL_NOPAD.encode(query);
    let address = format!("https://{NAME}:{port}/dns-query?dns={query}");
    let response = client.get(address).send().await.unwrap().error_for_status().unwrap();
    response.bytes().await.unwrap().to_vec()
}

/// The one message that stands behind its length.
fn unframed(octets: Vec<u8>) -> Vec<u8> {
    let (len, message) = octets.split_first_chunk().expect("a length");
    assert_eq!(usize::from(u16::from_be_bytes(*len)), message.len());
    message.to_vec()
}
