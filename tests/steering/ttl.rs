//! Times to live fall while a change is near, and while addresses of host names run out.

use std::time::{Duration, SystemTime};

use meridian::health::CheckId;
use meridian::server::Generation;
use meridian::server::hosts::{Resolution, Table};
use meridian::steering::control::{Control, Cut};
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::{Name, Type};
use meridian::zone::RecordId;

const POLICIES: &str = r#"
[monitor.m]
kind = "tcp"
port = 80
[pool.a]
monitor = "m"
members = ["192.0.2.1", { host = "lb.example.net" }]
[pool.b]
monitor = "m"
members = ["192.0.2.2"]
[policy.pair]
kind = "failover"
targets = ["a", "b"]
[record."falling.example.com"]
use = "pair"
ttl = 120
ttl_min = 15
[record."steady.example.com"]
use = "pair"
ttl = 120
"#;

use crate::files::built;

const FALLING: RecordId = RecordId(0);
const STEADY: RecordId = RecordId(1);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn host() -> Name {
    "lb.example.net.".parse().expect("a name")
}

/// The host name has one address, found at 0 for 60 s.
fn generation() -> Generation {
    let mut generation = built("", POLICIES, &[]);
    let addresses = vec!["192.0.2.9".parse().expect("an address")];
    let known = Resolution { addresses, at: at(0), until: at(60) };
    generation.place(&Table { of: [(host(), known)].into() });
    generation
}

/// The TTL of the answers now, and that of the record as they say.
fn ttl(control: &mut Control, record: RecordId) -> u32 {
    control.settle();
    let client = Client::new("198.51.100.1".parse().expect("an address"));
    let served = control.live().serve(record, Type::A, client, &mut Spin::new(1));
    let Answer::Records { bytes, .. } = served.answer else { panic!("records, not {served:?}") };
    let served = u32::from_be_bytes(bytes[6..10].try_into().expect("four octets"));
    assert_eq!(control.ttl(record).0, served, "what is explained is what is served");
    served
}

#[test]
fn a_near_change_cuts_the_ttl_of_records_that_ask_for_it() {
    let mut control = Control::new(generation().steering, []);
    assert_eq!((ttl(&mut control, FALLING), ttl(&mut control, STEADY)), (120, 120));
    // Any pool under the record counts, also the second.
    for (within, expected) in [(40, 40), (20, 20), (10, 15), (300, 120)] {
        control.set_change(CheckId(2), Some(Duration::from_secs(within)));
        assert_eq!(ttl(&mut control, FALLING), expected);
        assert_eq!(ttl(&mut control, STEADY), 120);
    }
    control.set_change(CheckId(0), Some(Duration::from_secs(30)));
    assert_eq!(control.ttl(FALLING), (30, Some(Cut::Check(CheckId(0)))));
    control.set_change(CheckId(0), None);
    assert_eq!(ttl(&mut control, FALLING), 120);
    assert!(!control.has_unsettled());
}

#[test]
fn addresses_of_a_host_name_cut_every_ttl_to_what_is_left_of_theirs() {
    let mut control = Control::new(generation().steering, []);
    control.set_fresh_until(&host(), at(60));
    for (seconds, expected) in [(0, 60), (1, 55), (31, 25), (58, 5), (59, 5), (3000, 5)] {
        control.tick(at(seconds));
        assert_eq!((ttl(&mut control, STEADY), seconds), (expected, seconds));
    }
    assert!(matches!(control.ttl(STEADY).1, Some(Cut::Host(name)) if name == host()));
    control.set_fresh_until(&host(), at(4000));
    control.tick(at(3001));
    assert_eq!(ttl(&mut control, STEADY), 120);
}

#[test]
fn other_addresses_leave_what_clients_prefer_as_it_is() {
    let mut generation = generation();
    let first = generation.steering.clone();
    let addresses = ["192.0.2.1", "192.0.2.7", "2001:db8::7"];
    let addresses = addresses.map(|text| text.parse().expect("an address")).to_vec();
    let known = Resolution { addresses, at: at(60), until: at(120) };
    generation.place(&Table { of: [(host(), known)].into() });
    let members: Vec<&str> =
        generation.steering.model.pools[0].members.iter().map(|m| &*m.name).collect();
    assert_eq!(members, ["192.0.2.1", "192.0.2.7", "2001:db8::7"], "no address is in it twice");
    assert!(std::sync::Arc::ptr_eq(&first.compiled, &generation.steering.compiled));
    let targets: Vec<String> =
        generation.checks.iter().map(|check| check.target.to_string()).collect();
    let expected = [
        "192.0.2.1:80",
        "lb.example.net[192.0.2.7]:80",
        "lb.example.net[2001:db8::7]:80",
        "192.0.2.2:80",
    ];
    assert_eq!(targets, expected);
}
