//! `meridian explain`: the same answer as a running server gives, and the reasons.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use hickory_proto::op::ResponseCode;
use serde_json::{Value, json};

use crate::support::dns::Ask;
use crate::support::mmdb;
use crate::support::program::{CONFIG, Files, Output};

const SERVER: &str = r#"
[geoip]
databases = ["../geoip/small.mmdb"]
[geoip.networks]
"10.0.0.0/8"    = { country = "DE", city = "Frankfurt", latitude = 50.11, longitude = 8.68 }
"10.20.0.0/16"  = { country = "JP" }
"192.0.2.0/24"  = { asn = 64500 }
"#;

const ZONE: &str = "\
$TTL 300
@      SOA   ns1 hostmaster 1 7200 900 1209600 60
@      NS    ns1
ns1    A     192.0.2.53
mail   A     192.0.2.25
shop   CNAME www
out    CNAME www.elsewhere.test.
old    DNAME app
a.b    TXT   \"b is empty\"
sub    NS    ns.sub
ns.sub A     192.0.2.54
";

const POLICIES: &str = r#"
[pool.us]
location = "aws:us-east-1"
members  = ["192.0.2.10", "2001:db8:a::10"]
[pool.eu]
location = "aws:eu-west-1"
members  = ["198.51.100.10", "2001:db8:e::10", { rdata = 'HTTPS 1 . alpn=h2' }]
[pool.ap]
location = "aws:ap-northeast-1"
members  = ["203.0.113.10"]
[pool.cdn]
members  = [{ cname = "mail.example.com" }]

[policy.world]
kind    = "geo"
default = "us"
rules   = [
  { match = "continent:EU", to = ["eu", "us"] },
  { match = "country:JP", to = "ap" },
  { match = "country:FR", to = "none" },
  { match = "city:Frankfurt", to = "inner" },
  { match = "asn:64500", to = "cdn" },
  { match = "net:10.0.1.0/24", to = "ap" },
]
[policy.inner]
kind    = "failover"
targets = ["eu", "ap"]
[policy.near]
kind    = "nearest"
targets = ["us", { to = "eu", bias = 10 }, "ap"]
[policy.fast]
kind    = "latency"
targets = ["us", "eu", "ap"]
[policy.loyal]
kind    = "sticky"
targets = [{ to = "us", weight = 2 }, "eu", "ap"]
[policy.drawn]
kind    = "weighted"
targets = [{ to = "us", weight = 3 }, { to = "eu", weight = 1 }]
[policy.turning]
kind    = "round-robin"
targets = ["us", "eu", "ap"]

[record."www.example.com"]
use = "world"
ttl = 20
[record."near.example.com"]
use = "near"
[record."fast.example.com"]
use = "fast"
[record."loyal.example.com"]
use = "loyal"
[record."drawn.example.com"]
use = "drawn"
[record."turning.example.com"]
use = "turning"
[record."*.app.example.com"]
use = "world"
[record."fenced.example.com"]
use = "ap"
on_all_down = "servfail"
"#;

fn files() -> Files {
    let database = mmdb::Writer::new(6, 28)
        .insert("20.0.0.0/8", json!({"country_code": "US"}))
        .insert("81.0.0.0/8", json!({"country_code": "GB"}))
        .insert("90.0.0.0/8", json!({"country_code": "FR"}))
        .insert("133.0.0.0/8", json!({"country_code": "JP"}))
        .insert("2a00::/16", json!({"country_code": "GB"}))
        .finish();
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/services.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
        .with("geoip/small.mmdb", database)
}

const CLIENTS: [&str; 9] = [
    "20.1.2.0/24",
    "81.2.69.0/24",
    "90.1.0.0/16",
    "133.11.0.0/24",
    "10.0.1.7/32",
    "10.20.3.0/24",
    "192.0.2.128/25",
    "2a00:1450::/48",
    "2002:5102:4500::/48",
];

fn explain(files: &Files, name: &str, rtype: &str, client: &str, more: &[&str]) -> Output {
    let arguments = ["explain", name, rtype, "--client", client];
    files.run(&[&arguments, more].concat())
}

fn facts(files: &Files, name: &str, rtype: &str, client: &str, more: &[&str]) -> Value {
    let output = explain(files, name, rtype, client, &[more, &["--json"]].concat());
    assert!(output.code < 2, "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// What a server says, in the form of `explain`.
fn served(server: SocketAddr, name: &str, rtype: &str, client: &str) -> Value {
    let told = Ask::new(name, rtype).from(client).tcp(server);
    let authority: Vec<String> =
        told.0.authorities.iter().map(|record| record.to_string()).collect();
    let rcode = match told.rcode() {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::Refused => "REFUSED",
        other => panic!("{other}"),
    };
    json!({ "rcode": rcode, "records": told.records(), "authority": authority, "scope": told.scope() })
}

#[track_caller]
fn assert_same(explained: &Value, served: &Value, what: &str) {
    for key in ["rcode", "records", "authority", "scope"] {
        assert_eq!(explained["answer"][key], served[key], "{key} of {what}");
    }
}

#[test]
fn the_answer_is_the_one_that_a_running_server_gives() {
    let files = files();
    let serving = files.serve();
    for client in CLIENTS {
        for (name, rtype) in [
            ("www", "A"),
            ("www", "AAAA"),
            ("www", "HTTPS"),
            ("near", "A"),
            ("fast", "A"),
            ("loyal", "A"),
            ("shop", "A"),
            ("x.y.app", "A"),
        ] {
            let name = format!("{name}.example.com");
            let served = served(serving.address(), &name, rtype, client);
            let explained = facts(&files, &name, rtype, client, &[]);
            assert_same(&explained, &served, &format!("{name} {rtype} for {client}"));
        }
    }
    for (name, rtype) in [
        ("mail.example.com", "A"),
        ("mail.example.com", "AAAA"),
        ("out.example.com", "A"),
        ("www.old.example.com", "A"),
        ("b.example.com", "A"),
        ("x.sub.example.com", "A"),
        ("nope.example.com", "A"),
        ("www.elsewhere.test", "A"),
        ("example.com", "SOA"),
        ("www.example.com", "CNAME"),
    ] {
        let served = served(serving.address(), name, rtype, "81.2.69.0/24");
        let explained = facts(&files, name, rtype, "81.2.69.0/24", &[]);
        assert_same(&explained, &served, &format!("{name} {rtype}"));
    }
}

/// The examples of the repository, in a place of their own: serving leaves a state file. Their
/// admin port is the default one, which may be taken here. Their world is a small one, because it is
/// read for each question anew.
fn examples() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = Files::new();
    for directory in ["config", "config/policies", "zones"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
                let text = fs::read_to_string(entry.path()).unwrap();
                files.write(&path, text.replace("#listen = \"127.0.0.1:9153\"", "listen = \"\""));
            }
        }
    }
    let world = mmdb::Writer::new(6, 28)
        .insert(
            "128.101.0.0/16",
            json!({
                "country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "MN"}],
                "location": {"latitude": 45.0, "longitude": -93.2}
            }),
        )
        .insert(
            "2001:218::/32",
            json!({
                "country": {"iso_code": "JP"},
                "location": {"latitude": 35.7, "longitude": 139.7}
            }),
        )
        .finish();
    files.with("geoip/dbip-region.mmdb", world)
}

#[test]
fn it_is_the_same_for_the_examples_of_the_repository() {
    let files = examples();
    let mut names = vec!["static.example.com".to_owned(), "shop.example.com".to_owned()];
    for entry in fs::read_dir(files.path("config/policies")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let records = text.lines().filter_map(|line| line.strip_prefix("[record.\""));
        names.extend(records.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(names.len() > 10, "{names:?}");
    let clients = ["128.101.0.0/24", "2001:218::/32"];
    let cases: Vec<(&String, &str)> =
        names.iter().flat_map(|name| clients.map(|client| (name, client))).collect();
    let mut serving = files.serve();
    let served: Vec<Value> =
        cases.iter().map(|(name, client)| served(serving.address(), name, "A", client)).collect();
    // It leaves what its checks found, and `explain` goes on from there.
    assert_eq!(serving.process.stop(), Some(0));
    for ((name, client), served) in cases.iter().zip(&served) {
        let explained = facts(&files, name, "A", client, &[]);
        let outcome = explained["steps"][0]["steered"]["outcome"].as_str().unwrap_or_default();
        let (mut ours, mut theirs) = (explained["answer"].clone(), served.clone());
        if outcome.contains("drawn anew") {
            (ours["records"], theirs["records"]) = (Value::Null, Value::Null);
        }
        for answer in [&mut ours, &mut theirs] {
            // Where members take turns, the order differs.
            if let Some(records) = answer["records"].as_array_mut() {
                records.sort_by_key(|record| record.to_string());
            }
        }
        let ours = json!({ "answer": ours });
        assert_same(&ours, &theirs, &format!("{name} for {client}"));
    }
}

#[test]
fn a_pool_supposed_to_be_down_is_answered_around_as_the_server_would() {
    let files = files();
    let down = Files::new();
    for pool in ["eu", "us", "ap"] {
        for (path, text) in [("zones/example.com.zone", ZONE), (CONFIG, SERVER)] {
            down.write(path, text);
        }
        let state = format!("[pool.{pool}]\nstate = \"down\"\n");
        let changed = POLICIES.replace(&format!("[pool.{pool}]\n"), &state);
        assert_ne!(changed, POLICIES);
        down.write("config/policies/services.toml", changed);
        let database = fs::read(files.path("geoip/small.mmdb")).unwrap();
        down.write("geoip/small.mmdb", database);
        let serving = down.serve();
        for client in ["20.1.2.0/24", "81.2.69.0/24", "133.11.0.0/24", "10.0.1.7/32"] {
            for name in ["www", "near", "fast", "loyal", "fenced"] {
                let name = format!("{name}.example.com");
                let explained = facts(&files, &name, "A", client, &["--down", pool]);
                let served = served(serving.address(), &name, "A", client);
                // What an operator's `state` takes out stays out under `on_all_down = "all"`;
                // a supposition is the same.
                assert_same(&explained, &served, &format!("{name} for {client} without {pool}"));
            }
        }
    }
}

#[test]
fn answers_that_turn_or_are_drawn_are_among_those_served() {
    let files = files();
    let turning = facts(&files, "turning.example.com", "A", "20.1.2.3", &[]);
    assert_eq!(turning["answer"]["records"].as_array().unwrap().len(), 3);
    let drawn = facts(&files, "drawn.example.com", "A", "20.1.2.3", &[]);
    let records = drawn["answer"]["records"].as_array().unwrap();
    assert_eq!(records.len(), 1);
    let considered = drawn["steps"][0]["steered"]["decision"]["considered"].as_array().unwrap();
    let shares: Vec<&Value> = considered.iter().map(|one| &one["fate"]["shares"]).collect();
    assert_eq!(shares, [&json!(0.75), &json!(0.25)]);
}

/// That these stand in the text, one after the other.
#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => panic!("{part:?} is not, or not in its place, in:\n{text}"),
        }
    }
}

#[test]
fn the_text_gives_every_reason_in_the_order_of_deciding() {
    let files = files();
    let output = explain(&files, "shop.example.com", "A", "10.0.9.0/24", &["--down", "eu"]);
    // Lints are for `check`; here they would stand in the way.
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let line = |text: &str| {
        let line = POLICIES.lines().position(|line| line.contains(text)).unwrap() + 1;
        format!("config/policies/services.toml:{line}")
    };
    assert_in_order(
        &output.stdout,
        &[
            "10.0.9.0/24",
            "EDNS Client Subnet",
            "location",
            "DE",
            "10.0.0.0/8",
            "Frankfurt",
            "shop.example.com. in zone example.com.: an alias to www.example.com.",
            "www.example.com. in zone example.com.: steered by `world`",
            &format!("record at {}, ttl 20", line("[record.\"www.example.com\"]")),
            &format!("geo world ({})", line("[policy.world]")),
            &format!("rule city:Frankfurt ({})", line("city:Frankfurt")),
            &format!("failover inner ({})", line("[policy.inner]")),
            "pool eu",
            "passed over",
            "198.51.100.10",
            "supposed by --down",
            "pool ap",
            "203.0.113.10",
            "no monitor",
            "answer    NOERROR",
            "shop.example.com. 300 IN CNAME www.example.com.",
            "www.example.com. 20 IN A 203.0.113.10",
            // 10.0.1.0/24 has a rule of its own.
            "scope     /21: shared by the clients in 10.0.8.0/21",
        ],
    );
}

#[test]
fn the_database_with_its_network_and_date_is_named() {
    let files = files();
    let output = explain(&files, "www.example.com", "A", "81.2.69.142", &[]);
    assert_in_order(
        &output.stdout,
        &["81.2.69.142/32", "country", "GB", "81.0.0.0/8 in ", "small.mmdb, built 2026-06-05"],
    );
    let output = explain(&files, "www.example.com", "A", "203.0.113.1", &[]);
    assert_in_order(&output.stdout, &["location", "unknown", "default", "192.0.2.10"]);
}

#[test]
fn names_that_do_not_exist_exit_with_1_and_those_without_data_with_0() {
    let files = files();
    for (name, rtype, code, words) in [
        ("www.example.com", "A", 0, ["NOERROR", "198.51.100.10"]),
        ("www.example.com", "MX", 0, ["NOERROR", "SOA"]),
        ("mail.example.com", "A", 0, ["A records of the zone file", "192.0.2.25"]),
        ("b.example.com", "A", 0, ["has no A record", "NOERROR"]),
        ("x.sub.example.com", "A", 0, ["delegated to other servers", "NOERROR"]),
        ("nope.example.com", "A", 1, ["does not exist", "NXDOMAIN"]),
        ("www.example.org", "A", 1, ["in no zone that is served", "REFUSED"]),
    ] {
        let output = explain(&files, name, rtype, "81.2.69.0/24", &[]);
        assert_eq!(output.code, code, "{name} {rtype}: {}", output.stdout);
        assert_in_order(&output.stdout, &words);
    }
}

#[test]
fn mistakes_in_the_question_exit_with_2_and_say_what_to_write() {
    let files = files();
    let output = explain(&files, "www.example.com", "A", "81.2.69.0/24", &["--down", "uss"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("no pool `uss`; did you mean `us`?"), "{}", output.stderr);
    for (name, rtype, client, words) in [
        ("www.example.com", "A", "london", "192.0.2.0/24"),
        ("www.example.com", "A", "81.2.69.0/33", "192.0.2.0/24"),
        ("www.example.com", "ADDRESS", "81.2.69.0", "ADDRESS"),
        ("www..example.com", "A", "81.2.69.0", "www..example.com"),
    ] {
        let output = explain(&files, name, rtype, client, &[]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    let output = files.run(&["explain", "www.example.com"]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("--client"), "{}", output.stderr);
}

#[test]
fn a_record_with_everything_down_says_that_its_last_resort_answers() {
    let files = files();
    let output = explain(&files, "fenced.example.com", "A", "81.2.69.0", &["--down", "ap"]);
    assert_eq!(output.code, 0);
    assert_in_order(&output.stdout, &["on_all_down = \"servfail\"", "SERVFAIL"]);
}
