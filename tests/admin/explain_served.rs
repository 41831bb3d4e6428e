//! What a running server explains is what it serves: for ten thousand clients from all over the
//! world, under every kind of policy, with some regions down, drained or half emptied.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;

use serde_json::Value;

use crate::support::control::http_address;
use crate::support::dns::{Ask, socket};
use crate::support::program::{CONFIG, Files, until};

const CLIENTS: u32 = 10_000;

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n";

const POLICIES: &str = r#"
[monitor.port]
kind = "tcp"
interval = "60s"
timeout = "500ms"

[pool.us]
location = "aws:us-east-1"
monitor = "port"
members = [{ address = "127.0.0.1", port = UP }, { address = "127.0.0.2", port = DOWN }]
[pool.ca]
location = "aws:ca-central-1"
members = ["192.0.2.3", "192.0.2.4", "192.0.2.5"]
answers = 2
[pool.eu]
location = "aws:eu-west-1"
monitor = "port"
members = [{ address = "127.0.0.3", port = DOWN }, { address = "::1", port = DOWN }]
[pool.de]
location = "aws:eu-central-1"
members = ["192.0.2.8", { address = "192.0.2.9", weight = 3 }]
balance = "weighted"
[pool.ap]
location = "aws:ap-northeast-1"
members = ["192.0.2.11", "192.0.2.12"]
balance = "sticky"
[pool.za]
location = "aws:af-south-1"
state = "drain"
members = ["192.0.2.14"]
[pool.sa]
location = "aws:sa-east-1"
members = ["192.0.2.16"]

[policy.geo]
kind = "geo"
rules = [
  { match = "continent:EU", to = ["eu", "de"] },
  { match = "country:FR", to = "eu" },
  { match = "continent:AS", to = "ap" },
  { match = "country:JP", to = "none" },
  { match = "continent:AF", to = ["za", "near"] },
  { match = "net:8.0.0.0/9", to = "weighted" },
]
default = "near"
[policy.climb]
kind = "geo"
rules = [{ match = "continent:EU", to = "eu" }, { match = "country:DE", to = "za" }]
default = "us"
on_down = "nearest"
[policy.near]
kind = "nearest"
targets = ["us", "ca", "eu", { to = "de", bias = 10 }, "ap", "za", "sa"]
[policy.two]
kind = "nearest"
targets = ["us", "ca", "eu", "ap", "sa"]
take = 2
[policy.fast]
kind = "latency"
targets = ["us", "eu", "ap", "sa"]
[policy.weighted]
kind = "weighted"
targets = [{ to = "us", weight = 3 }, { to = "ca", weight = 1 }, "eu"]
[policy.loyal]
kind = "sticky"
targets = [{ to = "us", weight = 2 }, "eu", "ap", "sa"]
[policy.pair]
kind = "failover"
targets = ["eu", "sa", "us"]
[policy.all]
kind = "round-robin"
targets = ["us", "eu", "ca", "sa"]
answers = 3

[record."geo.example.com"]
use = "geo"
[record."climb.example.com"]
use = "climb"
[record."near.example.com"]
use = "near"
[record."two.example.com"]
use = "two"
[record."fast.example.com"]
use = "fast"
[record."weighted.example.com"]
use = "weighted"
[record."loyal.example.com"]
use = "loyal"
[record."pair.example.com"]
use = "pair"
[record."all.example.com"]
use = "all"
[record."dead.example.com"]
use = "eu"
on_all_down = "servfail"
"#;

const NAMES: [&str; 10] =
    ["geo", "climb", "near", "two", "fast", "weighted", "loyal", "pair", "all", "dead"];

fn files(up: u16, down: u16) -> Files {
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/dbip-region.mmdb");
    let server = format!(
        "[server]\nzones = [\"../zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\
         state = \"../state\"\nworkers = 1\n[geoip]\ndatabases = [{database:?}]\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n"
    );
    let policies = POLICIES.replace("UP", &up.to_string()).replace("DOWN", &down.to_string());
    Files::new()
        .with(CONFIG, server)
        .with("config/policies/p.toml", policies)
        .with("zones/example.com.zone", ZONE)
}

/// Numbers that look random, and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }

    /// A client as a resolver would send it: three in four of IPv4.
    fn client(&mut self) -> (IpAddr, u8) {
        let (number, kind) = (self.next(), self.next());
        if kind.is_multiple_of(4) {
            let address = u128::from(number | 0x2000 << 48) << 64 & !(0xc000_u128 << 112);
            let length = [56, 48, 32][(kind / 4 % 3) as usize];
            return (Ipv6Addr::from_bits(address & (!0 << (128 - length))).into(), length as u8);
        }
        let length = [24, 24, 32, 20][(kind / 4 % 4) as usize];
        let address = number as u32 & (!0_u32 << (32 - length));
        (Ipv4Addr::from_bits(address).into(), length as u8)
    }
}

/// A connection to the control API that is kept.
struct Kept {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Kept {
    fn to(address: SocketAddr) -> Kept {
        let writer = TcpStream::connect(address).unwrap();
        writer.set_nodelay(true).unwrap();
        let reader = BufReader::new(writer.try_clone().unwrap());
        Kept { writer, reader }
    }

    fn explain(&mut self, name: &str, rtype: &str, client: &str) -> Value {
        let client = client.replace('/', "%2F").replace(':', "%3A");
        let path = format!("/v1/explain?name={name}&type={rtype}&client={client}&trace=true");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.writer.write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            let header = line.trim_end().to_lowercase();
            if let Some(text) = header.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        let explained: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(explained["exists"], true, "{explained}");
        explained["facts"].clone()
    }
}

fn set(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Asks both and compares.
fn compare(kept: &mut Kept, socket: &UdpSocket, name: &str, rtype: &str, client: &str) {
    let what = format!("{name} {rtype} for {client}");
    let facts = kept.explain(name, rtype, client);
    let told = Ask::new(name, rtype).from(client).over(socket);
    assert_eq!(facts["answer"]["scope"], told.scope().unwrap(), "{what}: {facts:#}");
    let rcode = format!("{:?}", told.rcode()).to_uppercase();
    assert_eq!(facts["answer"]["rcode"], rcode.as_str(), "{what}: {facts:#}");
    let compiled = &facts["steps"][0]["steered"]["compiled"];
    assert_eq!(compiled["agrees"], true, "{what}: {facts:#}");
    assert_eq!(compiled["cell"]["scope"], told.scope().unwrap(), "{what}: {facts:#}");
    if rcode == "SERVFAIL" {
        return;
    }
    let explained = facts["answer"]["records"].as_array().unwrap();
    let (may, data) = (set(&compiled["evaluated"]), told.set());
    // What turns or is drawn is another one each time, of the same; all else is the same.
    let outcome = facts["steps"][0]["steered"]["outcome"].as_str().unwrap();
    if !outcome.contains("drawn") {
        assert_eq!(explained.len(), data.len(), "{what}: {facts:#}\n{data:?}");
    }
    assert!(data.iter().all(|record| may.contains(record)), "{what}: {facts:#}\n{data:?}");
    if may.len() == data.len() {
        assert_eq!(may, data.iter().cloned().collect(), "{what}: {facts:#}");
    }
}

#[test]
fn a_running_server_explains_what_it_serves_to_ten_thousand_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let up = listener.local_addr().unwrap().port();
    // Nobody listens there as long as it is bound and does not.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let files = files(up, silent.local_addr().unwrap().port());
    let serving = files.serve();
    for order in [&["drain", "sa", "--over", "1h"][..], &["force", "ca", "up"]] {
        let done = files.run(&[&["ctl"], order].concat());
        assert_eq!(done.code, 0, "{done:?}");
    }
    let mut kept = Kept::to(http_address(&serving));
    until("eu is down", || {
        let facts = kept.explain("pair.example.com", "A", "192.0.2.1/32");
        facts["steps"][0]["steered"]["decision"]["considered"][0]["fate"]["passed-over"].is_string()
    });
    let socket = socket(serving.address());
    let mut numbers = Numbers(7);
    for number in 0..CLIENTS {
        let (address, length) = numbers.client();
        let name = format!("{}.example.com", NAMES[number as usize % NAMES.len()]);
        let rtype = if number % 7 == 0 { "AAAA" } else { "A" };
        compare(&mut kept, &socket, &name, rtype, &format!("{address}/{length}"));
    }
}
