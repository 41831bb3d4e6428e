//! Safety rules: whatever files, checks and operators want, so many pools stay and so few clients
//! move (docs/safety.md).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::geo::{Location, LocationId, RangeMap};
use meridian::health::{CheckId, Verdict};
use meridian::steering::compile::World;
use meridian::steering::control::{Change, Control, Held, MaxShift, Safety, Steering};
use meridian::steering::model::*;
use meridian::steering::standing::Resort;
use proptest::prelude::*;

const POOLS: u32 = 5;
const WINDOW: u64 = 300;
const SHIFT: MaxShift = MaxShift { percent: 20, window: Duration::from_secs(WINDOW) };
/// 20 % in parts of 256.
const POINTS: u64 = 51;
const FLOOR: Safety = Safety { never_below: 2, max_shift: None };
const SLOW: Safety = Safety { never_below: 0, max_shift: Some(SHIFT) };
const BOTH: Safety = Safety { never_below: 2, max_shift: Some(SHIFT) };

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn pool(number: u32, ramp: Duration) -> Pool {
    Pool {
        name: format!("region-{number}"),
        site: String::new(),
        members: vec![Member {
            name: number.to_string(),
            data: MemberData::Address(std::net::Ipv4Addr::new(192, 0, 2, number as u8).into()),
            weight: 1,
            check: Some(CheckId(number)),
        }],
        balance: Balance::RoundRobin,
        answers: 8,
        min_healthy: 1,
        state: PoolState::Auto,
        coordinates: None,
        ramp,
        capacity: 0,
        cost: 0.0,
        hosts: Vec::new(),
    }
}

fn steering(pools: Vec<Pool>) -> Arc<Steering> {
    let policy = |name: &str, pools: std::ops::Range<u32>| Policy {
        name: name.into(),
        site: String::new(),
        kind: Kind::Failover { targets: pools.map(|pool| Target::Pool(PoolId(pool))).collect() },
        take: 1,
    };
    let record = |owner: &str, policy| Record {
        owner: owner.parse().expect("a name"),
        target: Target::Policy(PolicyId(policy)),
        ttl: 30,
        ttl_min: None,
        on_all_down: OnAllDown::NoData,
        site: String::new(),
    };
    let model = Model {
        policies: vec![policy("all", 0..POOLS), policy("some", 1..4)],
        records: vec![record("www.example.com.", 0), record("api.example.com.", 1)],
        pools,
    };
    let (v4, v6) = (RangeMap::uniform(LocationId(0)), RangeMap::uniform(LocationId(0)));
    let world = World { locations: &[Location::default()], v4: &v4, v6: &v6 };
    Arc::new(Steering::new(model, world))
}

fn pools(ramp: Duration) -> Vec<Pool> {
    (0..POOLS).map(|number| pool(number, ramp)).collect()
}

/// All pools up, with these rules.
fn guarded(safety: Safety, ramp: Duration) -> Control {
    let up = (0..POOLS).map(|check| (CheckId(check), Verdict::Up));
    let mut control = Control::new(steering(pools(ramp)), up);
    control.set_safety(safety, at(0));
    control.settle();
    control
}

/// One second of the control task.
fn second(control: &mut Control, now: u64) -> Vec<Change> {
    control.tick(at(now));
    control.guard(at(now));
    control.settle()
}

fn kept(control: &Control, pool: u32) -> u16 {
    control.kept(PoolId(pool)).bound()
}

fn used(control: &Control, pools: std::ops::Range<u32>) -> usize {
    pools.filter(|pool| kept(control, *pool) > 0).count()
}

#[test]
fn a_pool_that_fails_stays_in_the_answers_when_too_few_would_be_left() {
    let mut control = guarded(FLOOR, Duration::ZERO);
    control.set_verdict(CheckId(1), Verdict::Down);
    assert_eq!(second(&mut control, 1), [Change::Pool { pool: PoolId(1), is_up: false }]);
    control.set_verdict(CheckId(2), Verdict::Down);
    let held = Held::NeverBelow { least: 2, left: 1, record: "api.example.com.".into() };
    let told = Change::Held { pool: PoolId(2), held: Some(held) };
    assert_eq!(second(&mut control, 2), [told]);
    let standing = control.standing(PoolId(2));
    assert!(standing.is_up(Resort::Healthy) && standing.members[..] == [true]);

    // It leaves when another one is back.
    control.set_verdict(CheckId(1), Verdict::Up);
    let changes = second(&mut control, 3);
    assert!(changes.contains(&Change::Held { pool: PoolId(2), held: None }), "{changes:?}");
    assert_eq!((kept(&control, 1), kept(&control, 2)), (256, 0));
}

#[test]
fn an_operator_cannot_take_out_one_too_many_either() {
    let mut control = guarded(FLOOR, Duration::ZERO);
    for pool in 1..4 {
        control.force(PoolId(pool), Some(PoolState::Down));
        second(&mut control, 1);
    }
    assert_eq!(used(&control, 1..4), 2);
    assert!(control.held(PoolId(2)).is_some() && control.held(PoolId(3)).is_some());
    control.force(PoolId(2), None);
    control.drain_anyway(PoolId(2), Duration::from_secs(10), at(2));
    for now in 2..30 {
        second(&mut control, now);
        // From the beginning: it would not be empty at the end.
        assert_eq!(kept(&control, 2), 256);
    }
}

#[test]
fn a_failure_moves_a_part_at_once_and_the_others_later() {
    let mut control = guarded(SLOW, Duration::ZERO);
    control.set_verdict(CheckId(0), Verdict::Down);
    let told = Change::Held { pool: PoolId(0), held: Some(Held::MaxShift(SHIFT)) };
    assert_eq!(second(&mut control, 1), [told]);
    assert_eq!(kept(&control, 0), 205);
    assert!(control.is_moving());
    let mut falls = Vec::new();
    let mut told = Vec::new();
    for now in 2..2000 {
        let before = kept(&control, 0);
        told.extend(second(&mut control, now));
        if kept(&control, 0) != before {
            falls.push((now, kept(&control, 0)));
        }
    }
    assert_eq!(falls, [(301, 154), (601, 103), (901, 52), (1201, 1), (1501, 0)]);
    let down = Change::Pool { pool: PoolId(0), is_up: false };
    let released = Change::Held { pool: PoolId(0), held: None };
    assert!(told.contains(&down) && told.contains(&released), "{told:?}");
    assert!(!control.is_moving());
}

#[test]
fn a_pool_that_recovers_while_it_is_held_has_all_its_clients_again_in_spite_of_its_ramp() {
    let mut control = guarded(FLOOR, Duration::from_secs(600));
    for check in 1..3 {
        control.set_verdict(CheckId(check), Verdict::Down);
        second(&mut control, 1);
    }
    assert_eq!(kept(&control, 2), 256);
    control.set_verdict(CheckId(2), Verdict::Up);
    for now in 2..700 {
        second(&mut control, now);
        assert_eq!(kept(&control, 2), 256);
    }
}

#[test]
fn a_reload_that_drains_is_held_and_what_was_spent_is_remembered() {
    let mut control = guarded(SLOW, Duration::ZERO);
    control.set_verdict(CheckId(0), Verdict::Down);
    second(&mut control, 1);
    let mut drained = pools(Duration::ZERO);
    drained[0].state = PoolState::Drain;
    drained[1].state = PoolState::Drain;
    let up = (0..POOLS).map(|check| (CheckId(check), Verdict::Up));
    let mut next = Control::succeed(&control, steering(drained), up);
    next.set_safety(SLOW, at(2));
    next.settle();
    assert_eq!((kept(&next, 0), kept(&next, 1)), (205, 205));

    // Without rules what is wanted is in force at once.
    next.set_safety(Safety::default(), at(3));
    next.settle();
    assert_eq!((kept(&next, 0), kept(&next, 1)), (0, 0));
    assert!(next.held(PoolId(0)).is_none());
}

#[test]
fn a_drain_from_before_the_start_is_in_force_at_once_but_for_one_too_many() {
    let up = (0..POOLS).map(|check| (CheckId(check), Verdict::Up));
    let mut control = Control::new(steering(pools(Duration::ZERO)), up);
    for pool in 1..4 {
        control.force(PoolId(pool), Some(PoolState::Drain));
    }
    control.set_safety(BOTH, at(0));
    control.settle();
    assert_eq!((kept(&control, 1), kept(&control, 2), kept(&control, 3)), (0, 256, 256));
}

/// What happens in a storm.
#[derive(Debug, Clone)]
enum Flip {
    Verdict(u32, bool),
    Force(u32, Option<PoolState>),
    Drain(u32, u64),
    Restore(u32, u64),
    Wait(u64),
    Reload,
}

fn flip() -> impl Strategy<Value = Flip> {
    let pool = || 0..POOLS;
    let state = prop_oneof![
        Just(None),
        Just(Some(PoolState::Up)),
        Just(Some(PoolState::Down)),
        Just(Some(PoolState::Drain)),
    ];
    prop_oneof![
        4 => (pool(), any::<bool>()).prop_map(|(pool, is_up)| Flip::Verdict(pool, is_up)),
        2 => (pool(), state).prop_map(|(pool, state)| Flip::Force(pool, state)),
        1 => (pool(), 0..900u64).prop_map(|(pool, over)| Flip::Drain(pool, over)),
        1 => (pool(), 0..900u64).prop_map(|(pool, over)| Flip::Restore(pool, over)),
        3 => (1..400u64).prop_map(Flip::Wait),
        1 => Just(Flip::Reload),
    ]
}

fn apply(control: &mut Control, flip: &Flip, now: u64) {
    match *flip {
        Flip::Verdict(pool, is_up) => {
            let verdict = if is_up { Verdict::Up } else { Verdict::Down };
            control.set_verdict(CheckId(pool), verdict);
        }
        Flip::Force(pool, state) => control.force(PoolId(pool), state),
        Flip::Drain(pool, over) => {
            control.drain_anyway(PoolId(pool), Duration::from_secs(over), at(now));
        }
        Flip::Restore(pool, over) => {
            control.restore(PoolId(pool), Duration::from_secs(over), at(now));
        }
        Flip::Reload => {
            let verdicts =
                (0..POOLS).map(|check| (CheckId(check), control.verdict(CheckId(check))));
            let verdicts: Vec<_> = verdicts.collect();
            *control =
                Control::succeed(control, steering(pools(Duration::from_secs(60))), verdicts);
            control.set_safety(BOTH, at(now));
        }
        Flip::Wait(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_storm_breaks_a_rule(storm in prop::collection::vec(flip(), 1..60)) {
        let mut control = guarded(BOTH, Duration::from_secs(60));
        let mut now = 1;
        // By pool, when its share fell and by how much.
        let mut falls = vec![Vec::<(u64, u64)>::new(); POOLS as usize];
        for flip in &storm {
            let wait = if let Flip::Wait(seconds) = flip { *seconds } else { 1 };
            for second_of in 0..wait {
                let before: Vec<u16> = (0..POOLS).map(|pool| kept(&control, pool)).collect();
                let records = [0..POOLS, 1..4];
                let in_use: Vec<usize> =
                    records.iter().map(|pools| used(&control, pools.clone())).collect();
                if second_of == 0 {
                    apply(&mut control, flip, now);
                }
                second(&mut control, now);
                for (pools, before) in records.into_iter().zip(in_use) {
                    let left = used(&control, pools);
                    prop_assert!(left >= before.min(2), "{left} of {before} at {now}");
                }
                for (pool, before) in (0..POOLS).zip(before) {
                    let after = kept(&control, pool);
                    if after < before {
                        falls[pool as usize].push((now, u64::from(before - after)));
                    }
                    let lately = falls[pool as usize].iter().rev();
                    let lately = lately.take_while(|(at, _)| at + WINDOW > now);
                    let sum: u64 = lately.map(|(_, points)| points).sum();
                    prop_assert!(sum <= POINTS, "pool {pool} lost {sum} of 256 at {now}");
                }
                now += 1;
            }
        }
    }
}
