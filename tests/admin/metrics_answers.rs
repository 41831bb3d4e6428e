//! What `/metrics` says of answers: every one is counted once, as what `explain` says it is.

use std::collections::BTreeMap;

use crate::support::control::{done, http, http_address};
use crate::support::dns::{Ask, socket};
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

const ZONE: &str = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\n\
                    ns1 A 192.0.2.53\nalias CNAME www\n";

const POOLS: &str = r#"
[monitor.ci]
kind = "push"
ttl = "1h"
[pool.eu]
monitor = "ci"
members = ["192.0.2.10"]
[pool.us]
monitor = "ci"
members = ["198.51.100.10"]
[pool.ap]
monitor = "ci"
members = ["203.0.113.10"]
"#;

const RECORDS: &str = r#"
[policy.regions]
kind = "failover"
targets = ["eu", "us", "ap"]
[policy.twin]
kind = "failover"
targets = ["eu", "us", "ap"]
[record."www.example.com"]
use = "regions"
[record."twin.example.com"]
use = "twin"
[record."pool.example.com"]
use = "us"
"#;

fn files(policies: &str) -> Files {
    Files::new()
        .with(CONFIG, format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n"))
        .with("config/policies/services.toml", format!("{POOLS}{policies}"))
        .with("zones/example.com.zone", ZONE)
}

fn scrape(serving: &Serving) -> String {
    http(http_address(serving), "GET", "/metrics", "", "").1
}

/// The samples of a metric by their labels.
fn samples(text: &str, metric: &str) -> BTreeMap<String, f64> {
    let of_metric = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{'));
    let sample = |line: &str| {
        let (labels, value) = line.rsplit_once("} ").unwrap();
        (labels.to_owned(), value.parse().unwrap())
    };
    of_metric.map(sample).collect()
}

/// Answers of a policy, by pool and reason.
fn answers(serving: &Serving, policy: &str) -> BTreeMap<(String, String), u64> {
    let answers = samples(&scrape(serving), "meridian_answers_total").into_iter();
    let of_policy = answers.filter_map(|(labels, count)| {
        let value = |label: &str| {
            let rest = labels.split_once(&format!("{label}=\"")).unwrap().1;
            rest.split('"').next().unwrap().to_owned()
        };
        (value("policy") == policy).then(|| ((value("pool"), value("reason")), count as u64))
    });
    of_policy.collect()
}

fn all_answers(serving: &Serving) -> f64 {
    samples(&scrape(serving), "meridian_answers_total").values().sum()
}

#[test]
fn each_answer_is_counted_once_for_the_reason_that_explain_gives() {
    let files = files(RECORDS);
    let serving = files.serve();
    let address = serving.address();
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    let phases: [(&[&str], &str, &str, &str); 8] = [
        (&[], "eu", "192.0.2.10", "first-choice"),
        (&["report ci eu down"], "us", "198.51.100.10", "failover"),
        (&["report ci eu up", "force eu down"], "us", "198.51.100.10", "override"),
        (&["restore eu", "drain eu"], "us", "198.51.100.10", "drain"),
        (&["drain us --force", "drain ap --force"], "eu", "192.0.2.10", "resort"),
        (
            &[
                "restore eu",
                "restore us",
                "restore ap",
                "report ci eu down",
                "report ci us down",
                "report ci ap down",
            ],
            "eu",
            "192.0.2.10",
            "panic",
        ),
        (&["force eu up"], "eu", "192.0.2.10", "override"),
        (&["restore eu", "report ci eu up"], "eu", "192.0.2.10", "first-choice"),
    ];
    for (number, (orders, pool, member, reason)) in phases.into_iter().enumerate() {
        for order in orders {
            done(&files, order);
        }
        let ask = Ask::new("www.example.com", "A");
        let asked = 3 + number as u64;
        for _ in 0..asked {
            assert_eq!(ask.udp(address).one(), member, "{reason}");
            assert_eq!(ask.tcp(address).one(), member, "{reason}");
            // With a subnet, with an option that is not usual, and by an alias.
            assert_eq!(ask.clone().from("192.0.2.0/24").udp(address).one(), member, "{reason}");
            assert_eq!(ask.clone().nsid().udp(address).one(), member, "{reason}");
            let alias = Ask::new("alias.example.com", "A").udp(address);
            assert!(alias.data().iter().any(|data| data == member), "{reason}: {alias:?}");
        }
        *expected.entry((pool.to_owned(), reason.to_owned())).or_default() += 5 * asked;
        assert_eq!(answers(&serving, "regions"), expected);
        let explained = done(&files, "explain www.example.com --client 192.0.2.1");
        assert!(explained.contains(&format!("\ncounted   {pool} ({reason})\n")), "{explained}");
    }
    assert_eq!(all_answers(&serving), expected.values().sum::<u64>() as f64);
}

#[test]
fn answers_are_counted_by_the_zone_of_the_name_that_was_asked_for() {
    let other = ZONE.replace("alias CNAME www", "away CNAME www.example.com.\nsub NS ns.sub.x.");
    let files = files(RECORDS).with("zones/other.test.zone", other);
    let serving = files.serve();
    let address = serving.address();
    let mut expected = BTreeMap::new();
    for round in 1..=3 {
        for (name, rtype, zone, rcode) in [
            ("www.example.com", "A", "example.com.", "NOERROR"),
            ("www.example.com", "TXT", "example.com.", "NOERROR"),
            ("EXAMPLE.com", "SOA", "example.com.", "NOERROR"),
            ("none.example.com", "A", "example.com.", "NXDOMAIN"),
            ("ns1.other.test", "A", "other.test.", "NOERROR"),
            ("away.other.test", "A", "other.test.", "NOERROR"),
            ("a.sub.other.test", "A", "other.test.", "NOERROR"),
            ("none.other.test", "TXT", "other.test.", "NXDOMAIN"),
            ("other.test", "AXFR", "other.test.", "REFUSED"),
        ] {
            let ask = Ask::new(name, rtype);
            ask.tcp(address);
            let mut asked = 1.0;
            if rtype != "AXFR" {
                ask.udp(address);
                // Not the usual query.
                ask.nsid().udp(address);
                asked = 3.0;
            }
            let labels = format!("zone=\"{zone}\",rcode=\"{rcode}\"");
            *expected.entry(labels).or_insert(0.0) += asked;
        }
        // Of no zone, and counted under none.
        let refused = Ask::new("elsewhere.test", "A").udp(address).rcode();
        assert_eq!(refused, hickory_proto::op::ResponseCode::Refused);
        let counted = samples(&scrape(&serving), "meridian_zone_responses_total");
        assert_eq!(counted, expected, "round {round}");
        // A zone goes on being the same count.
        done(&files, "reload");
    }
}

#[test]
fn what_has_no_record_of_the_type_goes_nowhere_and_what_is_not_steered_is_not_counted() {
    let files = files(RECORDS);
    let serving = files.serve();
    let address = serving.address();
    Ask::new("www.example.com", "AAAA").udp(address);
    Ask::new("www.example.com", "TXT").tcp(address);
    Ask::new("ns1.example.com", "A").udp(address);
    Ask::new("ns1.example.com", "A").from("192.0.2.0/24").udp(address);
    Ask::new("none.example.com", "A").udp(address);
    Ask::new("www.example.org", "A").udp(address);
    let nowhere = ("(nothing)".to_owned(), "nodata".to_owned());
    assert_eq!(answers(&serving, "regions"), BTreeMap::from([(nowhere, 2)]));
    assert_eq!(all_answers(&serving), 2.0);
    for pool in ["eu", "us", "ap"] {
        done(&files, &format!("report ci {pool} down"));
    }
    let failing = format!("{POOLS}{RECORDS}on_all_down = \"servfail\"\n");
    files.write("config/policies/services.toml", failing);
    done(&files, "reload");
    Ask::new("pool.example.com", "A").udp(address);
    let failed = ("(nothing)".to_owned(), "panic".to_owned());
    // A record that uses a pool has no policy.
    assert_eq!(answers(&serving, ""), BTreeMap::from([(failed, 1)]));
}

#[test]
fn policies_that_mean_the_same_are_counted_apart_and_a_reload_goes_on_counting() {
    let files = files(RECORDS);
    let serving = files.serve();
    let ask = |name: &str, times: usize| {
        for _ in 0..times {
            Ask::new(&format!("{name}.example.com"), "A").udp(serving.address());
        }
    };
    let first =
        |pool: &str, count| BTreeMap::from([((pool.to_owned(), "first-choice".to_owned()), count)]);
    ask("www", 3);
    ask("twin", 2);
    ask("pool", 4);
    assert_eq!(answers(&serving, "regions"), first("eu", 3));
    assert_eq!(answers(&serving, "twin"), first("eu", 2));
    assert_eq!(answers(&serving, ""), first("us", 4));
    // Every pool has another number afterwards, and one policy another name.
    let renamed = RECORDS.replace("\"twin\"", "\"other\"").replace("policy.twin", "policy.other");
    files.write(
        "config/policies/services.toml",
        format!("[pool.aa]\nmembers = [\"192.0.2.99\"]\n{POOLS}{renamed}"),
    );
    done(&files, "reload");
    ask("www", 5);
    ask("twin", 1);
    assert_eq!(answers(&serving, "regions"), first("eu", 8));
    assert_eq!(answers(&serving, "other"), first("eu", 1));
    // What was counted stays counted.
    assert_eq!(answers(&serving, "twin"), first("eu", 2));
}

#[test]
fn shares_that_are_drawn_come_near_those_that_are_expected() {
    let weighted = |eu: u32| {
        format!(
            "[policy.split]\nkind = \"weighted\"\n\
             targets = [{{ to = \"eu\", weight = {eu} }}, {{ to = \"us\", weight = 1 }}]\n\
             [record.\"split.example.com\"]\nuse = \"split\"\n"
        )
    };
    let files = files(&weighted(3));
    let serving = files.serve();
    let expected = |pool: &str| {
        let shares = samples(&scrape(&serving), "meridian_policy_expected_share");
        shares[&format!("policy=\"split\",pool=\"{pool}\"")]
    };
    let count = |pool: &str| {
        let answers = answers(&serving, "split").into_iter();
        let of_pool = answers.filter(|((name, _), _)| name == pool);
        of_pool.map(|(_, count)| count as f64).sum::<f64>()
    };
    let realised = |asked: usize| {
        let before = (count("eu"), count("us"));
        let (ask, socket) = (Ask::new("split.example.com", "A"), socket(serving.address()));
        for _ in 0..asked {
            ask.over(&socket);
        }
        let (eu, us) = (count("eu") - before.0, count("us") - before.1);
        assert_eq!(eu + us, asked as f64);
        eu / (eu + us)
    };
    // Five standard deviations of 2,000 draws are less.
    let near = |share: f64, realised: f64| (share - realised).abs() < 0.06;
    assert_eq!((expected("eu"), expected("us")), (0.75, 0.25));
    let share = realised(2000);
    assert!(near(0.75, share), "{share}");
    files.write("config/policies/services.toml", format!("{POOLS}{}", weighted(1)));
    done(&files, "reload");
    assert_eq!((expected("eu"), expected("us")), (0.5, 0.5));
    let share = realised(2000);
    assert!(near(0.5, share), "{share}");
    done(&files, "report ci eu down");
    assert_eq!((expected("eu"), expected("us")), (0.0, 1.0));
    assert_eq!(realised(100), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_full_region_and_of_one_that_comes_back_are_told_apart() {
    let loaded = |load: &str| Behaviour::status(200, &format!("{{\"load\":{load}}}"));
    let (east, west) = (Server::start(loaded("0.99")).await, Server::start(loaded("0.1")).await);
    let policies = format!(
        r#"
[monitor.web]
kind = "http"
interval = "1s"
timeout = "500ms"
fall = 1
rise = 1
load = {{ json = "/load" }}
[pool.east]
monitor = "web"
capacity = 100
ramp = "1h"
members = [{{ address = "192.0.2.11", check = "{}" }}]
[pool.west]
monitor = "web"
capacity = 100
members = [{{ address = "198.51.100.11", check = "{}" }}]
[policy.pair]
kind = "failover"
targets = ["east", "west"]
[record."pair.example.com"]
use = "pair"
"#,
        east.address, west.address
    );
    let files = files(&policies);
    let serving = files.serve();
    // One client in each /24: how many were sent to the second region.
    let in_west = || {
        let ask = |n: usize| {
            let ask = Ask::new("pair.example.com", "A").from(&format!("203.0.{n}.0/24"));
            ask.udp(serving.address()).one() == "198.51.100.11"
        };
        (0..200).filter(|n| ask(*n)).count() as u64
    };
    let counted = |reason: &str| {
        let key = ("west".to_owned(), reason.to_owned());
        answers(&serving, "pair").get(&key).copied().unwrap_or(0)
    };
    let mut overflown = 0;
    until("some clients overflow", || {
        overflown += in_west();
        overflown > 0
    });
    assert_eq!(counted("overflow"), overflown);
    east.now(Behaviour::status(503, "no"));
    let mut gone = 0;
    until("all clients are gone", || {
        let now = in_west();
        gone += now;
        now == 200
    });
    assert_eq!(counted("overflow") + counted("failover"), overflown + gone);
    assert!(counted("failover") >= 200);
    east.now(loaded("0.1"));
    let mut back = 0;
    until("a few are back", || {
        let now = in_west();
        back += now;
        now < 200
    });
    // Of the last look all but those that are back.
    assert!(counted("ramp") > 0);
    let all = overflown + gone + back;
    assert_eq!(["overflow", "failover", "ramp"].map(counted).iter().sum::<u64>(), all);
}

#[test]
fn scopes_and_times_are_counted_by_family_and_transport() {
    let policies = r#"
[policy.place]
kind = "geo"
default = "us"
rules = [{ match = ["net:192.0.2.0/24", "net:2001:db8::/36"], to = "eu" }]
[record."geo.example.com"]
use = "place"
"#;
    let files = files(policies);
    let serving = files.serve();
    let address = serving.address();
    let ask = Ask::new("geo.example.com", "A");
    for _ in 0..3 {
        assert_eq!(ask.clone().from("192.0.2.0/24").udp(address).scope(), Some(24));
    }
    assert_eq!(ask.clone().from("2001:db8:1::/48").tcp(address).scope(), Some(36));
    assert_eq!(ask.clone().from("0.0.0.0/0").udp(address).scope(), Some(0));
    ask.udp(address);
    let text = scrape(&serving);
    let scopes = samples(&text, "meridian_ecs_scope_bucket");
    let bucket = |family: &str, le: &str| scopes[&format!("family=\"{family}\",le=\"{le}\"")];
    assert_eq!(["0", "22", "24", "+Inf"].map(|le| bucket("ipv4", le)), [1.0, 1.0, 4.0, 4.0]);
    assert_eq!(["32", "36", "56", "+Inf"].map(|le| bucket("ipv6", le)), [0.0, 1.0, 1.0, 1.0]);
    let sums = samples(&text, "meridian_ecs_scope_sum");
    assert_eq!((sums["family=\"ipv4\""], sums["family=\"ipv6\""]), (72.0, 36.0));

    let asked = 300;
    let socket = socket(address);
    for _ in 0..asked {
        ask.over(&socket);
    }
    for _ in 0..4 {
        ask.tcp(address);
    }
    let text = scrape(&serving);
    let counts = samples(&text, "meridian_answer_duration_seconds_count");
    assert_eq!(counts["transport=\"tcp\""], 5.0, "each answer on a stream is measured");
    let measured = counts["transport=\"udp\""];
    assert!(measured >= 4.0 && measured < f64::from(asked) / 4.0, "{measured} of {asked}");
    for transport in ["udp", "tcp"] {
        let all = samples(&text, "meridian_answer_duration_seconds_bucket");
        let of = format!("transport=\"{transport}\",");
        let endless = all[&format!("{of}le=\"+Inf\"")];
        assert_eq!(endless, counts[&format!("transport=\"{transport}\"")]);
        let bounds = all.iter().filter(|(labels, _)| labels.starts_with(&of)).count();
        assert_eq!(bounds, 22);
    }
}
