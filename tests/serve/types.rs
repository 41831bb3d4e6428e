//! A change is never half visible: A and AAAA of one name lead to one region, whatever happens to
//! its health meanwhile; but for the one case in which a region has lost one family alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use crate::support::dns::{Ask, socket};
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{Files, SERVER, until};

const MONITOR: &str = "[monitor.web]\nkind = \"http\"\npath = \"/health\"\ninterval = \"100ms\"\n\
                       timeout = \"100ms\"\nfall = 1\nrise = 1\n";

/// A region with an address of each family, and where each is checked.
fn region(number: u8, v4: SocketAddr, v6: SocketAddr) -> String {
    format!(
        "[pool.region-{number}]\nmonitor = \"web\"\nlocation = {{ latitude = 50.0, longitude = {number}.0 }}\n\
         members = [{{ address = \"192.0.2.{number}\", check = \"{v4}\" }}, \
         {{ address = \"2001:db8::{number}\", check = \"{v6}\" }}]\n"
    )
}

/// A record for each kind of policy that takes one region.
fn policies(regions: &str) -> String {
    let targets = "targets = [\"region-1\", \"region-2\", \"region-3\"]";
    let record = |name: &str, kind: &str| {
        format!(
            "[policy.{name}]\n{kind}\n{targets}\n[record.\"{name}.example.com\"]\n\
             use = \"{name}\"\nttl = 1\n"
        )
    };
    [
        MONITOR.to_owned(),
        regions.to_owned(),
        record("first", "kind = \"failover\""),
        record("sticky", "kind = \"sticky\""),
        record("nearest", "kind = \"nearest\""),
        record("latency", "kind = \"latency\"\nexplore = \"10%\""),
    ]
    .concat()
}

const NAMES: [&str; 4] =
    ["first.example.com", "sticky.example.com", "nearest.example.com", "latency.example.com"];

fn files(regions: &str) -> Files {
    Files::of(SERVER, policies(regions))
}

/// The region that an address belongs to: its last digit.
fn region_of(address: &str) -> char {
    address.chars().last().unwrap()
}

/// Asks for both families, in turn, until told to stop. How often the two could be compared.
///
/// Between two questions a region may change, and that is no contradiction. So one family is asked
/// for before and after the other: `changes` counts changes that are seen to be in force, and each
/// waits for the one before. Where it stays the same there was one change at most, and two answers
/// that are alike had none between them.
fn compare(server: SocketAddr, seed: usize, changes: &AtomicUsize, is_over: &AtomicBool) -> usize {
    let socket = socket(server);
    let mut compared = 0;
    let mut round = seed;
    while !is_over.load(SeqCst) {
        round += 1;
        let name = NAMES[round % NAMES.len()];
        let network = format!("203.0.{}.0/24", round / NAMES.len() % 200);
        let ask = |rtype: &str| Ask::new(name, rtype).from(&network).over(&socket).one();
        let (outer, inner) = if round.is_multiple_of(2) { ("A", "AAAA") } else { ("AAAA", "A") };
        let before = changes.load(SeqCst);
        let (first, between, last) = (ask(outer), ask(inner), ask(outer));
        if first == last && changes.load(SeqCst) == before {
            assert_eq!(region_of(&first), region_of(&between), "{name} for {network}");
            compared += 1;
        }
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_lead_to_one_region_while_health_flips_under_load() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::start(Behaviour::good()).await);
    }
    let regions: String =
        (1..).zip(&servers).map(|(number, s)| region(number, s.address, s.address)).collect();
    let files = files(&regions);
    let mut serving = files.serve();
    let address = serving.address();
    let (changes, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..3)
        .map(|seed| {
            let (changes, is_over) = (Arc::clone(&changes), Arc::clone(&is_over));
            thread::spawn(move || compare(address, seed * 7919, &changes, &is_over))
        })
        .collect();
    let first = || region_of(&Ask::new(NAMES[0], "A").udp(address).one());
    // The first region goes and comes, and once the second goes while the first is away.
    for _ in 0..6 {
        for (server, behaviour, region) in [
            (0, Behaviour::status(503, ""), '2'),
            (1, Behaviour::status(503, ""), '3'),
            (1, Behaviour::good(), '2'),
            (0, Behaviour::good(), '1'),
        ] {
            servers[server].now(behaviour);
            until("the change is in force", || first() == region);
            changes.fetch_add(1, SeqCst);
        }
    }
    is_over.store(true, SeqCst);
    let compared: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(compared > 100, "{compared} pairs were compared");
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_region_that_lost_one_family_alone_is_left_by_that_family() {
    let (v4, v6) = (Server::start(Behaviour::good()).await, Server::start(Behaviour::good()).await);
    let other = Server::start(Behaviour::good()).await;
    let regions: String = [
        region(1, v4.address, v6.address),
        region(2, other.address, other.address),
        region(3, other.address, other.address),
    ]
    .concat();
    let files = files(&regions);
    let serving = files.serve();
    let of = |rtype: &str| region_of(&Ask::new(NAMES[0], rtype).udp(serving.address()).one());
    assert_eq!((of("A"), of("AAAA")), ('1', '1'));
    v6.now(Behaviour::status(503, ""));
    until("IPv6 goes elsewhere", || of("AAAA") == '2');
    assert_eq!(of("A"), '1');
    let explained = files.run(&["ctl", "explain", NAMES[0], "AAAA", "--client", "192.0.2.1"]);
    assert!(explained.stdout.contains("2001:db8::1 down"), "{explained:?}");
    // With both families gone it is the decision for both, and so it is when both are back.
    v4.now(Behaviour::status(503, ""));
    until("IPv4 follows", || of("A") == '2');
    assert_eq!(of("AAAA"), '2');
    v4.now(Behaviour::good());
    v6.now(Behaviour::good());
    until("both are back", || (of("A"), of("AAAA")) == ('1', '1'));
}
