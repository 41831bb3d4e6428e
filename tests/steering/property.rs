//! `evaluate` and the compiled tables are one meaning: random policies, places, clients and
//! health states give the same answers both ways, and ECS scopes are exactly what they must be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::geo::address::WRAPPED;
use meridian::geo::{Continent, Coordinates, Country, Location, LocationId, RangeMap};
use meridian::health::{CheckId, Verdict};
use meridian::steering::answers::Outcome;
use meridian::steering::census::Outlet;
use meridian::steering::compile::World;
use meridian::steering::control::{Control, Steering};
use meridian::steering::evaluate::{Asker, evaluate};
use meridian::steering::label::{self, Label, LabelId};
use meridian::steering::matching::Match;
use meridian::steering::model::*;
use meridian::steering::resolve::{Item, Resolved, Ring, Source, View};
use meridian::steering::share::Share;
use meridian::steering::spread::{self, Random};
use meridian::steering::standing::{Offer, Resort, Standing};
use meridian::steering::way::{Reason, Way};
use meridian::steering::{Answer, Client, Spin};
use meridian::wire::{Name, Type};
use meridian::zone::RecordId;
use proptest::prelude::*;

/// No boundary in a random world is finer than a prefix of so many bits.
const GRAIN: u8 = 10;

const TYPES: [Type; 3] = [Type::A, Type::AAAA, Type::HTTPS];

/// A world, owned.
struct Globe {
    locations: Vec<Location>,
    v4: RangeMap<u32, LocationId>,
    v6: RangeMap<u128, LocationId>,
}

impl Globe {
    fn random(random: &mut Random) -> Globe {
        let mut locations = vec![Location::default()];
        for _ in 0..1 + random.below(7) {
            locations.push(random_location(random));
        }
        let count = locations.len() as u32;
        let mut prefixes = |bits: u32| -> Vec<(u128, u8, LocationId)> {
            (0..random.below(14))
                .map(|_| {
                    let length = 1 + random.below(u32::from(GRAIN)) as u8;
                    let first = u128::from(random.draw()) << 64 >> (128 - bits);
                    (first, length, LocationId(random.below(count)))
                })
                .collect()
        };
        let v4 = prefixes(32).into_iter().map(|(first, length, id)| (first as u32, length, id));
        let v4 = RangeMap::from_prefixes(LocationId(0), v4);
        let v6 = RangeMap::from_prefixes(LocationId(0), prefixes(128));
        Globe { locations, v4, v6 }
    }

    fn world(&self) -> World<'_> {
        World { locations: &self.locations, v4: &self.v4, v6: &self.v6 }
    }

    fn location(&self, client: Client) -> &Location {
        let id = match client.address {
            IpAddr::V4(address) => self.v4.find(address.to_bits()).value,
            IpAddr::V6(address) => self.v6.find(address.to_bits()).value,
        };
        &self.locations[id.0 as usize]
    }
}

fn pick<T: Clone>(random: &mut Random, list: &[T]) -> T {
    list[random.below(list.len() as u32) as usize].clone()
}

fn random_location(random: &mut Random) -> Location {
    let (country, continent, subdivision) = pick(
        random,
        &[
            (b"US", Continent::NA, "US-CA"),
            (b"US", Continent::NA, "US-NY"),
            (b"DE", Continent::EU, "DE-HE"),
            (b"GB", Continent::EU, "GB-ENG"),
            (b"SG", Continent::AS, "SG-01"),
        ],
    );
    Location {
        country: Some(Country(*country)),
        continent: Some(continent),
        subdivision: (random.below(2) == 0).then(|| subdivision.into()),
        city: (random.below(3) == 0).then(|| "Springfield".into()),
        asn: (random.below(3) == 0).then(|| 64500 + random.below(2)),
        coordinates: (random.below(5) != 0).then(|| random_coordinates(random)),
    }
}

fn random_coordinates(random: &mut Random) -> Coordinates {
    Coordinates {
        latitude: f64::from(random.below(160)) - 80.0,
        longitude: f64::from(random.below(360)) - 180.0,
    }
}

fn random_match(random: &mut Random) -> Match {
    match random.below(6) {
        0 => {
            let length = 1 + random.below(u32::from(GRAIN)) as u8;
            let address: IpAddr = if random.below(2) == 0 {
                Ipv4Addr::from_bits(random.draw() as u32).into()
            } else {
                Ipv6Addr::from_bits(u128::from(random.draw()) << 64).into()
            };
            let net = ipnet::IpNet::new(address, length).expect("a length in range");
            Match::Net(net.trunc())
        }
        1 => Match::Asn(64500 + random.below(2)),
        2 => Match::City { country: None, name: "springfield".into() },
        3 => Match::Subdivision(pick(random, &["US-CA", "DE-HE"]).into()),
        4 => Match::Country(Country(*pick(random, &[b"US", b"DE", b"GB", b"SG"]))),
        _ => Match::Continent(pick(random, &[Continent::NA, Continent::EU, Continent::AS])),
    }
}

fn random_pool(random: &mut Random, index: u32, check: &mut u32, alias: bool) -> Pool {
    let mut members = Vec::new();
    for number in 0..1 + random.below(4) {
        let id = index * 16 + number;
        let data = match random.below(8) {
            _ if alias => {
                MemberData::Alias(format!("lb{id}.example.net.").parse().expect("a name"))
            }
            0..4 => MemberData::Address(Ipv4Addr::from_bits(0xc000_0200 + id).into()),
            4..7 => MemberData::Address(
                Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(id)).into(),
            ),
            _ => MemberData::Data { rtype: Type::HTTPS, rdata: Box::new([0, 1, 0, id as u8]) },
        };
        let checked = data.is_counted() && random.below(5) != 0;
        *check += u32::from(checked);
        members.push(Member {
            name: format!("member {id}"),
            data,
            weight: random.below(4),
            check: checked.then_some(CheckId(*check)),
        });
    }
    let counted = members.iter().filter(|m| m.data.is_counted()).count();
    Pool {
        name: format!("pool {index}"),
        site: format!("pools:{index}"),
        min_healthy: 1 + random.below(counted.max(1) as u32) as usize,
        members,
        hosts: Vec::new(),
        balance: pick(
            random,
            &[Balance::RoundRobin, Balance::RoundRobin, Balance::Weighted, Balance::Sticky],
        ),
        answers: 1 + random.below(4) as usize,
        state: pick(
            random,
            &[
                PoolState::Auto,
                PoolState::Auto,
                PoolState::Auto,
                PoolState::Auto,
                PoolState::Up,
                PoolState::Down,
                PoolState::Drain,
            ],
        ),
        coordinates: (random.below(6) != 0).then(|| random_coordinates(random)),
        ramp: Duration::from_secs(256 * u64::from(random.below(2))),
        capacity: 0,
        cost: f64::from(random.below(3)),
    }
}

fn random_model(random: &mut Random) -> Model {
    let mut model = Model::default();
    let mut check = 0;
    // A CNAME cannot share an RRset, so round robin and aliases do not go together.
    let with_aliases = random.below(3) == 0;
    for index in 0..2 + random.below(4) {
        let alias = with_aliases && random.below(2) == 0;
        model.pools.push(random_pool(random, index, &mut check, alias));
    }
    let mut targets: Vec<Target> =
        (0..model.pools.len() as u32).map(|index| Target::Pool(PoolId(index))).collect();
    for index in 0..1 + random.below(6) {
        let some = |random: &mut Random| -> Vec<Target> {
            (0..1 + random.below(3)).map(|_| pick(random, &targets)).collect()
        };
        let kind = match random.below(if with_aliases { 6 } else { 7 }) {
            0 => Kind::Failover { targets: some(random) },
            1 => {
                let mut list: Vec<(Target, u32)> =
                    some(random).into_iter().map(|t| (t, random.below(4))).collect();
                list[0].1 += 1;
                // One target stands once in a share.
                let mut seen = Vec::new();
                list.retain(|(t, _)| {
                    !seen.contains(t) && {
                        seen.push(*t);
                        true
                    }
                });
                Kind::Weighted {
                    targets: list,
                    spread: pick(random, &[Spread::Query, Spread::Client]),
                }
            }
            2 => Kind::Nearest {
                targets: some(random)
                    .into_iter()
                    .map(|t| (t, (random.below(199) as i32 - 99) as i8))
                    .collect(),
            },
            3 => Kind::Latency {
                targets: some(random),
                table: LatencyTable {
                    rows: (0..random.below(4))
                        .map(|_| LatencyRow {
                            clients: random_match(random),
                            pool: PoolId(random.below(model.pools.len() as u32)),
                            ms: f64::from(random.below(200)),
                            samples: (random.below(2) == 0).then(|| 1 + random.below(30)),
                        })
                        .collect(),
                },
                within: (random.below(2) == 0).then(|| f64::from(1 + random.below(40))),
                explore: Share::of_bound(pick(random, &[0, 0, 0, 26])),
            },
            4 => Kind::Load {
                targets: some(random).into_iter().map(|t| (t, 1 + random.below(3))).collect(),
            },
            5 => {
                let mut seen: Vec<Match> = Vec::new();
                let mut rules = Vec::new();
                for number in 0..random.below(5) {
                    let matching = random_match(random);
                    if seen.contains(&matching) {
                        continue;
                    }
                    seen.push(matching.clone());
                    let to = match random.below(6) {
                        0 => Destination::None,
                        _ => Destination::Targets(some(random)),
                    };
                    rules.push(Rule {
                        matches: vec![matching],
                        to,
                        site: format!("rule:{number}"),
                    });
                }
                Kind::Geo {
                    rules,
                    default: (random.below(4) != 0).then(|| Destination::Targets(some(random))),
                    on_down: pick(random, &[OnDown::Climb, OnDown::Nearest, OnDown::Fence]),
                }
            }
            _ => Kind::RoundRobin { targets: some(random), answers: 1 + random.below(5) as usize },
        };
        // Like round robin, it joins records into one set.
        let can_join = matches!(kind, Kind::Failover { .. } | Kind::Nearest { .. });
        let take = if can_join && !with_aliases { 1 + random.below(3) as usize } else { 1 };
        let (name, site) = (format!("policy {index}"), String::new());
        model.policies.push(Policy { name, site, kind, take });
        targets.push(Target::Policy(PolicyId(index)));
    }
    for number in 0..1 + random.below(3) {
        let owner: Name = format!("www{number}.example.com.").parse().expect("a name");
        // The last policies are the deepest.
        let target = targets[targets.len() - 1 - random.below(3) as usize % targets.len()];
        let on_all_down = match random.below(5) {
            0 => OnAllDown::All,
            1 => OnAllDown::NoData,
            2 => OnAllDown::ServFail,
            3 => OnAllDown::LastKnown,
            _ => OnAllDown::Addresses(vec![
                "198.51.100.99".parse().expect("an address"),
                "198.51.100.98".parse().expect("an address"),
            ]),
        };
        model.records.push(Record {
            owner,
            target,
            ttl: 30,
            ttl_min: None,
            on_all_down,
            site: String::new(),
        });
    }
    model
}

fn random_client(random: &mut Random) -> IpAddr {
    let v4 = Ipv4Addr::from_bits(random.draw() as u32);
    match random.below(6) {
        0..3 => v4.into(),
        3 => v4.to_ipv6_mapped().into(),
        4 => Ipv6Addr::from_bits(0x2002 << 112 | u128::from(v4.to_bits()) << 80).into(),
        _ => Ipv6Addr::from_bits(u128::from(random.draw()) << 64).into(),
    }
}

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

fn check_of(pool: &Pool) -> impl Iterator<Item = CheckId> {
    pool.members.iter().filter_map(|member| member.check)
}

/// Moves some verdicts and server times, as health checks would.
fn shake(random: &mut Random, model: &Model, control: &mut Control) {
    for pool in &model.pools {
        for check in check_of(pool) {
            if random.below(2) == 0 {
                let verdict = pick(random, &[Verdict::Up, Verdict::Down, Verdict::Down]);
                control.set_verdict(check, verdict);
            }
            if random.below(3) == 0 {
                control.set_left(check, pick(random, &[0, 37, 50, 100, 100]));
            }
            if random.below(3) == 0 {
                control.set_server_ms(check, f64::from(random.below(150)));
            }
            if random.below(3) == 0 {
                control.set_load(check, pick(random, &[f32::NAN, 0.1, 0.3, 0.5, 0.8, 1.1]));
            }
        }
    }
    shift(random, model, control);
    for _ in 0..1 + random.below(5) {
        control.evaluate_choices();
    }
    control.settle();
}

/// Drains and restores some pools, and lets time go on: shares of every size.
fn shift(random: &mut Random, model: &Model, control: &mut Control) {
    let over = Duration::from_secs(256);
    let begin =
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(random.below(1 << 20)) << 12);
    for pool in (0..model.pools.len() as u32).map(PoolId) {
        // Each begins at a time of its own, so that shares differ.
        let since = begin + Duration::from_secs(u64::from(random.below(256)));
        match random.below(4) {
            0 => control.drain_anyway(pool, over, since),
            1 => control.restore(pool, over, since),
            2 => control.force(pool, None),
            _ => {}
        }
    }
    control.tick(begin + Duration::from_secs(u64::from(random.below(600))));
}

struct Case {
    globe: Globe,
    control: Control,
}

impl Case {
    fn random(random: &mut Random) -> Case {
        let globe = Globe::random(random);
        let steering = Arc::new(Steering::new(random_model(random), globe.world()));
        Case { control: Control::new(steering, []), globe }
    }

    /// Takes all members out of some pools, as a host name without an address does.
    fn void_some(&mut self, random: &mut Random) {
        let mut pools = self.model().pools.clone();
        for pool in pools.iter_mut().filter(|pool| !pool.is_alias()) {
            if random.below(8) == 0 {
                let name = "lb.example.net.".parse().expect("a name");
                pool.hosts = vec![Host { name, addresses: Vec::new() }];
                pool.members.clear();
            }
        }
        let steering = self.control.steering().with_pools(pools);
        self.control = Control::new(Arc::new(steering), []);
    }

    fn model(&self) -> &Model {
        &self.control.steering().model
    }

    fn asker(&self, client: Client, rtype: Type) -> Asker<'_> {
        Asker { client, location: self.globe.location(client), rtype }
    }

    /// What a client gets for every type when everything is up: its first choice.
    fn first_choice(&self, record: &Record, client: Client) -> Vec<Outcome> {
        let all_up: Vec<Standing> = self
            .model()
            .pools
            .iter()
            .map(|pool| Standing::of(pool, PoolState::Auto, |_| Verdict::Up))
            .collect();
        let view = View { standings: &all_up, ..self.control.view() };
        let outcome = |rtype| evaluate(view, record, self.asker(client, rtype), None).outcome;
        TYPES.map(|rtype| plain(outcome(rtype))).into()
    }

    fn outcome(&self, record: &Record, client: Client, rtype: Type) -> Outcome {
        evaluate(self.control.view(), record, self.asker(client, rtype), None).outcome
    }
}

/// A share of one is that one, and an answer is the same whatever the reason for it.
fn plain(outcome: Outcome) -> Outcome {
    fn plain(resolved: Resolved) -> Resolved {
        match resolved {
            Resolved::Draw(mut list) if list.len() == 1 => plain(list.remove(0).1),
            Resolved::Hash(mut list) if list.len() == 1 => plain(list.remove(0).1),
            Resolved::Draw(list) => {
                Resolved::Draw(list.into_iter().map(|(w, branch)| (w, plain(branch))).collect())
            }
            Resolved::Hash(list) => {
                Resolved::Hash(list.into_iter().map(|(c, branch)| (c, plain(branch))).collect())
            }
            other => other,
        }
    }
    match outcome {
        Outcome::Resolved(resolved) => {
            Outcome::Resolved(plain(resolved.because(Reason::FirstChoice)))
        }
        Outcome::ServFail => Outcome::ServFail,
    }
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
            let first: Vec<_> = (0..cells).map(|cell| case.first_choice(record, v4_at(cell))).collect();
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
