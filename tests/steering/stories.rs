//! What steering.md promises, told as stories: files in, a change of health, answers out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use meridian::health::{CheckId, Verdict};
use meridian::server::Generation;
use meridian::steering::control::{Change, Control};
use meridian::steering::{Answer, Client, Panic, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;

/// Operator networks stand in for the world: 10.1 is London, 10.2 New York, 10.3 Tokyo.
const NETWORKS: &str = r#"
"10.1.0.0/16" = { country = "GB", latitude = 51.5, longitude = -0.1 }
"10.2.0.0/16" = { country = "US", subdivision = "US-NY", latitude = 40.7, longitude = -74.0 }
"10.3.0.0/16" = { country = "JP", latitude = 35.7, longitude = 139.7 }
"#;

const LONDON: &str = "10.1.0.1";
const NEW_YORK: &str = "10.2.0.1";
const TOKYO: &str = "10.3.0.1";

/// Pools `us`, `eu` and `ap` of one IPv4 and one IPv6 member, checked by one monitor.
const REGIONS: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.us]
monitor = "m"
location = "aws:us-east-1"
members = ["192.0.2.1", "2001:db8::1"]
[pool.eu]
monitor = "m"
location = "aws:eu-west-2"
members = ["192.0.2.2", "2001:db8::2"]
[pool.ap]
monitor = "m"
location = "aws:ap-northeast-1"
members = ["192.0.2.3", "2001:db8::3"]
"#;

struct Story {
    generation: Generation,
    control: Control,
    spin: Spin,
}

impl Story {
    fn of(policies: &str) -> Story {
        let generation = built(NETWORKS, policies, &[]);
        let control = Control::new(generation.steering.clone(), []);
        Story { generation, control, spin: Spin::new(1) }
    }

    /// Sets the verdict of every check of an address.
    fn set(&mut self, address: &str, verdict: Verdict) -> Vec<Change> {
        for (number, check) in (0..).zip(&self.generation.checks) {
            if check.target.to_string().contains(address) {
                self.control.set_verdict(CheckId(number), verdict);
            }
        }
        self.control.settle()
    }

    fn down(&mut self, address: &str) -> Vec<Change> {
        self.set(address, Verdict::Down)
    }

    fn up(&mut self, address: &str) -> Vec<Change> {
        self.set(address, Verdict::Up)
    }

    /// Takes both members of a region down.
    fn region_down(&mut self, number: u8) {
        self.down(&format!("192.0.2.{number}:"));
        self.down(&format!("2001:db8::{number}]"));
    }

    fn region_up(&mut self, number: u8) {
        self.up(&format!("192.0.2.{number}:"));
        self.up(&format!("2001:db8::{number}]"));
    }

    /// The answer to a name and type, addresses as text in their order, and its scope.
    fn served(&mut self, label: &str, rtype: Type, client: &str) -> (Vec<String>, u8) {
        let owner = format!("{label}.example.com.").parse().expect("a name");
        let records = &self.generation.steering.model.records;
        let id = records.iter().position(|record| record.owner == owner).expect("a record");
        let client = Client::new(client.parse().expect("an address"));
        let served = self.control.live().serve(RecordId(id as u32), rtype, client, &mut self.spin);
        let said = match served.answer {
            Answer::Records { bytes, count } => {
                let mut said = Vec::new();
                let mut rest = bytes;
                for _ in 0..count {
                    let length = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
                    said.push(shown(&rest[12..12 + length]));
                    rest = &rest[12 + length..];
                }
                assert!(rest.is_empty());
                said
            }
            Answer::Alias { target, .. } => vec![String::from_utf8_lossy(target).into_owned()],
            Answer::NoData => vec![],
            Answer::ServFail => vec!["SERVFAIL".to_owned()],
        };
        (said, served.scope)
    }

    /// What stands in for the addresses of a name, if nothing is up.
    fn panic(&mut self, label: &str, client: &str) -> Option<Panic> {
        let owner = format!("{label}.example.com.").parse().expect("a name");
        let records = &self.generation.steering.model.records;
        let id = records.iter().position(|record| record.owner == owner).expect("a record");
        let client = Client::new(client.parse().expect("an address"));
        self.control.live().serve(RecordId(id as u32), Type::A, client, &mut self.spin).panic
    }

    fn a(&mut self, label: &str, client: &str) -> Vec<String> {
        self.served(label, Type::A, client).0
    }

    fn aaaa(&mut self, label: &str, client: &str) -> Vec<String> {
        self.served(label, Type::AAAA, client).0
    }
}

fn shown(data: &[u8]) -> String {
    match (<[u8; 4]>::try_from(data), <[u8; 16]>::try_from(data)) {
        (Ok(v4), _) => Ipv4Addr::from(v4).to_string(),
        (_, Ok(v6)) => Ipv6Addr::from(v6).to_string(),
        _ => format!("{data:?}"),
    }
}

fn regions(more: &str) -> Story {
    Story::of(&format!("{REGIONS}\n{more}"))
}

#[test]
fn failover_takes_the_first_that_is_up_and_returns() {
    let mut story = regions(
        "[policy.p]\nkind = \"failover\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
    story.region_down(1);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.2"]);
    assert_eq!(story.aaaa("www", TOKYO), ["2001:db8::2"]);
    story.region_up(1);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
}

#[test]
fn one_family_alone_takes_the_next_preference_when_only_it_is_down() {
    let mut story = regions(
        "[policy.p]\nkind = \"failover\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    story.down("2001:db8::1]");
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"], "the decision stays");
    assert_eq!(story.aaaa("www", TOKYO), ["2001:db8::2"], "IPv6 alone moves on");
}

#[test]
fn a_pool_without_a_type_gives_no_data_and_not_another_region() {
    let mut story = Story::of(
        "[pool.v4]\nmembers = [\"192.0.2.1\"]\n\
         [pool.both]\nmembers = [\"192.0.2.2\", \"2001:db8::2\"]\n\
         [policy.p]\nkind = \"failover\"\ntargets = [\"v4\", \"both\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
    assert!(story.aaaa("www", TOKYO).is_empty());
}

#[test]
fn geo_takes_the_most_specific_rule_whatever_their_order() {
    let mut story = regions(
        "[policy.p]\nkind = \"geo\"\nrules = [\n\
         { match = \"continent:NA\", to = \"eu\" },\n\
         { match = \"net:10.2.7.0/24\", to = \"ap\" },\n\
         { match = \"subdivision:US-NY\", to = \"us\" },\n]\ndefault = \"eu\"\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    assert_eq!(story.a("www", NEW_YORK), ["192.0.2.1"], "the state over the continent");
    assert_eq!(story.a("www", "10.2.7.9"), ["192.0.2.3"], "a network over the state");
    assert_eq!(story.a("www", LONDON), ["192.0.2.2"], "the default");
    assert_eq!(story.served("www", Type::A, "10.2.7.9").1, 24);
    assert_eq!(story.served("www", Type::A, "10.2.8.9").1, 21, "up to the network within");
    let wrapped = story.served("www", Type::A, "::ffff:10.2.7.9");
    assert_eq!(wrapped, (vec!["192.0.2.3".to_owned()], 96 + 24));
}

#[test]
fn what_a_geo_policy_does_when_its_target_is_down() {
    for (on_down, expected) in
        [("climb", "192.0.2.3"), ("nearest", "192.0.2.2"), ("fence", "203.0.113.9")]
    {
        let mut story = regions(&format!(
            "[policy.p]\nkind = \"geo\"\non_down = \"{on_down}\"\ndefault = \"ap\"\n\
             rules = [{{ match = \"country:US\", to = \"us\" }}, {{ match = \"country:GB\", to = \"eu\" }}]\n\
             [record.\"www.example.com\"]\nuse = \"p\"\non_all_down = [\"203.0.113.9\"]\n"
        ));
        story.region_down(1);
        assert_eq!(story.a("www", NEW_YORK), [expected], "{on_down}");
        assert_eq!(story.a("www", LONDON), ["192.0.2.2"], "others stay");
    }
}

#[test]
fn a_rule_to_none_is_a_deliberate_nodata_with_a_scope() {
    let mut story = regions(
        "[policy.p]\nkind = \"geo\"\nrules = [{ match = \"country:GB\", to = \"none\" }]\n\
         default = \"us\"\n[record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    let (said, scope) = story.served("www", Type::A, LONDON);
    assert!(said.is_empty());
    assert_eq!(scope, 16);
    assert_eq!(story.a("www", NEW_YORK), ["192.0.2.1"]);
}

#[test]
fn nearest_goes_by_distance_and_a_bias_moves_the_border() {
    let mut story = regions(
        "[policy.p]\nkind = \"nearest\"\ntargets = [\"us\", \"eu\", \"ap\"]\n\
         [policy.q]\nkind = \"nearest\"\ntargets = [{ to = \"us\", bias = 99 }, \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n[record.\"biased.example.com\"]\nuse = \"q\"\n",
    );
    for (client, address) in [(LONDON, "192.0.2.2"), (NEW_YORK, "192.0.2.1"), (TOKYO, "192.0.2.3")]
    {
        assert_eq!(story.a("www", client), [address]);
    }
    assert_eq!(story.a("biased", TOKYO), ["192.0.2.1"], "10,900 km count as 109");
    story.region_down(3);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.2"], "London is nearer to Tokyo than Virginia");
}

#[test]
fn the_two_nearest_that_are_up_stand_in_one_answer() {
    let mut story = regions(
        "[policy.p]\nkind = \"nearest\"\ntargets = [\"us\", \"eu\", \"ap\"]\ntake = 2\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    let set = |mut addresses: Vec<String>| {
        addresses.sort();
        addresses
    };
    for client in [LONDON, NEW_YORK] {
        assert_eq!(set(story.a("www", client)), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(set(story.aaaa("www", client)), ["2001:db8::1", "2001:db8::2"]);
    }
    let first: Vec<String> = (0..2).map(|_| story.a("www", LONDON).remove(0)).collect();
    assert_eq!(set(first), ["192.0.2.1", "192.0.2.2"], "in rotation");
    story.region_down(2);
    assert_eq!(set(story.a("www", LONDON)), ["192.0.2.1", "192.0.2.3"]);
    story.region_down(1);
    assert_eq!(story.a("www", LONDON), ["192.0.2.3"]);
}

#[test]
fn latency_moves_only_after_three_clearly_better_evaluations() {
    let mut story = regions(
        "[policy.p]\nkind = \"latency\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    assert_eq!(story.a("www", LONDON), ["192.0.2.2"]);
    let slow: Vec<CheckId> = (0..)
        .map(CheckId)
        .zip(&story.generation.checks)
        .filter(|(_, check)| {
            check.target.to_string().contains("::2]") || check.target.to_string().contains("0.2.2:")
        })
        .map(|(check, _)| check)
        .collect();
    for check in &slow {
        story.control.set_server_ms(*check, 400.0);
    }
    for round in 1..=3 {
        assert_eq!(story.a("www", LONDON), ["192.0.2.2"], "before evaluation {round}");
        story.control.evaluate_choices();
        story.control.settle();
    }
    assert_eq!(story.a("www", LONDON), ["192.0.2.1"]);
    assert_eq!(story.served("www", Type::A, LONDON).1, 0, "now everyone goes there");
}

#[test]
fn a_weight_of_zero_is_used_only_when_nothing_else_is_up() {
    let mut story = regions(
        "[policy.p]\nkind = \"weighted\"\n\
         targets = [{ to = \"us\", weight = 1 }, { to = \"eu\", weight = 0 }, { to = \"ap\", weight = 0 }]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    for _ in 0..50 {
        assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
    }
    story.region_down(1);
    let mut drawn: HashMap<String, u32> = HashMap::new();
    for _ in 0..1000 {
        *drawn.entry(story.a("www", TOKYO).remove(0)).or_default() += 1;
    }
    assert_eq!(drawn.len(), 2);
    assert!(drawn.values().all(|n| (400..600).contains(n)), "equal shares: {drawn:?}");
}

#[test]
fn a_sticky_client_stays_and_only_a_lost_targets_clients_move() {
    let mut story = regions(
        "[policy.p]\nkind = \"sticky\"\ntargets = [\"us\", \"eu\", \"ap\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    let clients: Vec<String> = (0..200).map(|n| format!("172.16.{n}.1")).collect();
    let before: Vec<_> = clients.iter().map(|c| story.served("www", Type::A, c)).collect();
    assert!(before.iter().all(|(_, scope)| *scope == 24));
    let neighbour = story.a("www", "172.16.7.200");
    assert_eq!(neighbour, before[7].0, "the whole /24 goes the same way");
    story.region_down(1);
    for (client, (was, _)) in clients.iter().zip(&before) {
        let now = story.a("www", client);
        assert!(was[0] == "192.0.2.1" || now == *was, "{client} moved without need");
        assert_ne!(now[0], "192.0.2.1");
    }
    story.region_up(1);
    let after: Vec<_> = clients.iter().map(|c| story.served("www", Type::A, c)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_round_robin_puts_each_member_first_equally_often_for_each_type() {
    let mut story = regions(
        "[policy.p]\nkind = \"round-robin\"\ntargets = [\"us\", \"eu\", \"ap\"]\nanswers = 2\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    let mut first: HashMap<String, u32> = HashMap::new();
    for _ in 0..30 {
        for said in [story.a("www", TOKYO), story.aaaa("www", TOKYO)] {
            assert_eq!(said.len(), 2);
            *first.entry(said[0].clone()).or_default() += 1;
        }
    }
    assert_eq!(first.len(), 6);
    assert!(first.values().all(|n| *n == 10), "{first:?}");
}

#[test]
fn a_drained_pool_answers_only_when_nothing_else_is_up() {
    let mut story = regions(
        "[pool.out]\nmonitor = \"m\"\nstate = \"drain\"\nmembers = [\"192.0.2.9\"]\n\
         [policy.p]\nkind = \"failover\"\ntargets = [\"out\", \"us\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
    story.region_down(1);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.9"], "healthy, though drained");
    story.down("192.0.2.9:");
    assert_eq!(story.a("www", TOKYO), ["192.0.2.1"], "all down: as if up, but what was drained");
}

#[test]
fn when_all_is_down_the_record_says_what_to_answer_and_operators_hear_of_it() {
    for (on_all_down, expected) in [
        ("\"all\"", vec!["192.0.2.1"]),
        ("\"nodata\"", vec![]),
        ("\"servfail\"", vec!["SERVFAIL"]),
        ("[\"198.51.100.99\"]", vec!["198.51.100.99"]),
    ] {
        let mut story = regions(&format!(
            "[policy.p]\nkind = \"failover\"\ntargets = [\"us\"]\n\
             [record.\"www.example.com\"]\nuse = \"p\"\non_all_down = {on_all_down}\n"
        ));
        let mut changes = story.down("192.0.2.1:");
        changes.extend(story.down("2001:db8::1]"));
        assert!(
            changes.contains(&Change::Panic { records: vec![RecordId(0)], begun: true }),
            "{changes:?}"
        );
        assert_eq!(story.a("www", TOKYO), expected, "{on_all_down}");
        assert_eq!(story.panic("www", TOKYO), Some(Panic::Substitute), "{on_all_down}");
        let changes = story.up("2001:db8::1]");
        // IPv6 is back; IPv4 alone is still answered as on_all_down says.
        assert!(!changes.contains(&Change::Panic { records: vec![RecordId(0)], begun: false }));
        let changes = story.up("192.0.2.1:");
        assert!(changes.contains(&Change::Panic { records: vec![RecordId(0)], begun: false }));
        assert_eq!(story.a("www", TOKYO), ["192.0.2.1"]);
        assert_eq!(story.panic("www", TOKYO), None);
    }
}

#[test]
fn last_known_repeats_the_last_answer_that_had_something_up() {
    let mut story = regions(
        "[policy.p]\nkind = \"failover\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\non_all_down = \"last-known\"\n",
    );
    story.region_down(1);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.2"]);
    assert_eq!(story.panic("www", TOKYO), None);
    story.region_down(2);
    assert_eq!(story.a("www", TOKYO), ["192.0.2.2"], "the secondary was the last");
    assert_eq!(story.panic("www", TOKYO), Some(Panic::LastKnown));
}

#[test]
fn min_healthy_counts_members_that_can_be_checked() {
    let mut story = Story::of(
        "[monitor.m]\nkind = \"tcp\"\nport = 80\n\
         [pool.big]\nmonitor = \"m\"\nmin_healthy = \"50%\"\n\
         members = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", { rdata = \"HTTPS 1 . alpn=h2\" }]\n\
         [pool.spare]\nmembers = [\"192.0.2.9\"]\n\
         [policy.p]\nkind = \"failover\"\ntargets = [\"big\", \"spare\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    story.down("192.0.2.1:");
    assert_eq!(story.a("www", TOKYO).len(), 2);
    story.down("192.0.2.2:");
    assert_eq!(story.a("www", TOKYO), ["192.0.2.9"], "one of three is less than half");
    assert!(story.served("www", Type::HTTPS, TOKYO).0.is_empty(), "HTTPS goes with its pool");
}

#[test]
fn a_policy_that_looks_at_nobodys_place_has_scope_zero() {
    let mut story = regions(
        "[policy.p]\nkind = \"weighted\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n[record.\"one.example.com\"]\nuse = \"us\"\n",
    );
    for client in [LONDON, "2001:db8:5::1", "::ffff:10.1.0.1", "2002:a01:1::1"] {
        for label in ["www", "one"] {
            assert_eq!(story.served(label, Type::A, client).1, 0, "{label} {client}");
        }
    }
}

#[test]
fn live_is_replaced_and_never_changed() {
    let mut story = regions(
        "[policy.p]\nkind = \"failover\"\ntargets = [\"us\", \"eu\"]\n\
         [record.\"www.example.com\"]\nuse = \"p\"\n",
    );
    let before = Arc::new(story.control.live().clone());
    story.region_down(1);
    let client = Client::new("10.1.0.1".parse::<IpAddr>().expect("an address"));
    let old = before.serve(RecordId(0), Type::A, client, &mut story.spin);
    assert!(
        matches!(old.answer, Answer::Records { bytes, .. } if bytes.ends_with(&[192, 0, 2, 1]))
    );
    assert_eq!(story.a("www", LONDON), ["192.0.2.2"]);
}

impl Story {
    /// What is left of the weight of every check of an address, in percent.
    fn warn(&mut self, address: &str, left: u8) {
        for (number, check) in (0..).zip(&self.generation.checks) {
            if check.target.to_string().contains(address) {
                self.control.set_left(CheckId(number), left);
            }
        }
        self.control.settle();
    }

    /// How many of some thousand clients get each first address.
    fn shares(&mut self, label: &str) -> HashMap<String, u32> {
        let mut shares = HashMap::new();
        for client in 0..3000u32 {
            let client = Ipv4Addr::from_bits((11 << 24) + (client << 8)).to_string();
            *shares.entry(self.a(label, &client).remove(0)).or_default() += 1;
        }
        shares
    }
}

const WARNED: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.ring]
monitor = "m"
members = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
[pool.drawn]
monitor = "m"
balance = "weighted"
members = ["192.0.2.1", "192.0.2.2"]
[pool.fixed]
monitor = "m"
balance = "sticky"
members = ["192.0.2.1", "192.0.2.2"]
[pool.one]
monitor = "m"
members = ["192.0.2.1"]
[pool.two]
members = ["198.51.100.2"]
[policy.shared]
kind = "weighted"
spread = "client"
targets = [{ to = "one", weight = 1 }, { to = "two", weight = 1 }]
[policy.joined]
kind = "round-robin"
targets = ["drawn", "two"]
[record."ring.example.com"]
use = "ring"
[record."drawn.example.com"]
use = "drawn"
[record."fixed.example.com"]
use = "fixed"
[record."shared.example.com"]
use = "shared"
[record."joined.example.com"]
use = "joined"
"#;

use crate::files::built;

#[test]
fn a_member_that_is_warned_of_leaves_a_rotation_while_others_are_up_without_a_warning() {
    let mut story = Story::of(WARNED);
    let set = |story: &mut Story, label| {
        let mut said = story.a(label, LONDON);
        said.sort();
        said
    };
    story.warn("192.0.2.1:", 50);
    assert_eq!(set(&mut story, "ring"), ["192.0.2.2", "192.0.2.3"]);
    assert_eq!(set(&mut story, "joined"), ["192.0.2.2", "198.51.100.2"]);
    story.down("192.0.2.2:");
    assert_eq!(set(&mut story, "ring"), ["192.0.2.3"]);
    // A slow answer is better than none, and as good as other slow ones.
    story.down("192.0.2.3:");
    assert_eq!(set(&mut story, "ring"), ["192.0.2.1"]);
    story.up("192.0.2.2:");
    story.warn("192.0.2.2:", 20);
    assert_eq!(set(&mut story, "ring"), ["192.0.2.1", "192.0.2.2"]);
    story.warn("192.0.2.1:", 100);
    assert_eq!(set(&mut story, "ring"), ["192.0.2.1"]);
    // Warned of and nothing else up: with all down the answer is as if there were no checks.
    for address in ["192.0.2.1:", "192.0.2.2:", "192.0.2.3:"] {
        story.down(address);
    }
    assert_eq!(set(&mut story, "ring"), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
}

#[test]
fn a_warning_lowers_a_weight_and_moves_only_those_who_leave() {
    let mut story = Story::of(WARNED);
    for label in ["drawn", "fixed", "shared"] {
        let shares = story.shares(label);
        let first = shares["192.0.2.1"];
        assert!(first.abs_diff(1500) < 150, "{label}: {shares:?}");
    }
    let clients: Vec<String> =
        (0..500u32).map(|n| Ipv4Addr::from_bits((11 << 24) + (n << 8)).to_string()).collect();
    let homes = |story: &mut Story, label| -> Vec<String> {
        clients.iter().map(|client| story.a(label, client).remove(0)).collect()
    };
    let before = ["fixed", "shared"].map(|label| homes(&mut story, label));
    story.warn("192.0.2.1:", 50);
    // One part of three, where it was one of two.
    for label in ["drawn", "fixed", "shared"] {
        let shares = story.shares(label);
        assert!(shares["192.0.2.1"].abs_diff(1000) < 150, "{label}: {shares:?}");
    }
    for (label, before) in ["fixed", "shared"].into_iter().zip(before) {
        for (was, is) in before.iter().zip(homes(&mut story, label)) {
            assert!(*was == is || was == "192.0.2.1", "{label}: from {was} to {is}");
        }
    }
    story.warn("192.0.2.1:", 0);
    for label in ["drawn", "fixed", "shared"] {
        assert_eq!(story.shares(label).get("192.0.2.1"), None, "{label}");
    }
}
