//! Latency choices stay calm: while the truth does not change, noise moves hardly anybody.
//!
//! Four regions, 400 networks of clients spread over the world, an hour of checks every 10 s whose
//! times scatter as real ones do (a long tail), and a table measured anew every five minutes.

use std::fmt::Write;

use meridian::health::CheckId;
use meridian::server::Generation;
use meridian::steering::control::Control;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;

const NETWORKS: usize = 400;
const POOLS: [&str; 4] = ["us", "eu", "ap", "sa"];

const POLICIES: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.us]
monitor = "m"
location = "aws:us-east-1"
members = ["192.0.2.1"]
[pool.eu]
monitor = "m"
location = "aws:eu-west-1"
members = ["192.0.2.2"]
[pool.ap]
monitor = "m"
location = "aws:ap-northeast-1"
members = ["192.0.2.3"]
[pool.sa]
monitor = "m"
location = "aws:sa-east-1"
members = ["192.0.2.4"]
[policy.fast]
kind = "latency"
targets = ["us", "eu", "ap", "sa"]
table = "latency.csv"
[record."www.example.com"]
use = "fast"
"#;

use crate::files::built;

/// A small generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed.
    fn tail(&mut self, mean: f64) -> f64 {
        -(1.0 - self.part()).ln() * mean
    }
}

/// What is true: the way of each network to each pool in milliseconds.
fn truth(random: &mut Random) -> Vec<[f64; 4]> {
    (0..NETWORKS).map(|_| std::array::from_fn(|_| 10.0 + 190.0 * random.part())).collect()
}

/// A table of medians over many samples: each off by a few per cent.
fn table(truth: &[[f64; 4]], random: &mut Random) -> String {
    let mut table = String::from("match,pool,ms,samples\n");
    for (network, ways) in truth.iter().enumerate() {
        for (pool, way) in POOLS.iter().zip(ways) {
            let ms = way * (0.97 + 0.06 * random.part());
            let (high, low) = (network / 200, network % 200);
            writeln!(table, "net:10.{high}.{low}.0/24,{pool},{ms:.1},300").unwrap();
        }
    }
    table
}

fn generation(table: &str) -> Generation {
    let mut networks = String::new();
    for network in 0..NETWORKS {
        let (high, low) = (network / 200, network % 200);
        let (latitude, longitude) = (network % 120, network % 300);
        writeln!(
            networks,
            "\"10.{high}.{low}.0/24\" = {{ latitude = {}, longitude = {} }}",
            latitude as i32 - 60,
            longitude as i32 - 150
        )
        .unwrap();
    }
    built(&networks, POLICIES, &[("latency.csv", table)])
}

/// The pool that each network is sent to, by the last octet of its address.
fn served(control: &Control) -> Vec<u8> {
    let mut spin = Spin::new(1);
    let mut pool = |network: usize| {
        let client = format!("10.{}.{}.1", network / 200, network % 200);
        let client = Client::new(client.parse().unwrap());
        match control.live().serve(RecordId(0), Type::A, client, &mut spin).answer {
            Answer::Records { bytes, count: 1 } => *bytes.last().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    (0..NETWORKS).map(&mut pool).collect()
}

#[test]
fn in_an_hour_of_unchanged_truth_fewer_than_one_client_in_a_hundred_moves() {
    let random = &mut Random(7);
    let truth = truth(random);
    let mut control = Control::new(generation(&table(&truth, random)).steering, []);
    // What the regions need themselves: 20 ms and a tail; the checker's moving average of it.
    let mut average = [30.0; 4];
    let mut moved = 0;
    let mut rebuilt = 0;
    for (number, average) in average.iter().enumerate() {
        control.set_server_ms(CheckId(number as u32), *average);
    }
    control.evaluate_choices();
    control.settle();
    let mut before = served(&control);
    assert!((0..4).all(|pool| before.contains(&(pool + 1))), "all regions have clients");
    for round in 1..=360 {
        if round % 30 == 0 {
            let steering = generation(&table(&truth, random)).steering;
            control = Control::succeed(&control, steering, []);
            rebuilt += 1;
        }
        for (number, average) in average.iter_mut().enumerate() {
            let took = 20.0 + random.tail(10.0);
            *average += 0.1 * (took - *average);
            control.set_server_ms(CheckId(number as u32), *average);
        }
        control.evaluate_choices();
        control.settle();
        let now = served(&control);
        moved += before.iter().zip(&now).filter(|(before, now)| before != now).count();
        before = now;
    }
    assert_eq!(rebuilt, 12);
    assert!(moved * 100 < NETWORKS, "{moved} of {NETWORKS} networks moved");
}

#[test]
fn a_region_that_has_become_slow_loses_clients_for_whom_another_is_better_now() {
    let random = &mut Random(7);
    let truth = truth(random);
    let mut control = Control::new(generation(&table(&truth, random)).steering, []);
    let before = served(&control);
    control.set_server_ms(CheckId(0), 150.0);
    for _ in 0..3 {
        control.evaluate_choices();
        control.settle();
    }
    let of_us = |served: &[u8]| served.iter().filter(|pool| **pool == 1).count();
    let now = served(&control);
    assert!(of_us(&now) * 4 < of_us(&before), "{} of {}", of_us(&now), of_us(&before));
    assert!(before.iter().zip(&now).all(|(before, now)| before == now || *before == 1));
}
