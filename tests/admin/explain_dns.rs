//! Why a client gets its answer, asked over DNS: TXT at `_explain.` before a name, by those who
//! may.

use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;

use crate::support::dns::{Ask, Told, socket_from};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

const ZONE: &str = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\nto CNAME _explain.www\n";

const POLICIES: &str = r#"
[monitor.told]
kind = "push"
ttl  = "1h"

[pool.eu]
monitor = "told"
members = ["192.0.2.10"]
[pool.us]
members = ["198.51.100.10", "198.51.100.11"]

[policy.www]
kind = "geo"
rules = [{ match = "country:GB", to = ["eu", "us"] }]
default = "us"

[record."www.example.com"]
use = "www"
[record."*.app.example.com"]
use = "us"
[pool.many]
members = ["192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24", "192.0.2.25", "192.0.2.26"]
monitor = "told"
[record."many.example.com"]
use = "many"
"#;

fn files(explain_from: &str) -> Files {
    let server = SERVER.replace("workers  = 2", explain_from);
    let networks = "[geoip.networks]\n\"81.2.0.0/16\" = { country = \"GB\", city = \"London\" }\n";
    Files::new()
        .with(CONFIG, format!("{server}{networks}"))
        .with("config/policies/services.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
}

/// From an address of the loopback network.
fn from(sender: &str, serving: &Serving, ask: &Ask) -> Told {
    ask.over(&socket_from(sender.parse().unwrap(), serving.address()))
}

/// All strings of the one TXT record, a line each.
fn text(told: &Told) -> String {
    assert_eq!(told.rcode(), ResponseCode::NoError, "{}", told.0);
    let [record] = &told.0.answers[..] else { panic!("{}", told.0) };
    assert_eq!(record.ttl, 0);
    let RData::TXT(txt) = &record.data else { panic!("{record}") };
    let strings = txt.txt_data.iter().map(|text| String::from_utf8_lossy(text).into_owned());
    strings.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn www() -> Ask {
    Ask::new("_explain.www.example.com", "TXT").size(1232)
}

#[test]
fn who_may_is_told_pool_reason_class_place_and_age() {
    let files = files("explain_from = [\"127.0.0.2/32\"]");
    let serving = files.serve();
    let ask = www().from("81.2.69.0/24");
    let told = from("127.0.0.2", &serving, &ask);
    assert_eq!(told.scope(), Some(24));
    assert_has(
        &text(&told),
        &[
            "www.example.com. A for 81.2.69.0, generation 1",
            "location country GB",
            "city London",
            "steered by `www`",
            "class 1, 81.2.0.0 to 81.2.255.255, scope /16",
            "geo www: rule country:GB (",
            "services.toml:",
            "-> [rule country:GB",
            "pool eu",
            "answer 192.0.2.10",
        ],
    );
    let down = files.run(&["ctl", "report", "told", "eu", "down"]);
    assert_eq!(down.code, 0, "{down:?}");
    until("the fall is told", || text(&from("127.0.0.2", &serving, &ask)).contains("x [rule"));
    let told = text(&from("127.0.0.2", &serving, &ask));
    assert_has(
        &told,
        &["pool eu: 0 of 1 up", "192.0.2.10 down: monitor told of 192.0.2.10, for ", "pool us"],
    );
    // The sender is the client of a query without a subnet, and case is no matter.
    let told =
        from("127.0.0.2", &serving, &Ask::new("_eXplain.x.App.example.com", "TXT").size(1232));
    assert_eq!(told.scope(), None);
    assert_has(&text(&told), &["A for 127.0.0.2", "location unknown", "pool us"]);
}

#[test]
fn a_long_one_goes_over_tcp() {
    let files = files("explain_from = [\"127.0.0.0/8\"]");
    let serving = files.serve();
    let ask = Ask::new("_explain.many.example.com", "TXT");
    let short = from("127.0.0.2", &serving, &ask);
    assert!(short.0.metadata.truncation && short.0.answers.is_empty(), "{}", short.0);
    assert_has(&text(&ask.tcp(serving.address())), &["A for 127.0.0.1", "192.0.2.26"]);
}

/// All but the message's own number.
fn said(address: SocketAddr, ask: &Ask) -> (ResponseCode, Vec<String>, String) {
    let told = ask.udp(address);
    let authority = told.0.authorities.iter().map(|record| record.to_string());
    (told.rcode(), told.records(), authority.collect())
}

#[test]
fn all_others_get_the_usual_answer_and_nobody_is_told_by_default() {
    let (may, off) = (files("explain_from = [\"127.0.0.2/32\"]"), files(""));
    let (serving, silent) = (may.serve(), off.serve());
    for name in ["_explain.www", "_explain.none", "_explain.x.app", "_explain.to", "to"] {
        for ask in ["TXT", "A"] {
            let ask = Ask::new(&format!("{name}.example.com"), ask).size(1232);
            let (usual, asked) = (said(silent.address(), &ask), said(serving.address(), &ask));
            assert_eq!(usual, asked);
            assert!(usual.1.iter().all(|record| !record.contains("TXT")), "{usual:?}");
        }
    }
    let (rcode, ..) = said(silent.address(), &www());
    assert_eq!(rcode, ResponseCode::NXDomain);
    // Only TXT is explained, and only what was asked: no alias leads there.
    let alias = Ask::new("to.example.com", "TXT").size(1232);
    assert_eq!(from("127.0.0.2", &serving, &alias).rcode(), ResponseCode::NXDomain);
    let other = Ask::new("_explain.www.example.com", "A").size(1232);
    assert_eq!(from("127.0.0.2", &serving, &other).rcode(), ResponseCode::NXDomain);
}
