//! `evaluate` and the compiled tables are one meaning: random policies, places, clients and
//! health states give the same answers both ways, and ECS scopes are exactly what they must be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use meridian::geo::address::WRAPPED;
use meridian::geo::{Location, LocationId, RangeMap};
use meridian::steering::answers::Outcome;
use meridian::steering::census::Outlet;
use meridian::steering::compile::World;
use meridian::steering::control::{Control, Steering};
use meridian::steering::evaluate::evaluate;
use meridian::steering::label::{self, Label, LabelId};
use meridian::steering::model::*;
use meridian::steering::resolve::{Item, Resolved, Ring, Source};
use meridian::steering::share::Share;
use meridian::steering::spread::{self, Random};
use meridian::steering::standing::{Offer, Resort};
use meridian::steering::way::Way;
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::Type;
use meridian::zone::RecordId;
use proptest::prelude::*;

use crate::case::{Case, GRAIN, TYPES, plain, random_client, shake};

/// The record bytes of an item, as a served answer holds them.
fn record_bytes(model: &Model, item: Item) -> Vec<u8> {
    let data = match item {
        Item::Member(pool, index) => model.pool(pool).members[index].data.clone(),
        Item::Address(address) => MemberData::Address(address),
    };
    let rdata = match &data {
        MemberData::Address(IpAddr::V4(a)) => a.octets().to_vec(),
        MemberData::Address(IpAddr::V6(a)) => a.octets().to_vec(),
        MemberData::Alias(name) => name.as_wire().to_vec(),
        MemberData::Data { rdata, .. } => rdata.to_vec(),
    };
    let mut bytes = vec![0xc0, 0x0c];
    bytes.extend(data.rtype().unwrap_or(Type::CNAME).0.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 30]);
    bytes.extend((rdata.len() as u16).to_be_bytes());
    bytes.extend(rdata);
    bytes
}

/// Every answer that an outcome allows to this client, as octets, with the way that it is counted
/// as.
fn possible(
    model: &Model,
    resolved: &Resolved,
    record: u64,
    client: Client,
) -> Vec<(Vec<u8>, Way)> {
    match resolved {
        Resolved::NoData => vec![(Vec::new(), Way::NO_DATA)],
        Resolved::Ring(Ring { items, take, is_fixed, reason, .. }) => {
            (0..if *is_fixed { 1 } else { items.len() })
                .map(|turn| {
                    let cycle = items.iter().cycle().skip(turn).take((*take).min(items.len()));
                    let way = Way { outlet: Outlet::of(items[turn]), reason: *reason };
                    (cycle.flat_map(|item| record_bytes(model, *item)).collect(), way)
                })
                .collect()
        }
        Resolved::Draw(list) => {
            list.iter().flat_map(|(_, branch)| possible(model, branch, record, client)).collect()
        }
        Resolved::Hash(list) => {
            let key = spread::client_key(client.address);
            let won = spread::rendezvous(record, key, list.iter().map(|(c, _)| *c));
            possible(model, &list[won].1, record, client)
        }
        Resolved::Split(_) => panic!("an evaluation is for one client, whose part is known"),
    }
}

/// Whether what an answer is counted as is the way that it went; many may have come before, and
/// be counted together.
fn is_of(label: &Label, model: &Model, way: Way) -> bool {
    let way = (way.outlet.name(model), way.reason.as_str());
    way == (&*label.pool, label.reason) || label.reason == "other"
}

fn pools_in(resolved: &Resolved, found: &mut Vec<PoolId>) {
    match resolved {
        Resolved::NoData => {}
        Resolved::Ring(ring) => {
            if let Source::Pool(id) = ring.source {
                found.push(id);
            }
            found.extend(ring.items.iter().filter_map(|item| match item {
                Item::Member(id, _) => Some(*id),
                Item::Address(_) => None,
            }));
        }
        Resolved::Draw(list) => list.iter().for_each(|(_, branch)| pools_in(branch, found)),
        Resolved::Hash(list) => list.iter().for_each(|(_, branch)| pools_in(branch, found)),
        Resolved::Split(list) => list.iter().for_each(|(_, part)| pools_in(part, found)),
    }
}

fn is_hashed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Resolved(resolved) if resolved.is_hashed())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn evaluation_and_the_compiled_tables_give_the_same_answers(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let mut case = Case::random(&mut random);
        case.void_some(&mut random);
        let model = case.model().clone();
        let mut spin = Spin::new(seed);
        let mut last: HashMap<(usize, IpAddr, Type), Resolved> = HashMap::new();
        let clients: Vec<IpAddr> = (0..24).map(|_| random_client(&mut random)).collect();
        for round in 0..6 {
            if round > 0 {
                shake(&mut random, &model, &mut case.control);
            }
            let labels = label::known();
            let label_of = |label: LabelId| &labels[usize::from(label.number())];
            for (number, record) in model.records.iter().enumerate() {
                for address in &clients {
                    let client = Client::new(*address);
                    for rtype in TYPES {
                        let asker = case.asker(client, rtype);
                        let known = last.get(&(number, *address, rtype)).cloned();
                        let evaluation = evaluate(case.control.view(), record, asker, known.as_ref());
                        let id = RecordId(number as u32);
                        let hash = spread::seed(record.owner.as_wire());
                        for _ in 0..4 {
                            let served = case.control.live().serve(id, rtype, client, &mut spin);
                            match (&evaluation.outcome, served.answer) {
                                (Outcome::ServFail, Answer::ServFail) => {
                                    prop_assert!(is_of(label_of(served.label), &model, Way::FAILED));
                                }
                                (Outcome::Resolved(resolved), answer) => {
                                    let bytes = match answer {
                                        Answer::Records { bytes, .. } | Answer::Alias { bytes, .. } => bytes,
                                        Answer::NoData => &[],
                                        Answer::ServFail => panic!("SERVFAIL for {evaluation:?}"),
                                    };
                                    let allowed = possible(&model, resolved, hash, client);
                                    prop_assert!(
                                        allowed.iter().any(|(a, _)| a == bytes),
                                        "{address} {rtype} got {bytes:?}, not {resolved:?}: {:?}",
                                        evaluation.trace,
                                    );
                                    let is_panic = evaluation.all_down.is_some();
                                    let is_way = |way: Way| match way {
                                        Way::NO_DATA if is_panic => Way::FAILED,
                                        way => way,
                                    };
                                    prop_assert!(
                                        allowed.iter().any(|(a, way)| {
                                            a == bytes && is_of(label_of(served.label), &model, is_way(*way))
                                        }),
                                        "{address} {rtype} is counted as {:?}, not as of {resolved:?}: {:?}",
                                        label_of(served.label),
                                        evaluation.trace,
                                    );
                                }
                                (expected, got) => prop_assert!(false, "{got:?}, not {expected:?}"),
                            }
                        }
                        if evaluation.all_down.is_none()
                            && let Outcome::Resolved(resolved) = evaluation.outcome
                        {
                            last.insert((number, *address, rtype), resolved);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_scope_is_never_wider_than_true_and_exact_while_first_choices_are_up(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let mut case = Case::random(&mut random);
        let model = case.model().clone();
        let mut spin = Spin::new(seed);
        let cells = 1u32 << GRAIN;
        let v4_at = |cell: u32| Client::new(Ipv4Addr::from_bits(cell << (32 - GRAIN)).into());
        for _ in 0..2 {
            shake(&mut random, &model, &mut case.control);
            let record_number = random.below(model.records.len() as u32);
            let record = &model.records[record_number as usize];
            if matches!(record.on_all_down, OnAllDown::LastKnown) {
                // What was last known depends on the past of each class.
                continue;
            }
            let first = case.first_choices(record, (0..cells).map(v4_at));
            for rtype in TYPES {
                let now: Vec<_> =
                    (0..cells).map(|cell| case.outcome(record, v4_at(cell), rtype)).collect();
                let plainly: Vec<_> = now.iter().cloned().map(plain).collect();
                for _ in 0..12 {
                    let cell = random.below(cells);
                    let client = v4_at(cell);
                    let served = case.control.live().serve(RecordId(record_number), rtype, client, &mut spin);
                    let own = cell as usize;
                    // Within the scope everyone gets the same answer now.
                    let inside = |length: u8| {
                        let shift = u32::from(GRAIN.saturating_sub(length));
                        let start = cell >> shift << shift;
                        start as usize..(start as usize + (1 << shift))
                    };
                    let scope = served.scope;
                    prop_assert!(
                        inside(scope).all(|other| plainly[other] == plainly[own]),
                        "too wide: {}: {:?}, {:?}", scope, now[own], first[own]
                    );
                    if is_hashed(&now[own]) {
                        prop_assert!(scope >= 24, "{scope} for {:?}", now[own]);
                        continue;
                    }
                    // Who explores is told apart by network.
                    let policies = model.policies_under(record.target);
                    if policies.iter().any(|id| model.policy(*id).explore() > Share::NONE) {
                        continue;
                    }
                    let types_known = model.pools_under(record.target).iter().any(|pool| {
                        model.pool(*pool).is_alias() || model.pool(*pool).types().contains(&rtype)
                    });
                    let mut pools = Vec::new();
                    for outcome in &first[own] {
                        if let Outcome::Resolved(resolved) = outcome {
                            pools_in(resolved, &mut pools);
                        }
                    }
                    let all_up = pools.iter().all(|id| {
                        let standing = case.control.standing(*id);
                        standing.share.is_full()
                            && standing.offer(model.pool(*id), Resort::Healthy, Some(rtype)) != Offer::Down
                    });
                    if all_up && types_known {
                        let exact = (0..=32).find(|length| inside(*length).all(|other| first[other] == first[own]));
                        prop_assert_eq!(Some(scope), exact, "first choices are up");
                    }
                }
            }
        }
    }

    #[test]
    fn an_ipv6_scope_never_reaches_over_clients_with_another_answer(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let mut case = Case::random(&mut random);
        let model = case.model().clone();
        let mut spin = Spin::new(seed);
        shake(&mut random, &model, &mut case.control);
        let record = &model.records[0];
        if matches!(record.on_all_down, OnAllDown::LastKnown) {
            return Ok(());
        }
        let shift = 128 - u32::from(GRAIN);
        // One client for each cell, and every cell of IPv4 inside each wrapping.
        let mut clients: Vec<u128> = (0..1u128 << GRAIN).map(|cell| (cell << shift) | 1).collect();
        for (first, last) in WRAPPED {
            let host = (last - first).count_ones() - u32::from(GRAIN);
            let host = host.min(112);
            clients.extend((0..1u128 << GRAIN).map(|cell| first | (cell << host)));
        }
        let outcomes: Vec<(u128, Outcome)> = clients
            .into_iter()
            .map(|bits| {
                let client = Client::new(Ipv6Addr::from_bits(bits).into());
                (bits, plain(case.outcome(record, client, Type::AAAA)))
            })
            .collect();
        for _ in 0..16 {
            let (bits, own) = &outcomes[random.below(outcomes.len() as u32) as usize];
            let client = Client::new(Ipv6Addr::from_bits(*bits).into());
            let served = case.control.live().serve(RecordId(0), Type::AAAA, client, &mut spin);
            prop_assert!(served.scope <= 128);
            let host = 128 - u32::from(served.scope);
            let prefix = |bits: u128| bits.checked_shr(host).unwrap_or(0);
            for (other, outcome) in &outcomes {
                if prefix(*other) == prefix(*bits) {
                    prop_assert!(outcome == own, "{} spans {:x} and {:x}", served.scope, bits, other);
                }
            }
        }
    }
}

#[test]
fn ten_thousand_draws_of_a_weighted_policy_come_within_two_points_of_their_shares() {
    let pool = |index: u32| Pool {
        name: format!("pool {index}"),
        site: String::new(),
        members: vec![Member {
            name: index.to_string(),
            data: MemberData::Address(Ipv4Addr::new(192, 0, 2, index as u8).into()),
            weight: 1,
            check: None,
        }],
        hosts: Vec::new(),
        balance: Balance::RoundRobin,
        answers: 8,
        min_healthy: 1,
        state: PoolState::Auto,
        coordinates: None,
        ramp: Duration::ZERO,
        capacity: 0,
        cost: 0.0,
    };
    for spread in [Spread::Query, Spread::Client] {
        let targets = [50, 30, 20];
        let targets =
            (0..).zip(targets).map(|(i, weight)| (Target::Pool(PoolId(i)), weight)).collect();
        let policy = Policy {
            name: "shares".into(),
            site: String::new(),
            kind: Kind::Weighted { targets, spread },
            take: 1,
        };
        let record = Record {
            owner: "www.example.com.".parse().unwrap(),
            target: Target::Policy(PolicyId(0)),
            ttl: 30,
            ttl_min: None,
            on_all_down: OnAllDown::All,
            site: String::new(),
        };
        let model = Model {
            pools: (0..3).map(pool).collect(),
            policies: vec![policy],
            records: vec![record],
        };
        let (v4, v6) = (RangeMap::uniform(LocationId(0)), RangeMap::uniform(LocationId(0)));
        let world = World { locations: &[Location::default()], v4: &v4, v6: &v6 };
        let control = Control::new(Arc::new(Steering::new(model, world)), []);
        let mut spin = Spin::new(1);
        let mut drawn = [0u32; 3];
        for client in 0..10_000u32 {
            let client = Client::new(Ipv4Addr::from_bits(client << 8).into());
            let served = control.live().serve(RecordId(0), Type::A, client, &mut spin);
            let Answer::Records { bytes, count: 1 } = served.answer else {
                panic!("one address, not {served:?}");
            };
            drawn[usize::from(bytes[15])] += 1;
        }
        for (drawn, share) in drawn.into_iter().zip([5000u32, 3000, 2000]) {
            assert!(
                drawn.abs_diff(share) < 200,
                "{drawn} of 10,000, expected {share} ({spread:?})"
            );
        }
    }
}
