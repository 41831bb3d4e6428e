//! Pools in transition: who moves while a region is drained, restored or ramps up, and who while
//! regions are full (steering.md, "Drain, ramp, overflow").

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::geo::{Continent, Coordinates, Country, Location, LocationId, RangeMap};
use meridian::health::{CheckId, Verdict};
use meridian::steering::compile::World;
use meridian::steering::control::{Cause, Change, Control, Override, Steering};
use meridian::steering::matching::Match;
use meridian::steering::model::*;
use meridian::steering::share::Share;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;

const BEGIN: Duration = Duration::from_secs(1_800_000_000);
const CLIENTS: u32 = 2_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + BEGIN + Duration::from_secs(seconds)
}

/// Region `n` answers 192.0.2.n and is watched by check `n`.
fn pool(number: u32, ramp: Duration, capacity: u64) -> Pool {
    Pool {
        name: format!("region-{number}"),
        site: String::new(),
        members: vec![Member {
            name: number.to_string(),
            data: MemberData::Address(Ipv4Addr::new(192, 0, 2, number as u8).into()),
            weight: 1,
            check: Some(CheckId(number)),
        }],
        hosts: Vec::new(),
        balance: Balance::RoundRobin,
        answers: 8,
        min_healthy: 1,
        state: PoolState::Auto,
        coordinates: None,
        ramp,
        capacity,
        cost: 0.0,
    }
}

fn failover(pools: u32) -> Kind {
    Kind::Failover { targets: (0..pools).map(|pool| Target::Pool(PoolId(pool))).collect() }
}

struct Bed {
    control: Control,
    spin: Spin,
}

impl Bed {
    fn new(pools: Vec<Pool>, kind: Kind) -> Bed {
        let (v4, v6) = (RangeMap::uniform(LocationId(0)), RangeMap::uniform(LocationId(0)));
        Bed::over(World { locations: &[Location::default()], v4: &v4, v6: &v6 }, pools, kind)
    }

    fn over(world: World<'_>, pools: Vec<Pool>, kind: Kind) -> Bed {
        let policy = Policy { name: "policy".into(), site: String::new(), kind, take: 1 };
        let record = Record {
            owner: "www.example.com.".parse().expect("a name"),
            target: Target::Policy(PolicyId(0)),
            ttl: 30,
            ttl_min: None,
            on_all_down: OnAllDown::NoData,
            site: String::new(),
        };
        let model = Model { pools, policies: vec![policy], records: vec![record] };
        let mut control = Control::new(Arc::new(Steering::new(model, world)), []);
        control.settle();
        Bed { control, spin: Spin::new(1) }
    }

    /// Two regions, the second for when the first is down.
    fn pair(ramp: Duration) -> Bed {
        Bed::new(vec![pool(0, ramp, 0), pool(1, ramp, 0)], failover(2))
    }

    fn tick(&mut self, seconds: u64) -> Vec<Change> {
        self.control.tick(at(seconds));
        self.control.settle()
    }

    /// The region that answers a client, and the scope.
    fn region(&mut self, address: u32) -> (u8, u8) {
        let client = Client::new(IpAddr::V4(Ipv4Addr::from_bits(address)));
        let served = self.control.live().serve(RecordId(0), Type::A, client, &mut self.spin);
        match served.answer {
            Answer::Records { bytes, count: 1 } => (bytes[15], served.scope),
            other => panic!("one address, not {other:?}"),
        }
    }

    fn regions(&mut self) -> Vec<u8> {
        (0..CLIENTS).map(|client| self.region(client << 8).0).collect()
    }

    /// The part of all clients that a region has.
    fn part(&mut self, region: u8) -> f64 {
        let regions = self.regions();
        regions.iter().filter(|r| **r == region).count() as f64 / f64::from(CLIENTS)
    }
}

fn change(pool: u32, cause: Cause, share: f64) -> Change {
    Change::Share { pool: PoolId(pool), cause, share: Share::of_ratio(share) }
}

#[test]
fn a_client_moves_once_while_a_region_is_drained_and_once_while_it_returns() {
    let mut bed = Bed::pair(Duration::ZERO);
    let minutes = |n: u64| Duration::from_secs(60 * n);
    bed.control.drain(PoolId(0), minutes(10), at(0)).expect("there is another");
    assert_eq!(bed.control.settle(), [change(0, Cause::Drain, 1.0)]);
    let mut before = bed.regions();
    assert!(before.iter().all(|region| *region == 0));
    for (minute, left) in (1..10).zip((1..10).rev()) {
        assert_eq!(bed.tick(60 * minute), []);
        let now = bed.regions();
        assert!(before.iter().zip(&now).all(|(was, is)| was <= is), "nobody comes back");
        let kept = bed.part(0);
        assert!((kept - f64::from(left) / 10.0).abs() < 0.04, "{kept} at minute {minute}");
        assert_eq!(bed.region(0).1, 24);
        before = now;
    }
    assert_eq!(bed.tick(600), [change(0, Cause::Drain, 0.0)]);
    assert_eq!(bed.part(1), 1.0);
    assert_eq!(bed.region(0).1, 0);
    assert!(!bed.control.is_moving());

    bed.control.restore(PoolId(0), minutes(10), at(1000));
    assert_eq!(bed.control.settle(), [change(0, Cause::Restore, 0.0)]);
    let mut before = bed.regions();
    for minute in 1..=10 {
        bed.tick(1000 + 60 * minute);
        let now = bed.regions();
        assert!(before.iter().zip(&now).all(|(was, is)| was >= is), "nobody leaves again");
        before = now;
    }
    assert_eq!(bed.part(0), 1.0);
    assert_eq!(bed.control.overrides().count(), 0);
    assert!(!bed.control.is_moving());
}

#[test]
fn a_drain_that_is_taken_back_half_way_turns_round_where_it_is() {
    let mut bed = Bed::pair(Duration::ZERO);
    bed.control.drain(PoolId(0), Duration::from_secs(100), at(0)).expect("there is another");
    bed.tick(50);
    let half = bed.part(0);
    bed.control.restore(PoolId(0), Duration::from_secs(100), at(50));
    bed.control.settle();
    assert_eq!(bed.part(0), half);
    bed.tick(100);
    assert!((bed.part(0) - 0.75).abs() < 0.04);
}

#[test]
fn at_once_is_a_time_too() {
    let mut bed = Bed::pair(Duration::ZERO);
    bed.control.drain(PoolId(0), Duration::ZERO, at(0)).expect("there is another");
    assert_eq!(bed.control.settle(), [change(0, Cause::Drain, 0.0)]);
    assert_eq!(bed.part(1), 1.0);
    bed.control.restore(PoolId(0), Duration::ZERO, at(1));
    bed.control.settle();
    assert_eq!(bed.part(0), 1.0);
    assert_eq!(bed.tick(2), [change(0, Cause::Restore, 1.0)]);
}

#[test]
fn the_last_region_that_is_up_cannot_be_drained_without_force_and_keeps_everybody() {
    let mut bed = Bed::pair(Duration::ZERO);
    bed.control.set_verdict(CheckId(1), Verdict::Down);
    let refused = bed.control.drain(PoolId(0), Duration::from_secs(100), at(0)).unwrap_err();
    assert_eq!((&*refused.pool, &*refused.record), ("region-0", "www.example.com."));
    assert!(refused.to_string().contains("www.example.com."), "{refused}");
    bed.control.drain_anyway(PoolId(0), Duration::from_secs(100), at(0));
    for seconds in [1, 50, 99, 100, 200] {
        bed.tick(seconds);
        assert_eq!(bed.part(0), 1.0, "a drained region is better than none");
    }

    // Two that are being drained are no way out for each other.
    let mut bed = Bed::pair(Duration::ZERO);
    bed.control.drain(PoolId(0), Duration::from_secs(100), at(0)).expect("there is another");
    assert!(bed.control.drain(PoolId(1), Duration::ZERO, at(1)).is_err());
}

#[test]
fn no_share_leaves_a_client_with_a_deliberate_nodata() {
    let rule = Rule {
        matches: vec![Match::Net("0.0.0.0/0".parse().expect("a network"))],
        to: Destination::Targets(vec![Target::Pool(PoolId(0))]),
        site: String::new(),
    };
    let kind =
        Kind::Geo { rules: vec![rule], default: Some(Destination::None), on_down: OnDown::Climb };
    let mut bed = Bed::new(vec![pool(0, Duration::ZERO, 0)], kind);
    bed.control.drain_anyway(PoolId(0), Duration::from_secs(100), at(0));
    bed.tick(50);
    assert_eq!(bed.part(0), 1.0);
}

#[test]
fn an_override_is_taken_up_where_it_was_by_another_process() {
    let mut bed = Bed::pair(Duration::ZERO);
    bed.control.drain(PoolId(0), Duration::from_secs(100), at(0)).expect("there is another");
    bed.tick(25);
    let stored: Vec<(PoolId, Override)> = bed.control.overrides().collect();
    let here = bed.regions();

    let mut again = Bed::pair(Duration::ZERO);
    for (pool, word) in stored {
        again.control.take_up(pool, word);
    }
    again.tick(25);
    assert_eq!(again.regions(), here);
    again.tick(300);
    assert_eq!(again.part(1), 1.0);
}

#[test]
fn a_region_that_comes_back_up_gets_a_tenth_of_its_clients_and_then_more() {
    let ramp = Duration::from_secs(300);
    let mut bed = Bed::pair(ramp);
    bed.tick(0);
    // Known to be up for the first time: that is no return.
    bed.control.set_verdict(CheckId(0), Verdict::Up);
    bed.control.settle();
    assert_eq!(bed.part(0), 1.0);

    bed.control.set_verdict(CheckId(0), Verdict::Down);
    bed.control.settle();
    assert_eq!(bed.part(1), 1.0);
    bed.control.set_verdict(CheckId(0), Verdict::Up);
    let changes = bed.control.settle();
    assert!(changes.contains(&change(0, Cause::Ramp, 0.1)), "{changes:?}");
    let first = bed.part(0);
    assert!((first - 0.1).abs() < 0.03, "{first}");
    bed.tick(10);
    bed.tick(10 + 150);
    let half = bed.part(0);
    assert!((half - 0.55).abs() < 0.04, "{half}");

    // A new failure stops it, and the next return begins anew.
    bed.control.set_verdict(CheckId(0), Verdict::Down);
    bed.control.settle();
    assert_eq!(bed.part(1), 1.0);
    assert!(!bed.control.is_moving());
    bed.control.set_verdict(CheckId(0), Verdict::Up);
    bed.control.settle();
    assert_eq!(bed.part(0), first);
    bed.tick(200);
    assert_eq!(bed.tick(500), [change(0, Cause::Ramp, 1.0)]);
    assert_eq!(bed.part(0), 1.0);
}

#[test]
fn what_ramps_up_alone_has_everybody() {
    let mut bed = Bed::pair(Duration::from_secs(300));
    for check in [0, 1] {
        bed.control.set_verdict(CheckId(check), Verdict::Down);
    }
    bed.control.set_verdict(CheckId(0), Verdict::Up);
    bed.control.settle();
    assert_eq!(bed.part(0), 1.0);
}

/// Regions on a ring, each the nearest to its own clients; what is next differs by client.
struct Ring {
    bed: Bed,
    regions: u32,
    /// Where each client is served while it holds an answer.
    held: Vec<u8>,
    /// Demand of one client, as a part of a region's capacity.
    weight: f64,
    failed: Option<u32>,
}

/// Clients in each region: enough to see steps of 1/256.
const EACH: u32 = 2_000;

impl Ring {
    /// Everybody at `load` of their capacity.
    fn new(regions: u32, load: f64) -> Ring {
        let mut locations = vec![Location::default()];
        let mut prefixes = Vec::new();
        for region in 0..2 * regions {
            // Half of a region's clients lie to the left of it, half to the right.
            let side = if region % 2 == 0 { -8.0 } else { 8.0 };
            let longitude = f64::from(region / 2) * 360.0 / f64::from(regions) - 180.0 + side;
            locations.push(Location {
                country: Some(Country(*b"DE")),
                continent: Some(Continent::EU),
                coordinates: Some(Coordinates { latitude: 0.0, longitude }),
                ..Location::default()
            });
            prefixes.push(((region + 1) << 24, 8, LocationId(region + 1)));
        }
        let pools = (0..regions).map(|number| {
            let longitude = f64::from(number) * 360.0 / f64::from(regions) - 180.0;
            let coordinates = Some(Coordinates { latitude: 0.0, longitude });
            Pool { coordinates, ..pool(number, Duration::ZERO, 1000) }
        });
        let targets = (0..regions).map(|pool| (Target::Pool(PoolId(pool)), 0)).collect();
        let v4 = RangeMap::from_prefixes(LocationId(0), prefixes);
        let v6 = RangeMap::uniform(LocationId(0));
        let world = World { locations: &locations, v4: &v4, v6: &v6 };
        let bed = Bed::over(world, pools.collect(), Kind::Nearest { targets });
        let weight = load / f64::from(EACH);
        let mut ring = Ring { bed, regions, held: Vec::new(), weight, failed: None };
        ring.ask(1, 0);
        ring
    }

    fn client(&self, number: u32) -> u32 {
        let (region, own) = (number / EACH, number % EACH);
        ((region * 2 + own % 2 + 1) << 24) | (own << 8)
    }

    /// One in `of` of the clients asks anew.
    fn ask(&mut self, of: u32, turn: u32) {
        for number in 0..self.regions * EACH {
            let client = self.client(number);
            if self.held.len() as u32 <= number {
                self.held.push(self.bed.region(client).0);
            } else if number % of == turn % of {
                self.held[number as usize] = self.bed.region(client).0;
            }
        }
    }

    fn loads(&self) -> Vec<f64> {
        let load = |region: u32| {
            let clients = self.held.iter().filter(|held| u32::from(**held) == region).count();
            clients as f64 * self.weight
        };
        (0..self.regions).map(load).collect()
    }

    fn report(&mut self) {
        for (check, load) in (0..).map(CheckId).zip(self.loads()) {
            if Some(check.0) != self.failed {
                self.bed.control.set_load(check, load as f32);
            }
        }
    }

    fn fail(&mut self, region: u32) {
        self.failed = Some(region);
        self.bed.control.set_verdict(CheckId(region), Verdict::Down);
        self.bed.control.settle();
    }

    /// Ten seconds go by: a third of the clients asks again, regions report, shares move.
    fn step(&mut self, step: u32) -> Vec<Change> {
        self.ask(3, step);
        self.report();
        self.bed.tick(u64::from(step) * 10)
    }
}

#[test]
fn when_a_region_fails_at_70_percent_nobody_is_pushed_over_its_capacity_and_it_settles() {
    for regions in [5, 6, 8] {
        let mut ring = Ring::new(regions, 0.70);
        ring.report();
        assert_eq!(ring.bed.tick(0), [], "nothing moves at 70 %");
        ring.fail(0);
        // The answers of before run out.
        for step in 1..=3 {
            ring.step(step);
        }
        let after_failure = ring.loads();
        let mut last_change = 0;
        let mut worst: Vec<f64> = after_failure.clone();
        for step in 4..400 {
            if !ring.step(step).is_empty() {
                last_change = step;
            }
            for (worst, load) in worst.iter_mut().zip(ring.loads()) {
                *worst = worst.max(load);
            }
        }
        let settled = ring.loads();
        let story = format!(
            "{regions} regions: after the failure {after_failure:.2?}, worst {worst:.2?}, \
             settled {settled:.2?}, last change at step {last_change}"
        );
        println!("{story}");
        for (was, worst) in after_failure.iter().zip(&worst) {
            // The failure itself may have put more on a neighbour than it can take; steering
            // does not.
            assert!(*worst <= was.max(1.0) + 1e-9, "{story}");
        }
        assert!(settled.iter().all(|load| *load <= 0.92), "{story}");
        assert!(last_change < 300, "{story}");
    }
}

#[test]
fn when_nobody_has_room_everybody_stays() {
    let mut ring = Ring::new(4, 0.97);
    for step in 1..50 {
        assert_eq!(ring.step(step), []);
    }
    assert!(ring.loads().iter().all(|load| (load - 0.97).abs() < 1e-9));
}

#[test]
fn a_region_that_is_full_sheds_step_by_step_and_takes_its_clients_back() {
    let mut ring = Ring::new(4, 0.60);
    ring.report();
    ring.bed.tick(0);
    // One region alone is weaker than it says.
    let extra = 0.5;
    let mut shares = vec![1.0];
    for step in 1..100 {
        ring.ask(3, step);
        ring.report();
        let own = ring.loads()[1];
        ring.bed.control.set_load(CheckId(1), (own + extra) as f32);
        ring.bed.tick(u64::from(step) * 10);
        shares.push(ring.bed.control.standing(PoolId(1)).share.ratio());
    }
    assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    assert!(shares.windows(2).all(|two| two[1] > two[0] * 0.89), "at most a tenth: {shares:?}");
    let kept = shares[shares.len() - 1];
    assert!((0.5..0.7).contains(&kept), "0.35 to 0.40 of 0.60 is what it can serve: {kept}");
    for step in 100..400 {
        ring.step(step);
    }
    assert_eq!(ring.bed.control.standing(PoolId(1)).share, Share::FULL);
}
