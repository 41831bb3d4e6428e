//! Random policies, places, clients and health states, the same for the same seed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian::geo::{Continent, Coordinates, Country, Location, LocationId, RangeMap};
use meridian::health::{CheckId, Verdict};
use meridian::steering::Client;
use meridian::steering::answers::Outcome;
use meridian::steering::compile::World;
use meridian::steering::control::{Control, Steering};
use meridian::steering::evaluate::{Asker, evaluate};
use meridian::steering::matching::Match;
use meridian::steering::model::*;
use meridian::steering::resolve::{Resolved, View};
use meridian::steering::share::Share;
use meridian::steering::spread::Random;
use meridian::steering::standing::Standing;
use meridian::steering::way::Reason;
use meridian::wire::{Name, Type};

/// No boundary in a random world is finer than a prefix of so many bits.
pub(crate) const GRAIN: u8 = 10;

pub(crate) const TYPES: [Type; 3] = [Type::A, Type::AAAA, Type::HTTPS];

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

pub(crate) fn random_client(random: &mut Random) -> IpAddr {
    let v4 = Ipv4Addr::from_bits(random.draw() as u32);
    match random.below(6) {
        0..3 => v4.into(),
        3 => v4.to_ipv6_mapped().into(),
        4 => Ipv6Addr::from_bits(0x2002 << 112 | u128::from(v4.to_bits()) << 80).into(),
        _ => Ipv6Addr::from_bits(u128::from(random.draw()) << 64).into(),
    }
}

fn check_of(pool: &Pool) -> impl Iterator<Item = CheckId> {
    pool.members.iter().filter_map(|member| member.check)
}

/// Moves some verdicts and server times, as health checks would.
pub(crate) fn shake(random: &mut Random, model: &Model, control: &mut Control) {
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

pub(crate) struct Case {
    globe: Globe,
    pub(crate) control: Control,
}

impl Case {
    pub(crate) fn random(random: &mut Random) -> Case {
        let globe = Globe::random(random);
        let steering = Arc::new(Steering::new(random_model(random), globe.world()));
        Case { control: Control::new(steering, []), globe }
    }

    /// Takes all members out of some pools, as a host name without an address does.
    pub(crate) fn void_some(&mut self, random: &mut Random) {
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

    pub(crate) fn model(&self) -> &Model {
        &self.control.steering().model
    }

    pub(crate) fn asker(&self, client: Client, rtype: Type) -> Asker<'_> {
        Asker { client, location: self.globe.location(client), rtype }
    }

    /// What each of the clients gets for every type when everything is up: its first choice.
    pub(crate) fn first_choices(
        &self,
        record: &Record,
        clients: impl Iterator<Item = Client>,
    ) -> Vec<[Outcome; 3]> {
        let all_up: Vec<Standing> = self
            .model()
            .pools
            .iter()
            .map(|pool| Standing::of(pool, PoolState::Auto, |_| Verdict::Up))
            .collect();
        let view = View { standings: &all_up, ..self.control.view() };
        let outcome =
            |client, rtype| evaluate(view, record, self.asker(client, rtype), None).outcome;
        clients.map(|client| TYPES.map(|rtype| plain(outcome(client, rtype)))).collect()
    }

    pub(crate) fn outcome(&self, record: &Record, client: Client, rtype: Type) -> Outcome {
        evaluate(self.control.view(), record, self.asker(client, rtype), None).outcome
    }
}

/// A share of one is that one, and an answer is the same whatever the reason for it.
pub(crate) fn plain(outcome: Outcome) -> Outcome {
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
