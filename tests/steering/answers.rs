//! What a pool answers: addresses in weighted order, and members of any type, which go with their
//! pool, as hints of HTTPS go with the addresses.

use std::collections::HashMap;

use meridian::health::{CheckId, Verdict};
use meridian::server::Generation;
use meridian::steering::control::Control;
use meridian::steering::model::PoolState;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::{Name, Type};
use meridian::zone::{RecordId, rdata};

/// Pool `a` has checks 0 (192.0.2.1), 1 (192.0.2.2) and 2 (2001:db8::1), pool `b` 3.
const POLICIES: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.a]
monitor = "m"
members = [
  "192.0.2.1",
  "192.0.2.2",
  "2001:db8::1",
  { rdata = 'HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2,198.51.100.7 ipv6hint=2001:db8::1' },
  { rdata = 'MX 10 mx.a.example.' },
  { rdata = 'SRV 0 3 5060 sip.a.example.' },
]
[pool.b]
monitor = "m"
members = [
  "192.0.2.3",
  { rdata = 'HTTPS 1 . mandatory=ipv4hint ipv4hint=192.0.2.3' },
  { rdata = 'MX 10 mx.b.example.' },
  { rdata = 'SRV 0 1 5060 sip.b.example.' },
]
[policy.pair]
kind = "failover"
targets = ["a", "b"]
[pool.drawn]
monitor = "m"
balance = "weighted"
answers = 3
members = [
  { address = "198.51.100.1", weight = 3 },
  { address = "198.51.100.2", weight = 1 },
  { address = "198.51.100.3", weight = 0 },
  { address = "198.51.100.4", weight = 1 },
  { address = "198.51.100.5", weight = 1 },
]
[pool.fixed]
balance = "sticky"
answers = 2
members = ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
[pool.alone]
balance = "weighted"
members = ["198.51.100.1", "198.51.100.2"]
[record."www.example.com"]
use = "pair"
[record."drawn.example.com"]
use = "drawn"
[record."fixed.example.com"]
use = "fixed"
[record."alone.example.com"]
use = "alone"
"#;

use crate::files::built;

struct Bed {
    _generation: Generation,
    control: Control,
}

impl Bed {
    fn new() -> Bed {
        let generation = built("", POLICIES, &[]);
        let control = Control::new(generation.steering.clone(), []);
        Bed { _generation: generation, control }
    }

    fn down(&mut self, checks: &[u32]) {
        for check in 0..4 {
            let is_down = checks.contains(&check);
            let verdict = if is_down { Verdict::Down } else { Verdict::Up };
            self.control.set_verdict(CheckId(check), verdict);
        }
        self.control.settle();
    }

    /// How often each list of last octets is the answer for addresses, of so many.
    fn drawn(&self, record: u32, client: &str, times: u32) -> HashMap<Vec<u8>, u32> {
        let client = Client::new(client.parse().expect("an address"));
        let mut spin = Spin::new(7);
        let mut seen = HashMap::new();
        for _ in 0..times {
            let record = RecordId(record);
            let served = self.control.live().serve(record, Type::A, client, &mut spin);
            let Answer::Records { bytes, count } = served.answer else {
                panic!("addresses, not {served:?}")
            };
            assert_eq!(bytes.len(), 16 * usize::from(count));
            let last: Vec<u8> = bytes.chunks(16).map(|record| record[15]).collect();
            *seen.entry(last).or_default() += 1;
        }
        seen
    }

    /// Whether the answer to a type is this one record.
    fn expect(&self, text: &str) {
        let (rtype, data) = rdata::parse_typed(text, &Name::root()).expect("record data");
        let client = Client::new("198.51.100.1".parse().expect("an address"));
        let served = self.control.live().serve(RecordId(0), rtype, client, &mut Spin::new(1));
        let Answer::Records { bytes, count: 1 } = served.answer else {
            panic!("one record for {rtype}, not {served:?}")
        };
        assert_eq!(bytes[2..4], rtype.0.to_be_bytes());
        assert_eq!(bytes[12..], *data, "{text}");
        assert_eq!(bytes[10..12], (data.len() as u16).to_be_bytes());
    }
}

#[test]
fn hints_to_members_that_are_down_are_left_out_and_come_back() {
    let mut bed = Bed::new();
    let all = "HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2,198.51.100.7 ipv6hint=2001:db8::1";
    bed.expect(all);
    bed.down(&[1]);
    bed.expect("HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,198.51.100.7 ipv6hint=2001:db8::1");
    bed.down(&[0, 1]);
    bed.expect("HTTPS 1 . alpn=h2 ipv4hint=198.51.100.7 ipv6hint=2001:db8::1");
    bed.down(&[2]);
    bed.expect("HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2,198.51.100.7");
    bed.down(&[]);
    bed.expect(all);
}

#[test]
fn a_hint_that_must_be_there_stays_when_it_is_the_last() {
    let mut bed = Bed::new();
    let last = "HTTPS 1 . mandatory=ipv4hint ipv4hint=192.0.2.3";
    bed.down(&[0, 1, 2]);
    bed.expect(last);
    let pool = |control: &Control, name: &str| {
        let pools = &control.steering().model.pools;
        let index = pools.iter().position(|pool| pool.name == name).expect("a pool");
        meridian::steering::model::PoolId(index as u32)
    };
    let (a, b) = (pool(&bed.control, "a"), pool(&bed.control, "b"));
    bed.control.force(a, Some(PoolState::Down));
    bed.down(&[3]);
    bed.expect(last);
    bed.control.force(b, Some(PoolState::Up));
    bed.control.settle();
    bed.expect(last);
}

#[test]
fn mail_and_services_go_where_the_addresses_do() {
    let mut bed = Bed::new();
    bed.expect("MX 10 mx.a.example.");
    bed.expect("SRV 0 3 5060 sip.a.example.");
    bed.down(&[0, 1, 2]);
    bed.expect("MX 10 mx.b.example.");
    bed.expect("SRV 0 1 5060 sip.b.example.");
}

#[test]
fn the_first_of_several_addresses_is_drawn_by_weight_and_the_others_follow() {
    let mut bed = Bed::new();
    let seen = bed.drawn(1, "198.51.100.1", 6000);
    let share = |list: [u8; 3]| f64::from(seen[&list[..]]) / 6000.0;
    assert_eq!(seen.len(), 4, "{seen:?}");
    for (list, expected) in
        [([1, 2, 4], 0.5), ([2, 4, 5], 1.0 / 6.0), ([4, 5, 1], 1.0 / 6.0), ([5, 1, 2], 1.0 / 6.0)]
    {
        assert!((share(list) - expected).abs() < 0.03, "{list:?}: {seen:?}");
    }
    // Checks 4 to 8 are those of the pool.
    for check in [4, 5, 7] {
        bed.control.set_verdict(CheckId(check), Verdict::Down);
    }
    bed.control.settle();
    assert_eq!(bed.drawn(1, "198.51.100.1", 10), [(vec![5], 10)].into());
    bed.control.set_verdict(CheckId(8), Verdict::Down);
    bed.control.settle();
    assert_eq!(bed.drawn(1, "198.51.100.1", 10), [(vec![3], 10)].into(), "better than nothing");
}

#[test]
fn a_sticky_pool_keeps_the_order_for_a_client_and_one_address_is_usual() {
    let bed = Bed::new();
    let mut orders = std::collections::HashSet::new();
    for network in 0..50 {
        let seen = bed.drawn(2, &format!("203.0.{network}.1"), 20);
        assert_eq!(seen.len(), 1, "the same each time");
        orders.extend(seen.into_keys());
    }
    assert_eq!(orders, [vec![1, 2], vec![2, 3], vec![3, 1]].into());
    assert_eq!(bed.drawn(3, "198.51.100.1", 100).len(), 2);
    assert!(bed.drawn(3, "198.51.100.1", 100).keys().all(|list| list.len() == 1));
}
