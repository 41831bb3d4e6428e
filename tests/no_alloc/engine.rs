//! The engine: no answer allocates, plain or steered, limited or not.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::OpCode;
use hickory_proto::rr::DNSClass;
use meridian::config::{self, Memory};
use meridian::engine::limits::{Exempt, Limits, Rates};
use meridian::engine::{
    Clock, Engine, Reply, Request, Scratch, Secrets, Settings, Snapshot, Transport,
};
use meridian::health::{CheckId, Verdict};
use meridian::server::{self, Origin};
use meridian::steering::Panic;
use meridian::steering::control::Control;
use meridian::zone::Zones;

use crate::support::bed::{Bed, Made, edns_query, option_query, query, source, subnet_query};

fn zone() -> String {
    let mut zone = "\
$ORIGIN example.com.
$TTL 60
@       SOA ns hostmaster 1 7200 900 1209600 300
@       NS  ns
ns      A   192.0.2.53
ns      AAAA 2001:db8::53
@       MX  10 ns
static  A   192.0.2.1
*.wild  A   192.0.2.4
*.walias CNAME static
a       CNAME b
b       CNAME www
out     CNAME x.elsewhere.
loop    CNAME loop
old     DNAME wild
cut     NS  ns.cut
ns.cut  A   192.0.2.54
svc     HTTPS 1 . alpn=h2
svc     A   192.0.2.5
"
    .to_owned();
    for n in 0..2000 {
        zone.push_str(&format!("big MX {n} host{n}.dep\n"));
        if n < 100 {
            zone.push_str(&format!("host{n}.dep A 192.0.2.{n}\n"));
        }
    }
    zone
}

/// How often answering this allocates or frees.
fn cost(bed: &Bed, message: &[u8], transport: Transport, out: &mut [u8]) -> (u64, Reply) {
    let request =
        Request { message, client: &bed.client, local: &None, transport, clock: &Clock::at(1) };
    let mut scratch = bed.scratch.borrow_mut();
    super::cost(|| bed.engine.respond(&request, &mut scratch, out))
}

#[test]
fn no_answer_allocates() {
    let made = vec![
        Made::new("www.example.com.", 20, &["30 A 192.0.2.1", "30 A 192.0.2.2"]),
        Made::new("cdn.example.com.", 16, &["30 CNAME www.example.com."]),
        Made::failing("down.example.com.").in_panic(Panic::Substitute),
    ];
    let settings = Settings {
        cookies: Some(Secrets::new([1; 16], [[2; 16], [3; 16]])),
        nsid: (*b"fra-2").into(),
        version: (*b"meridian").into(),
        ..Settings::default()
    };
    let steered = made.iter().zip(0..).map(|(made, record)| made.steered(record)).collect();
    let zones = Zones::build(vec![source(&zone())], steered).unwrap();
    let bed = Bed::with(Snapshot { zones, settings, ..Snapshot::default() }, made);
    let stale = [&b"cliently\x01\0\0\0"[..], &[0; 12]].concat();
    let mut out = vec![0; 65_535];
    for question in [
        "static.example.com. A",
        "example.com. MX",
        "example.com. NS",
        "example.com. SOA",
        "www.example.com. A",
        "www.example.com. AAAA",
        "cdn.example.com. A",
        "down.example.com. A",
        "x.wild.example.com. A",
        "x.walias.example.com. A",
        "x.cut.example.com. A",
        "cut.example.com. DS",
        "nope.example.com. A",
        "static.example.com. TXT",
        "a.example.com. A",
        "out.example.com. A",
        "loop.example.com. A",
        "x.old.example.com. A",
        "svc.example.com. HTTPS",
        "static.example.com. ANY",
        "big.example.com. MX",
        "example.com. AXFR",
        "elsewhere. A",
    ] {
        let mut bad = query(question);
        bad.add_query(bad.queries[0].clone());
        let mut version = edns_query(question, 1232);
        version.edns.as_mut().unwrap().set_version(1);
        let mut trailing = query(question).to_vec().unwrap();
        trailing.push(0);
        let mut chaos = query("version.bind. TXT");
        chaos.queries[0].query_class = DNSClass::CH;
        let mut notify = query(question);
        notify.metadata.op_code = OpCode::Notify;
        let mut cookie_alone = option_query(question, &[(10, b"cliently")]);
        cookie_alone.queries.clear();
        for message in [
            option_query(question, &[(10, b"cliently")]).to_vec().unwrap(),
            option_query(question, &[(10, &stale)]).to_vec().unwrap(),
            option_query(question, &[(3, b""), (11, b""), (12, b"")]).to_vec().unwrap(),
            chaos.to_vec().unwrap(),
            notify.to_vec().unwrap(),
            cookie_alone.to_vec().unwrap(),
            query(question).to_vec().unwrap(),
            edns_query(question, 1232).to_vec().unwrap(),
            subnet_query(question, "192.0.2.0", 24).to_vec().unwrap(),
            subnet_query(question, "2001:db8::", 56).to_vec().unwrap(),
            bad.to_vec().unwrap(),
            version.to_vec().unwrap(),
            trailing,
        ] {
            for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
                let (count, reply) = cost(&bed, &message, transport, &mut out);
                assert!(matches!(reply, Reply::Message(_)));
                assert_eq!(count, 0, "{question} {transport:?}");
            }
        }
    }
}

const POLICIES: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.na]
monitor = "m"
location = "aws:us-east-1"
members = ["192.0.2.1", "192.0.2.2", "2001:db8::1", { rdata = "HTTPS 1 . alpn=h2" }]
[pool.eu]
monitor = "m"
location = "aws:eu-west-1"
members = ["192.0.2.3", { address = "192.0.2.4", weight = 3 }]
balance = "weighted"
[pool.ap]
location = "aws:ap-southeast-1"
members = ["192.0.2.5", "192.0.2.6"]
balance = "sticky"
[pool.cdn]
members = [{ cname = "static.example.com" }]
[policy.geo]
kind = "geo"
rules = [{ match = "continent:NA", to = "na" }, { match = "continent:EU", to = "eu" }]
default = "ap"
[policy.near]
kind = "nearest"
targets = ["na", "eu", "ap"]
[policy.fast]
kind = "latency"
targets = ["na", "eu", "ap"]
[policy.shares]
kind = "weighted"
targets = [{ to = "geo", weight = 2 }, { to = "cdn", weight = 1 }]
[policy.loyal]
kind = "sticky"
targets = ["na", "eu", "ap"]
[policy.round]
kind = "round-robin"
targets = ["na", "eu"]
[record."geo.example.com"]
use = "geo"
[record."near.example.com"]
use = "near"
[record."fast.example.com"]
use = "fast"
[record."shares.example.com"]
use = "shares"
[record."loyal.example.com"]
use = "loyal"
[record."round.example.com"]
use = "round"
[record."*.any.example.com"]
use = "na"
on_all_down = "servfail"
"#;

#[test]
fn no_steered_answer_allocates_whatever_is_up() {
    let files = Memory::from_iter([
        ("meridian.toml", "[server]\nzones = [\"example.com.zone\"]\npolicies = [\"p.toml\"]\n"),
        ("p.toml", POLICIES),
        ("example.com.zone", &*zone()),
    ]);
    let loaded = config::read(&files, "meridian.toml".as_ref()).unwrap();
    let generation = server::build(loaded, Origin::Embedded(&files)).unwrap();
    let mut control = Control::new(generation.steering.clone(), []);
    let mut scratch = Scratch::new(1);
    let mut out = vec![0; 65_535];
    for down in [&[][..], &[0, 1, 2], &[0, 1, 2, 3, 4]] {
        for check in 0..generation.checks.len() as u32 {
            let verdict = if down.contains(&check) { Verdict::Down } else { Verdict::Up };
            control.set_verdict(CheckId(check), verdict);
        }
        control.settle();
        let live = Arc::new(control.live().clone());
        let engine = Engine { snapshot: generation.snapshot.clone(), live };
        for label in ["geo", "near", "fast", "shares", "loyal", "round", "x.any"] {
            for (rtype, subnet, length) in [
                ("A", "81.2.69.0", 24),
                ("AAAA", "128.101.0.0", 24),
                ("HTTPS", "133.11.0.0", 16),
                ("TXT", "2001:200::", 56),
                ("A", "2002:5102:4500::", 40),
            ] {
                let question = format!("{label}.example.com. {rtype}");
                for message in [query(&question), subnet_query(&question, subnet, length)] {
                    let message = message.to_vec().unwrap();
                    let request = Request {
                        message: &message,
                        client: &"81.2.69.142:5353".parse().unwrap(),
                        local: &None,
                        transport: Transport::Udp,
                        clock: &Clock::at(1),
                    };
                    let respond = || engine.respond(&request, &mut scratch, &mut out[..1232]);
                    let (count, reply) = super::cost(respond);
                    assert_eq!(count, 0, "{question} {subnet}");
                    assert!(matches!(reply, Reply::Message(_)));
                }
            }
        }
    }
}

#[test]
fn limits_allocate_once_and_a_flood_of_clients_never() {
    let rates = Rates { answers: 5, nxdomains: 5, errors: 5, queries: 5 };
    let exempt = Exempt::new(&["192.0.2.0/24".parse().unwrap()]);
    let settings = Settings { limits: Limits::new(rates, 2, exempt), ..Settings::default() };
    let zones = Zones::build(vec![source(&zone())], Vec::new()).unwrap();
    let mut bed = Bed::with(Snapshot { zones, settings, ..Snapshot::default() }, Vec::new());
    let questions = ["static.example.com. A", "nope.example.com. A", "elsewhere.test. A"];
    let messages = questions.map(|question| edns_query(question, 1232).to_vec().unwrap());
    let mut out = vec![0; 1232];
    assert!(cost(&bed, &messages[0], Transport::Udp, &mut out).0 <= 1, "the table");
    for packet in 0..300_000u32 {
        // Some senders once, some often enough for each verdict.
        let sender = if packet % 2 == 0 { packet << 8 } else { (packet % 8) << 8 };
        bed.client = SocketAddr::new(sender.to_be_bytes().into(), 53);
        for message in &messages {
            assert_eq!(cost(&bed, message, Transport::Udp, &mut out).0, 0);
        }
    }
}
