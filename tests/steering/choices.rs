//! Choices that are held: by cost within a band of latency, and by load.

use meridian::health::{CheckId, Verdict};
use meridian::server::Generation;
use meridian::steering::control::Control;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;

/// The client is in London; Dublin is 15 ms away by distance, Frankfurt 20, Virginia 100.
const NETWORKS: &str = r#"
"10.1.0.0/16" = { country = "GB", latitude = 51.5, longitude = -0.1 }
"#;

const POOLS: &str = r#"
[monitor.m]
kind = "http"
load = { header = "X-Load" }
[pool.dublin]
monitor = "m"
location = "aws:eu-west-1"
members = ["192.0.2.1"]
cost = 3.0
[pool.frankfurt]
monitor = "m"
location = "aws:eu-central-1"
members = ["192.0.2.2"]
cost = 1.5
[pool.virginia]
monitor = "m"
location = "aws:us-east-1"
members = ["192.0.2.3"]
cost = 0.5
[record."www.example.com"]
use = "p"
"#;

use crate::files::built;

struct Bed {
    /// Holds what the control reads.
    _generation: Generation,
    control: Control,
}

impl Bed {
    fn new(policy: &str) -> Bed {
        let policies = format!("{POOLS}\n[policy.p]\n{policy}\n");
        let generation = built(NETWORKS, &policies, &[]);
        let control = Control::new(generation.steering.clone(), []);
        Bed { _generation: generation, control }
    }

    /// The number of the region whose address a client in London gets.
    fn region(&self) -> u8 {
        let client = Client::new("10.1.0.1".parse().expect("an address"));
        let served = self.control.live().serve(RecordId(0), Type::A, client, &mut Spin::new(1));
        match served.answer {
            Answer::Records { bytes, count: 1 } => bytes[15],
            other => panic!("one address, not {other:?}"),
        }
    }

    fn evaluate(&mut self, times: usize) {
        for _ in 0..times {
            self.control.evaluate_choices();
            self.control.settle();
        }
    }

    /// Checks are numbered as the regions, from 0.
    fn set(&mut self, region: u32, verdict: Verdict) {
        self.control.set_verdict(CheckId(region - 1), verdict);
        self.control.settle();
    }

    fn loads(&mut self, loads: [f32; 3]) {
        for (check, load) in (0..).map(CheckId).zip(loads) {
            self.control.set_load(check, load);
        }
    }
}

#[test]
fn within_the_band_the_cheapest_region_wins_and_beyond_it_none_is_cheap_enough() {
    let latency = "kind = \"latency\"\ntargets = [\"dublin\", \"frankfurt\", \"virginia\"]\n";
    let cheapest = |within: &str| format!("{latency}prefer = \"cheapest\"\nwithin = \"{within}\"");
    assert_eq!(Bed::new(&cheapest("15ms")).region(), 2);
    assert_eq!(Bed::new(&cheapest("2ms")).region(), 1);
    assert_eq!(Bed::new(&cheapest("100ms")).region(), 3);
}

#[test]
fn a_cheap_region_that_becomes_slow_is_left_after_three_evaluations_clearly_beyond_the_band() {
    let mut bed = Bed::new(
        "kind = \"latency\"\ntargets = [\"dublin\", \"frankfurt\", \"virginia\"]\n\
         prefer = \"cheapest\"",
    );
    bed.control.set_server_ms(CheckId(1), 15.0);
    bed.evaluate(10);
    assert_eq!(bed.region(), 2, "beyond the band, and not clearly");
    bed.control.set_server_ms(CheckId(1), 40.0);
    bed.evaluate(2);
    assert_eq!(bed.region(), 2);
    bed.evaluate(1);
    assert_eq!(bed.region(), 1);
    bed.control.set_server_ms(CheckId(1), 0.0);
    bed.evaluate(3);
    assert_eq!(bed.region(), 2, "within the band again");
}

#[test]
fn while_the_cheapest_is_down_the_next_within_the_band_of_those_up_stands_in() {
    let mut bed = Bed::new(
        "kind = \"latency\"\ntargets = [\"dublin\", \"frankfurt\", \"virginia\"]\n\
         prefer = \"cheapest\"\nwithin = \"100ms\"",
    );
    bed.set(3, Verdict::Down);
    assert_eq!(bed.region(), 2);
    bed.set(2, Verdict::Down);
    assert_eq!(bed.region(), 1);
    bed.set(3, Verdict::Up);
    assert_eq!(bed.region(), 3);
}

const BY_LOAD: &str =
    "kind = \"load\"\ntargets = [{ to = \"dublin\", weight = 2 }, \"frankfurt\", \"virginia\"]";

#[test]
fn the_least_busy_region_by_weight_wins_once_loads_are_known() {
    let mut bed = Bed::new(BY_LOAD);
    // Costs are for latency policies alone; nothing is reported yet: the first.
    assert_eq!(bed.region(), 1);
    bed.loads([0.9, 0.6, 0.3]);
    bed.evaluate(1);
    assert_eq!(bed.region(), 3, "the first reports decide at once");
    // 0.5 by a weight of 2 is 0.25.
    bed.loads([0.5, 0.6, 0.4]);
    bed.evaluate(2);
    assert_eq!(bed.region(), 3, "it must last");
    bed.evaluate(1);
    assert_eq!(bed.region(), 1);
}

#[test]
fn loads_that_differ_little_or_for_a_moment_move_nobody() {
    let mut bed = Bed::new(BY_LOAD);
    bed.loads([0.4, 0.5, 0.5]);
    bed.evaluate(1);
    assert_eq!(bed.region(), 1);
    for round in 0..60 {
        // 0.45 by weight: a little more than it is itself.
        bed.loads([0.52, 0.225, if round % 3 == 0 { 0.01 } else { 0.9 }]);
        bed.evaluate(1);
        assert_eq!(bed.region(), 1, "round {round}");
    }
}

#[test]
fn while_the_least_busy_region_is_down_the_next_stands_in() {
    let mut bed = Bed::new(BY_LOAD);
    bed.loads([0.9, 0.3, 0.2]);
    bed.evaluate(1);
    assert_eq!(bed.region(), 3);
    bed.set(3, Verdict::Down);
    assert_eq!(bed.region(), 2);
    bed.set(3, Verdict::Up);
    assert_eq!(bed.region(), 3);
    bed.loads([f32::NAN; 3]);
    bed.evaluate(10);
    assert_eq!(bed.region(), 3, "who says nothing is not preferred to what was chosen");
}
