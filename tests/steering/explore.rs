//! Exploring: a few clients of a latency policy measure another region, for an hour each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use meridian::health::{CheckId, Verdict};
use meridian::server::Generation;
use meridian::steering::census::{Outlet, outlets};
use meridian::steering::control::Control;
use meridian::steering::evaluate::{Asker, evaluate};
use meridian::steering::model::PoolId;
use meridian::steering::trace::Fate;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;

/// All clients are in London: Dublin is the nearest, then Frankfurt, then Virginia.
const NETWORKS: &str = r#"
"0.0.0.0/0" = { country = "GB", latitude = 51.5, longitude = -0.1 }
"#;

const POLICIES: &str = r#"
[monitor.m]
kind = "http"
[pool.dublin]
monitor = "m"
location = "aws:eu-west-1"
members = ["192.0.2.1", "2001:db8::1"]
[pool.frankfurt]
monitor = "m"
location = "aws:eu-central-1"
members = ["192.0.2.2", "2001:db8::2"]
[pool.virginia]
monitor = "m"
location = "aws:us-east-1"
members = ["192.0.2.3", "2001:db8::3"]
[record."www.example.com"]
use = "fast"
[policy.fast]
kind = "latency"
targets = ["dublin", "frankfurt", "virginia"]
"#;

use crate::files::built;

const CLIENTS: u32 = 1 << 14;

fn hour(number: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + number * Duration::from_secs(3600)
}

struct Bed {
    generation: Generation,
    control: Control,
}

impl Bed {
    fn new(explore: &str) -> Bed {
        let policies = format!("{POLICIES}{explore}\n");
        let generation = built(NETWORKS, &policies, &[]);
        let mut control = Control::new(generation.steering.clone(), []);
        control.settle();
        Bed { generation, control }
    }

    fn tick(&mut self, number: u32) {
        self.control.tick(hour(number));
        self.control.settle();
    }

    /// Regions are numbered from 1, as their addresses; each has two checks.
    fn set(&mut self, region: u32, verdict: Verdict) {
        for check in [2 * region - 2, 2 * region - 1] {
            self.control.set_verdict(CheckId(check), verdict);
        }
        self.control.settle();
    }

    /// The region whose address a client gets, and the scope.
    fn region(&self, client: u32, rtype: Type) -> (u8, u8) {
        let client = Client::new(address(client));
        let served = self.control.live().serve(RecordId(0), rtype, client, &mut Spin::new(1));
        match served.answer {
            Answer::Records { bytes, count: 1 } => (bytes[bytes.len() - 1], served.scope),
            other => panic!("one address, not {other:?}"),
        }
    }

    /// How many of all client networks each region has.
    fn regions(&self) -> BTreeMap<u8, u32> {
        let mut regions = BTreeMap::new();
        for client in 0..CLIENTS {
            *regions.entry(self.region(client, Type::A).0).or_default() += 1;
        }
        regions
    }

    fn explorers(&self) -> BTreeSet<u32> {
        (0..CLIENTS).filter(|client| self.region(*client, Type::A).0 != 1).collect()
    }
}

/// One address in each /24 of 10.0.0.0/8.
fn address(client: u32) -> IpAddr {
    Ipv4Addr::from_bits((10 << 24) + (client << 8) + 1).into()
}

#[test]
fn nobody_explores_unless_the_policy_says_so() {
    for explore in ["", "explore = \"0%\""] {
        let mut bed = Bed::new(explore);
        bed.tick(0);
        assert_eq!(bed.regions(), BTreeMap::from([(1, CLIENTS)]));
        assert_eq!(bed.region(0, Type::A).1, 0, "the scope is that of the world");
        assert!(!bed.control.is_moving());
    }
}

#[test]
fn one_in_a_hundred_clients_explores_and_each_region_gets_some() {
    let mut bed = Bed::new("explore = \"1%\"");
    bed.tick(0);
    let regions = bed.regions();
    let part = |region| f64::from(regions[&region]) / f64::from(CLIENTS);
    assert!((0.985..0.992).contains(&part(1)), "{regions:?}");
    assert!(part(2) > 0.003 && part(3) > 0.003, "{regions:?}");
    for client in [0, 1] {
        assert_eq!(bed.region(client, Type::A).1, 24, "networks are told apart");
    }
    for client in 0..CLIENTS {
        let pair = [Type::A, Type::AAAA].map(|rtype| bed.region(client, rtype).0);
        assert_eq!(pair[0], pair[1], "both types go to one region");
    }
}

#[test]
fn who_explores_stays_for_an_hour_and_then_others_do() {
    let mut bed = Bed::new("explore = \"1%\"");
    bed.tick(0);
    let first = bed.explorers();
    bed.control.tick(hour(0) + Duration::from_secs(3500));
    assert!(!bed.control.has_unsettled(), "nothing moves within the hour");
    bed.tick(1);
    let second = bed.explorers();
    assert!(first.len() > 100 && second.len() > 100);
    assert!(first.intersection(&second).count() < first.len() / 2);
    // Another server, at another time of the same hour.
    let mut other = Bed::new("explore = \"1%\"");
    other.control.tick(hour(1) + Duration::from_secs(1234));
    other.control.settle();
    assert_eq!(other.explorers(), second);
}

#[test]
fn a_region_that_is_down_is_not_explored_and_when_the_best_is_down_the_next_is() {
    let mut bed = Bed::new("explore = \"10%\"");
    bed.tick(0);
    bed.set(3, Verdict::Down);
    assert_eq!(bed.regions().into_keys().collect::<Vec<_>>(), [1, 2]);
    bed.set(2, Verdict::Down);
    assert_eq!(bed.regions().into_keys().collect::<Vec<_>>(), [1]);
    bed.set(1, Verdict::Down);
    bed.set(2, Verdict::Up);
    bed.set(3, Verdict::Up);
    let regions = bed.regions();
    assert!(regions.len() == 2 && regions[&2] > 8 * regions[&3] && regions[&3] > 0, "{regions:?}");
}

#[test]
fn explain_says_that_an_answer_is_by_exploration_and_the_census_counts_it() {
    let mut bed = Bed::new("explore = \"10%\"");
    bed.tick(0);
    let explorers = bed.explorers();
    let record = &bed.generation.steering.model.records[0];
    for client in 0..200 {
        let address = address(client);
        let location = bed.generation.atlas.location(bed.generation.atlas.locate(address));
        let asker = Asker { client: Client::new(address), location, rtype: Type::A };
        let evaluation = evaluate(bed.control.view(), record, asker, None);
        let is_said = evaluation.trace.note.starts_with("by exploration: ");
        assert_eq!(is_said, explorers.contains(&client), "{:?}", evaluation.trace);
        let taken = evaluation.trace.considered.iter().find(|c| c.fate == Fate::Taken);
        assert_eq!(taken.is_some_and(|taken| taken.trace.name != "dublin"), is_said);
    }
    // Of those whose best region is Dublin, as the clients above.
    let outcomes = bed.control.outcomes(RecordId(0));
    let stay = outcomes.iter().filter_map(|(outcome, _)| {
        outlets(outcome).get(&Outlet::Pool(PoolId(0))).copied().filter(|part| *part > 0.5)
    });
    let stay: Vec<f64> = stay.collect();
    let part = explorers.len() as f64 / f64::from(CLIENTS);
    assert!(!stay.is_empty() && stay.iter().all(|stay| (stay - (1.0 - part)).abs() < 0.01));
}
