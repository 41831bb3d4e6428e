//! Members by host name: looked up by the server itself, answered as addresses, checked one by one.

use std::net::TcpListener;

use hickory_proto::op::ResponseCode;

use crate::support::dns::{Ask, Told};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};
use crate::support::upstream::{Mood, Upstream};

const ZONE: &str = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\n\
                    ns1 A 192.0.2.53\n";

const LB: &str = "lb.eu-west.example.net.";

/// A pool by host name with another behind it, at the apex of the zone.
const APEX: &str = r#"
[pool.eu]
members = [{ host = "LB.eu-west.example.net" }]
[pool.us]
members = ["192.0.2.100"]
[policy.pair]
kind = "failover"
targets = ["eu", "us"]
[record."example.com"]
use = "pair"
ttl = 30
"#;

fn files(upstream: &Upstream, policies: &str) -> Files {
    let resolver = format!(
        "[resolver]\nservers = [\"{}\"]\nrefresh_min = \"1s\"\nrefresh_max = \"1h\"\n",
        upstream.address
    );
    Files::new()
        .with(CONFIG, format!("{SERVER}{resolver}"))
        .with("config/policies/services.toml", policies)
        .with("zones/example.com.zone", ZONE)
}

fn apex(serving: &Serving, rtype: &str) -> Told {
    Ask::new("example.com", rtype).udp(serving.address())
}

/// Waits until the apex answers with these.
fn until_answered(serving: &Serving, rtype: &str, addresses: &[&str]) {
    until(&format!("{rtype} is {addresses:?}"), || apex(serving, rtype).set() == addresses);
}

#[test]
fn a_host_name_is_flattened_at_the_apex_and_its_addresses_are_followed() {
    let upstream = Upstream::start();
    upstream.alias(LB, 300, "node.example.net.");
    upstream.set("node.example.net.", 1, &["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    let mut serving = files(&upstream, APEX).serve();
    assert_eq!(apex(&serving, "A").set(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(apex(&serving, "AAAA").set(), ["2001:db8::1"]);
    assert_eq!(apex(&serving, "SOA").data().len(), 1);
    upstream.set("node.example.net.", 1, &["192.0.2.2", "192.0.2.3"]);
    until_answered(&serving, "A", &["192.0.2.2", "192.0.2.3"]);
    assert_eq!(apex(&serving, "AAAA").data(), [""; 0], "the same decision for all types");
    serving.log(&["members: 1 added (eu/192.0.2.3)", "2 removed (eu/192.0.2.1, eu/2001:db8::1)"]);
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn answers_live_no_longer_than_the_addresses_that_are_in_them() {
    let upstream = Upstream::start();
    upstream.set(LB, 1000, &["192.0.2.1"]);
    let serving = files(&upstream, APEX).serve();
    assert_eq!(apex(&serving, "A").ttl(), 30);
    drop(serving);
    upstream.set(LB, 20, &["192.0.2.1"]);
    let serving = files(&upstream, APEX).serve();
    until("it is known how old they are", || (5..=20).contains(&apex(&serving, "A").ttl()));
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_over_tcp() {
    let upstream = Upstream::start();
    upstream.turn(Mood::Truncating);
    upstream.set(LB, 60, &["192.0.2.1", "2001:db8::1"]);
    let serving = files(&upstream, APEX).serve();
    assert_eq!(apex(&serving, "A").one(), "192.0.2.1");
    assert_eq!(apex(&serving, "AAAA").one(), "2001:db8::1");
}

#[test]
fn a_name_without_an_address_is_a_region_that_is_down() {
    let upstream = Upstream::start();
    let alone = APEX.replace("use = \"pair\"", "use = \"eu\"");
    let files = files(&upstream, &alone);
    let serving = files.serve();
    serving.log(&["lb.eu-west.example.net. could not be looked up: it has no address"]);
    assert_eq!(apex(&serving, "A").rcode(), ResponseCode::ServFail, "not for resolvers to keep");
    upstream.set(LB, 60, &["192.0.2.1"]);
    serving.log(&["lb.eu-west.example.net. can be looked up again"]);
    until_answered(&serving, "A", &["192.0.2.1"]);
    drop(serving);

    let upstream = Upstream::start();
    let serving = self::files(&upstream, APEX).serve();
    assert_eq!(apex(&serving, "A").one(), "192.0.2.100");
    upstream.set(LB, 60, &["192.0.2.1"]);
    until_answered(&serving, "A", &["192.0.2.1"]);
}

#[test]
fn while_no_resolver_answers_the_last_addresses_stay_even_over_a_restart() {
    let upstream = Upstream::start();
    upstream.set(LB, 1, &["192.0.2.1"]);
    let files = files(&upstream, APEX);
    let mut serving = files.serve();
    until_answered(&serving, "A", &["192.0.2.1"]);
    upstream.turn(Mood::Silent);
    serving.log(&["could not be looked up", "no answer within 2 s"]);
    assert_eq!(apex(&serving, "A").one(), "192.0.2.1");
    assert_eq!(serving.process.stop(), Some(0));

    let explained = files.run(&["explain", "example.com", "--client", "198.51.100.1"]);
    assert!(explained.stdout.contains("A 192.0.2.1 of lb.eu-west.example.net. (found "));
    let serving = files.serve();
    assert_eq!(apex(&serving, "A").one(), "192.0.2.1");
    upstream.turn(Mood::Willing);
    upstream.set(LB, 60, &["192.0.2.7"]);
    until_answered(&serving, "A", &["192.0.2.7"]);
}

#[test]
fn each_address_is_checked_and_those_that_stay_keep_their_verdicts() {
    let one = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = one.local_addr().unwrap().port();
    let upstream = Upstream::start();
    upstream.set(LB, 1, &["127.0.0.1", "127.0.0.2"]);
    let policies = format!(
        "[monitor.m]\nkind = \"tcp\"\nport = {port}\ninterval = \"1h\"\n{}",
        APEX.replace("[pool.eu]", "[pool.eu]\nmonitor = \"m\"")
    );
    let files = files(&upstream, &policies);
    let serving = files.serve();
    serving.log(&[&format!("lb.eu-west.example.net[127.0.0.2]:{port} is down")]);
    assert_eq!(apex(&serving, "A").one(), "127.0.0.1");
    // Whoever is checked anew now would be found down, and nobody is checked twice in an hour.
    drop(one);
    let three = TcpListener::bind(("127.0.0.3", port)).unwrap();
    upstream.set(LB, 1, &["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    until_answered(&serving, "A", &["127.0.0.1", "127.0.0.3"]);
    upstream.set(LB, 1, &["127.0.0.2"]);
    until_answered(&serving, "A", &["192.0.2.100"]);
    drop(three);
}

#[test]
fn a_reload_looks_up_what_is_new_before_it_is_in_force_and_forgets_what_is_gone() {
    let upstream = Upstream::start();
    upstream.set(LB, 1, &["192.0.2.1"]);
    upstream.set("other.example.net.", 60, &["192.0.2.9"]);
    let files = files(&upstream, APEX);
    let serving = files.serve();
    files.write(
        "config/policies/services.toml",
        APEX.replace("LB.eu-west.example.net", "other.example.net"),
    );
    serving.process.signal("HUP");
    serving.log(&["members: 1 added (eu/192.0.2.9), 1 removed (eu/192.0.2.1)"]);
    assert_eq!(apex(&serving, "A").one(), "192.0.2.9");
    // The old name is asked for no more, however short its time to live.
    let asked = upstream.asked();
    upstream.set(LB, 1, &["192.0.2.2"]);
    files.write("config/policies/services.toml", APEX);
    serving.process.signal("HUP");
    until_answered(&serving, "A", &["192.0.2.2"]);
    assert!(upstream.asked() > asked);
}

#[test]
fn a_rollback_looks_up_the_names_of_what_was_kept_and_follows_their_addresses() {
    let upstream = Upstream::start();
    upstream.set(LB, 1, &["192.0.2.1"]);
    upstream.set("other.example.net.", 60, &["192.0.2.9"]);
    let files = files(&upstream, APEX);
    let serving = files.serve();
    until("it is kept", || files.path("state/generations/1.json").exists());
    // Other addresses of the same files are nothing to keep.
    upstream.set(LB, 1, &["192.0.2.2"]);
    until_answered(&serving, "A", &["192.0.2.2"]);
    let list = files.run(&["ctl", "generations"]);
    assert!(list.stdout.lines().count() == 1 && list.stdout.contains("in force"), "{list:?}");
    files.write(
        "config/policies/services.toml",
        APEX.replace("LB.eu-west.example.net", "other.example.net"),
    );
    assert_eq!(files.run(&["ctl", "reload"]).code, 0);
    assert_eq!(apex(&serving, "A").one(), "192.0.2.9");
    let back = files.run(&["ctl", "rollback"]);
    assert!(back.code == 0 && back.stdout.contains(": 1 as kept since "), "{back:?}");
    assert_eq!(apex(&serving, "A").one(), "192.0.2.2");
    upstream.set(LB, 1, &["192.0.2.3"]);
    until_answered(&serving, "A", &["192.0.2.3"]);
    let status = files.run(&["ctl", "status"]);
    assert!(status.stdout.contains("serving 1 as kept since"), "{status:?}");
}
