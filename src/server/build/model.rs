//! Pools, policies and records to the model that steering compiles.

use ipnet::IpNet;

use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::{self, Config, Match as Place, PolicyKind, suggest};
use crate::geo::{Continent, Coordinates, Country, country, region};
use crate::server::build::checks::Checks;
use crate::steering::matching::Match;
use crate::steering::model::{
    Balance, Destination, Host, Kind, LatencyRow, LatencyTable, Member, MemberData, Model,
    OnAllDown, OnDown, Policy, PolicyId, Pool, PoolId, PoolState, Record, Rule, Spread, Target,
};
use crate::steering::share::Share;
use crate::wire::{Name, Type};
use crate::zone::rdata;

/// Combinations of draws under one round-robin policy that are worked out beforehand, at most.
const MAX_COMBINATIONS: usize = 256;

/// `None` when there are mistakes; they are in `found`.
pub(super) fn build(
    config: &Config,
    checks: &Option<Checks>,
    found: &mut Vec<Diagnostic>,
) -> Option<Model> {
    let before = found.len();
    let mut model = Model { pools: pools(&config.pools, checks, found), ..Model::default() };
    for policy in &config.policies {
        model.policies.push(Policy {
            name: policy.name.clone(),
            site: site(&policy.span),
            kind: kind(&policy.kind),
            take: policy.take,
        });
    }
    for record in &config.records {
        model.records.push(Record {
            owner: record.name.clone(),
            target: target(record.target.target),
            ttl: record.ttl,
            ttl_min: record.ttl_min,
            on_all_down: match &record.on_all_down {
                config::OnAllDown::All => OnAllDown::All,
                config::OnAllDown::LastKnown => OnAllDown::LastKnown,
                config::OnAllDown::NoData => OnAllDown::NoData,
                config::OnAllDown::ServFail => OnAllDown::ServFail,
                config::OnAllDown::Addresses(list) => OnAllDown::Addresses(list.clone()),
            },
            site: site(&record.span),
        });
    }
    check_round_robins(config, &model, found);
    (found.len() == before).then_some(model)
}

/// The pools; members by host name are not in them yet.
pub(super) fn pools(
    pools: &[config::Pool],
    checks: &Option<Checks>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Pool> {
    let pools = pools.iter().enumerate();
    pools.map(|(index, pool)| self::pool(index, pool, checks, found)).collect()
}

/// `file:line`.
fn site(span: &Span) -> String {
    let site = span.site();
    format!("{}:{}", site.file.display(), site.line)
}

fn target(target: config::Target) -> Target {
    match target {
        config::Target::Pool(index) => Target::Pool(PoolId(index as u32)),
        config::Target::Policy(index) => Target::Policy(PolicyId(index as u32)),
    }
}

fn targets(list: &[config::TargetRef]) -> Vec<Target> {
    list.iter().map(|named| target(named.target)).collect()
}

fn pool(
    index: usize,
    pool: &config::Pool,
    checks: &Option<Checks>,
    found: &mut Vec<Diagnostic>,
) -> Pool {
    let mut members = Vec::with_capacity(pool.members.len());
    let mut hosts = Vec::new();
    for (number, member) in pool.members.iter().enumerate() {
        let (name, data) = match &member.data {
            config::MemberData::Address(address) => {
                (address.to_string(), MemberData::Address(*address))
            }
            config::MemberData::Cname(name) => (name.to_string(), MemberData::Alias(name.clone())),
            config::MemberData::Host(name) => {
                hosts.push(Host { name: name.clone(), addresses: Vec::new() });
                continue;
            }
            config::MemberData::Rdata(text) => match typed_data(text) {
                Ok((rtype, rdata)) => (text.clone(), MemberData::Data { rtype, rdata }),
                Err(problem) => {
                    let d = Diagnostic::error("bad-rdata", format!("`{text}`: {problem}"));
                    found.push(d.at(&member.span, "").help(
                        "write the type and its data as in a zone file: 'HTTPS 1 . alpn=h2'",
                    ));
                    continue;
                }
            },
        };
        let check = checks.as_ref().and_then(|checks| checks.of_member.get(&(index, number)));
        members.push(Member { name, data, weight: member.weight, check: check.copied() });
    }
    let place = pool.location.as_ref();
    Pool {
        name: pool.name.clone(),
        site: site(&pool.span),
        members,
        hosts,
        balance: match pool.balance {
            config::Balance::RoundRobin => Balance::RoundRobin,
            config::Balance::Weighted => Balance::Weighted,
            config::Balance::Sticky => Balance::Sticky,
        },
        answers: pool.answers,
        min_healthy: pool.min_healthy,
        state: match pool.state {
            config::PoolState::Auto => PoolState::Auto,
            config::PoolState::Up => PoolState::Up,
            config::PoolState::Down => PoolState::Down,
            config::PoolState::Drain => PoolState::Drain,
        },
        coordinates: place.and_then(|place| coordinates(&place.value, &place.span, found)),
        ramp: pool.ramp,
        capacity: pool.capacity,
        cost: pool.cost,
    }
}

/// The type and data of an `rdata` member.
fn typed_data(text: &str) -> Result<(Type, Box<[u8]>), String> {
    let (rtype, data) =
        rdata::parse_typed(text, &Name::root()).map_err(|error| error.to_string())?;
    match rtype {
        Type::A | Type::AAAA => Err("an address is a member of its own, without `rdata`".into()),
        Type::CNAME => Err("an alias is written { cname = \"name\" }".into()),
        Type::SOA | Type::NS | Type::DNAME | Type::DS => {
            Err(format!("{rtype} holds the zone together and cannot be steered"))
        }
        _ => Ok((rtype, data)),
    }
}

fn coordinates(
    place: &config::Location,
    span: &Span,
    found: &mut Vec<Diagnostic>,
) -> Option<Coordinates> {
    match place {
        config::Location::Point { latitude, longitude } => Coordinates::new(*latitude, *longitude),
        config::Location::Country(code) => {
            let centre = country_code(code).and_then(country::find).map(|info| info.centroid);
            if centre.is_none() {
                let message = format!("`{code}` is not a known country (ISO 3166-1)");
                found.push(Diagnostic::error("unknown-country", message).at(span, ""));
            }
            centre
        }
        config::Location::Region { provider, code } => {
            let name = format!("{provider}:{code}");
            let region = region::find(&name);
            if region.is_none() {
                let message = format!("`{name}` is not a known cloud region");
                let mut d = Diagnostic::error("unknown-region", message).at(span, "");
                let known = region::all().iter().map(|region| region.code);
                d = match suggest::nearest(&name, known) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => {
                        d.help("for any other place write { latitude = 39.0, longitude = -77.5 }")
                    }
                };
                found.push(d);
            }
            region.map(|region| region.coordinates)
        }
    }
}

fn country_code(code: &str) -> Option<Country> {
    code.parse().ok()
}

fn kind(kind: &PolicyKind) -> Kind {
    let weighted = |list: &[config::WeightedTarget]| {
        list.iter().map(|entry| (target(entry.to.target), entry.weight)).collect()
    };
    match kind {
        PolicyKind::Failover { targets: list } => Kind::Failover { targets: targets(list) },
        PolicyKind::RoundRobin { targets: list, answers } => {
            Kind::RoundRobin { targets: targets(list), answers: *answers }
        }
        PolicyKind::Weighted { targets, spread } => Kind::Weighted {
            targets: weighted(targets),
            spread: match spread {
                config::Spread::Query => Spread::Query,
                config::Spread::Client => Spread::Client,
            },
        },
        PolicyKind::Sticky { targets } => {
            Kind::Weighted { targets: weighted(targets), spread: Spread::Client }
        }
        PolicyKind::Geo(geo) => Kind::Geo {
            rules: geo.rules.iter().map(rule).collect(),
            default: geo.default.as_ref().map(destination),
            on_down: match geo.on_down {
                config::OnDown::Climb => OnDown::Climb,
                config::OnDown::Nearest => OnDown::Nearest,
                config::OnDown::Fence => OnDown::Fence,
            },
        },
        PolicyKind::Nearest { targets } => Kind::Nearest {
            targets: targets
                .iter()
                // Its range, -99 to 99, was checked by `config`.
                .map(|entry| (target(entry.to.target), entry.bias as i8))
                .collect(),
        },
        PolicyKind::Load { targets } => Kind::Load { targets: weighted(targets) },
        PolicyKind::Latency { targets: list, table, within, explore } => Kind::Latency {
            targets: targets(list),
            within: within.as_ref().map(|within| within.value.as_secs_f64() * 1000.0),
            // However small, one part of 256 at least.
            explore: explore.as_ref().map_or(Share::NONE, |explore| {
                Share::of_bound((explore.value * 256.0).ceil() as u16)
            }),
            table: LatencyTable {
                rows: table
                    .iter()
                    .flat_map(|table| &table.rows)
                    .filter_map(|row| {
                        Some(LatencyRow {
                            clients: place(&row.place.value)?,
                            pool: PoolId(row.pool as u32),
                            ms: row.milliseconds,
                            samples: row.samples,
                        })
                    })
                    .collect(),
            },
        },
    }
}

fn rule(rule: &config::Rule) -> Rule {
    Rule {
        matches: rule.matches.iter().filter_map(|matching| place(&matching.value)).collect(),
        to: destination(&rule.to),
        site: site(&rule.span),
    }
}

fn destination(to: &config::Destination) -> Destination {
    match to {
        config::Destination::None => Destination::None,
        config::Destination::Targets(list) => Destination::Targets(targets(list)),
    }
}

/// `None` for a code that `config` would have refused.
fn place(place: &Place) -> Option<Match> {
    let two = |code: &str| Some(Country(code.as_bytes().try_into().ok()?));
    Some(match place {
        Place::Net(net) => Match::Net(IpNet::trunc(net)),
        Place::Asn(asn) => Match::Asn(*asn),
        Place::City { country: None, name } => Match::City { country: None, name: name.clone() },
        Place::City { country: Some(country), name } => {
            Match::City { country: Some(two(country)?), name: name.clone() }
        }
        Place::Subdivision(code) => Match::Subdivision(code.clone()),
        Place::Country(code) => Match::Country(two(code)?),
        Place::Continent(code) => Match::Continent(code.parse::<Continent>().ok()?),
    })
}

/// One RRset cannot hold both addresses and aliases, and draws below a round robin multiply.
fn check_round_robins(config: &Config, model: &Model, found: &mut Vec<Diagnostic>) {
    for (policy, written) in model.policies.iter().zip(&config.policies) {
        if !policy.joins() {
            continue;
        }
        let targets = policy.targets();
        let mut kinds = targets
            .iter()
            .flat_map(|target| model.pools_under(*target))
            .map(|pool| model.pool(pool).is_alias());
        let first = kinds.next();
        if kinds.any(|kind| Some(kind) != first) {
            found.push(
                Diagnostic::error(
                    "mixed-round-robin",
                    format!("policy `{}` joins addresses and aliases", policy.name),
                )
                .at(&written.span, "one answer cannot hold both")
                .help("give all its pools addresses, or choose one of them with another policy"),
            );
        }
        let draws: usize = targets
            .iter()
            .map(|target| combinations(model, *target))
            .fold(1, usize::saturating_mul);
        if draws > MAX_COMBINATIONS {
            found.push(
                Diagnostic::error(
                    "too-many-combinations",
                    format!(
                        "policy `{}` joins draws with {draws} combinations, more than {MAX_COMBINATIONS}",
                        policy.name
                    ),
                )
                .at(&written.span, "")
                .help("put the weighted policy above it"),
            );
        }
    }
}

/// How many outcomes of draws a target has as a member of a round robin.
fn combinations(model: &Model, target: Target) -> usize {
    let Target::Policy(id) = target else {
        return 1;
    };
    let policy = model.policy(id);
    let each = policy.targets().into_iter().map(|target| combinations(model, target));
    match policy.kind {
        Kind::Weighted { .. } => each.fold(0, usize::saturating_add),
        _ if policy.joins() => each.fold(1, usize::saturating_mul),
        _ => each.max().unwrap_or(1),
    }
}
