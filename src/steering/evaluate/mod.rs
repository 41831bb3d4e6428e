//! Evaluation: walks the tree of policies for one client and records why.
//!
//! Serves `explain` and the tests. It shares no step with compilation: a property test holds
//! the two equal, so that what is explained is what is served.

mod round_robin;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::geo::Location;
use crate::steering::Client;
use crate::steering::answers::Outcome;
use crate::steering::latency::{self, Choice};
use crate::steering::model::{
    Balance, Destination, Kind, LatencyTable, Model, OnAllDown, OnDown, Policy, PolicyId, Pool,
    PoolId, Record, Rule, Spread, Target,
};
use crate::steering::plan::Paths;
use crate::steering::preference::{biased_km, distance_km};
use crate::steering::resolve::{Item, Resolved, Ring, Source, View};
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::{Offer, Resort};
use crate::steering::trace::{Considered, Fate, MemberTrace, Trace, state_word};
use crate::wire::Type;

/// What a client gets, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The answer.
    pub outcome: Outcome,
    /// How far it had to go.
    pub resort: Resort,
    /// Set when nothing was up: what `on_all_down` says.
    pub all_down: Option<&'static str>,
    /// The way from the record's target to the answer.
    pub trace: Trace,
}

/// A client and its question.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its address, unwrapped.
    pub client: Client,
    /// Its place.
    pub location: &'a Location,
    /// The type; for a type that no pool of the record has, aliases still answer.
    pub rtype: Type,
}

/// Evaluates a record for one client. `last_known` is the last answer in which something was up,
/// where that is known.
pub fn evaluate(
    view: View<'_>,
    record: &Record,
    asker: Asker<'_>,
    last_known: Option<&Resolved>,
) -> Evaluation {
    let at = |resort| Walk { view, asker, resort }.target(record.target);
    let done = |outcome, resort, all_down, trace| Evaluation { outcome, resort, all_down, trace };
    let (found, trace) = at(Resort::Healthy);
    if !has_type(view.model, record, asker.rtype) {
        let outcome = Outcome::Resolved(Resolved::NoData);
        return done(outcome, Resort::Healthy, None, trace);
    }
    if let Some(resolved) = found {
        return done(Outcome::Resolved(resolved), Resort::Healthy, None, trace);
    }
    if let (Some(resolved), trace) = at(Resort::Drained) {
        return done(Outcome::Resolved(resolved), Resort::Drained, None, trace);
    }
    let as_if_up = || match at(Resort::Unchecked) {
        (Some(resolved), trace) => (resolved, Resort::Unchecked, trace),
        (None, _) => {
            let (found, trace) = at(Resort::Everything);
            (found.unwrap_or(Resolved::NoData), Resort::Everything, trace)
        }
    };
    match &record.on_all_down {
        OnAllDown::All => {
            let (resolved, resort, trace) = as_if_up();
            done(Outcome::Resolved(resolved), resort, Some("all"), trace)
        }
        OnAllDown::LastKnown => match last_known {
            Some(known) => {
                let outcome = Outcome::Resolved(known.clone());
                done(outcome, Resort::Healthy, Some("last-known"), trace)
            }
            None => {
                let (resolved, resort, trace) = as_if_up();
                done(Outcome::Resolved(resolved), resort, Some("last-known"), trace)
            }
        },
        OnAllDown::NoData => {
            done(Outcome::Resolved(Resolved::NoData), Resort::Healthy, Some("nodata"), trace)
        }
        OnAllDown::ServFail => done(Outcome::ServFail, Resort::Healthy, Some("servfail"), trace),
        OnAllDown::Addresses(addresses) => {
            let of_type = addresses.iter().filter(|a| address_type(**a) == asker.rtype);
            let items: Vec<Item> = of_type.map(|a| Item::Address(*a)).collect();
            let take = items.len();
            let resolved = match take {
                0 => Resolved::NoData,
                _ => Resolved::Ring(Ring { items, take, source: Source::AllDown }),
            };
            done(Outcome::Resolved(resolved), Resort::Healthy, Some("addresses"), trace)
        }
    }
}

/// Whether the record can answer a type at all; to any other it says NODATA, whatever is up.
fn has_type(model: &Model, record: &Record, rtype: Type) -> bool {
    let in_a_pool = model.pools_under(record.target).into_iter().any(|id| {
        let pool = model.pool(id);
        pool.is_alias() || pool.types().contains(&rtype)
    });
    let in_an_address = match &record.on_all_down {
        OnAllDown::Addresses(list) => list.iter().any(|a| address_type(*a) == rtype),
        _ => false,
    };
    in_a_pool || in_an_address
}

fn address_type(address: IpAddr) -> Type {
    if address.is_ipv4() { Type::A } else { Type::AAAA }
}

/// What a walk found under a target, before round-robin joins it.
type Found = Option<Resolved>;

#[derive(Clone, Copy)]
struct Walk<'a> {
    view: View<'a>,
    asker: Asker<'a>,
    resort: Resort,
}

impl Walk<'_> {
    fn model(&self) -> &Model {
        self.view.model
    }

    fn target(&self, target: Target) -> (Found, Trace) {
        match target {
            Target::Pool(id) => self.pool(id),
            Target::Policy(id) => self.policy(id),
        }
    }

    fn pool(&self, id: PoolId) -> (Found, Trace) {
        let pool = self.model().pool(id);
        let standing = &self.view.standings[id.0 as usize];
        let mut offer = standing.offer(pool, self.resort, Some(self.asker.rtype));
        if let (Offer::Members(members), Balance::RoundRobin) = (&mut offer, pool.balance) {
            *members = standing.unwarned(std::mem::take(members), self.resort);
        }
        let mut counted = pool.members.iter().zip(&standing.members).collect::<Vec<_>>();
        counted.retain(|(member, _)| member.data.is_counted());
        let up = counted.iter().filter(|(_, up)| **up).count();
        let mut note = format!("{up} of {} up, needs {}", counted.len(), pool.min_healthy);
        let is_warned =
            |index: &usize| standing.members[*index] && standing.left(*index, self.resort) < 100;
        let warned = (0..pool.members.len()).filter(is_warned).count();
        if warned > 0 {
            note += &format!(", {warned} warned of");
        }
        if standing.state != Default::default() {
            note = format!("state \"{}\" is in force; {note}", state_word(standing.state));
        }
        match &offer {
            Offer::Down if standing.is_up(self.resort) => {
                note += &format!("; up, but every {} member is down", self.asker.rtype);
            }
            Offer::NoData => note += &format!("; has no {} member", self.asker.rtype),
            _ => {}
        }
        let offered = match &offer {
            Offer::Members(members) => &members[..],
            _ => &[],
        };
        let members = pool.members.iter().enumerate().map(|(index, member)| MemberTrace {
            name: member.name.clone(),
            rtype: member.data.rtype().unwrap_or(Type::CNAME).to_string(),
            check: member.check,
            is_offered: offered.contains(&index),
        });
        let trace = Trace {
            name: pool.name.clone(),
            kind: "pool",
            site: pool.site.clone(),
            note,
            considered: Vec::new(),
            members: members.collect(),
        };
        let found = match offer {
            Offer::Down => None,
            Offer::NoData => Some(Resolved::NoData),
            Offer::Members(members) => {
                let left = members.iter().map(|index| standing.left(*index, self.resort));
                let left: Vec<u8> = left.collect();
                Some(pool_answer(pool, id, members, &left))
            }
        };
        (found, trace)
    }

    fn policy(&self, id: PolicyId) -> (Found, Trace) {
        let policy = self.model().policy(id);
        let (found, note, considered) = match &policy.kind {
            Kind::Failover { targets } => {
                let order = targets.iter().enumerate();
                let order = order.map(|(index, t)| (format!("target {}", index + 1), Some(*t)));
                let (found, considered) = self.first(order.collect());
                (found, "the first that is up".to_owned(), considered)
            }
            Kind::RoundRobin { targets, answers } => {
                let (found, considered) = self.round_robin(id, targets, *answers);
                (found, format!("all that are up, up to {answers}, in rotation"), considered)
            }
            Kind::Weighted { targets, spread } => self.weighted(targets, *spread),
            Kind::Geo { rules, default, on_down } => {
                self.geo(policy, rules, default.as_ref(), *on_down)
            }
            Kind::Nearest { targets } => {
                let (found, considered) = self.first(self.by_distance(targets));
                let note = match self.asker.location.coordinates {
                    Some(at) => format!("nearest to {:.2}, {:.2}", at.latitude, at.longitude),
                    None => "the client is not located: in the order of the file".to_owned(),
                };
                (found, note, considered)
            }
            Kind::Latency { targets, table } => self.latency(id, targets, table),
        };
        let trace = Trace {
            name: policy.name.clone(),
            kind: policy.kind_name(),
            site: policy.site.clone(),
            note,
            considered,
            members: Vec::new(),
        };
        (found, trace)
    }

    /// The first of a list that is up; an entry without target is a deliberate NODATA.
    fn first(&self, order: Vec<(String, Option<Target>)>) -> (Found, Vec<Considered>) {
        let mut taken: Found = None;
        let mut considered = Vec::new();
        for (by, target) in order {
            let Some(target) = target else {
                let fate = if taken.is_none() { Fate::Taken } else { Fate::NotNeeded };
                taken = taken.or(Some(Resolved::NoData));
                considered.push(Considered { by, fate, trace: nowhere() });
                continue;
            };
            if taken.is_some() {
                let trace = self.heading(target);
                considered.push(Considered { by, fate: Fate::NotNeeded, trace });
                continue;
            }
            let (found, trace) = self.target(target);
            let fate = match &found {
                Some(_) => Fate::Taken,
                None => Fate::PassedOver(self.why_not(&trace)),
            };
            taken = found;
            considered.push(Considered { by, fate, trace });
        }
        (taken, considered)
    }

    fn weighted(
        &self,
        targets: &[(Target, u32)],
        spread: Spread,
    ) -> (Found, String, Vec<Considered>) {
        let looked: Vec<_> = targets.iter().map(|(target, _)| self.target(*target)).collect();
        let weights = self.weights(targets, |index| looked[index].0.is_some());
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let mut branches = Vec::new();
        let mut considered = Vec::new();
        for (((target, weight), (found, trace)), share) in targets.iter().zip(looked).zip(weights) {
            let fate = match &found {
                None => Fate::PassedOver(self.why_not(&trace)),
                Some(_) => Fate::Shares(f64::from(share) / total as f64),
            };
            let by = match self.left(*target) {
                100 => format!("weight {weight}"),
                left => format!("weight {weight}, warned: {left} % of it left"),
            };
            considered.push(Considered { by, fate, trace });
            if let (Some(resolved), 1..) = (found, share) {
                let seed = spread::seed(self.model().target_name(*target).as_bytes());
                branches.push((Candidate { seed, weight: share }, resolved));
            }
        }
        let note = match spread {
            Spread::Query => "drawn by weight for each query",
            Spread::Client => "the same for the same client network, by weighted hash",
        };
        (by_share(spread, branches), note.to_owned(), considered)
    }

    /// The weights in force of a weighted policy's targets: 0 for what is not up; where nothing
    /// that is up has a weight, equal ones.
    fn weights(&self, targets: &[(Target, u32)], is_up: impl Fn(usize) -> bool) -> Vec<u32> {
        let up = targets.iter().enumerate().map(|(index, (target, weight))| {
            if is_up(index) { (*weight, self.left(*target)) } else { (0, 100) }
        });
        let weights = spread::lowered(&up.collect::<Vec<_>>());
        if weights.iter().any(|weight| *weight > 0) {
            return weights;
        }
        (0..targets.len()).map(|index| u32::from(is_up(index))).collect()
    }

    /// What is left of a target's weight, in percent.
    fn left(&self, target: Target) -> u8 {
        match target {
            Target::Pool(id) => {
                let standing = &self.view.standings[id.0 as usize];
                standing.pool_left(self.model().pool(id), self.resort)
            }
            Target::Policy(_) => 100,
        }
    }

    fn geo(
        &self,
        policy: &Policy,
        rules: &[Rule],
        default: Option<&Destination>,
        on_down: OnDown,
    ) -> (Found, String, Vec<Considered>) {
        let around = Some(IpNet::from(self.asker.client.address));
        let mut matching = Vec::new();
        for rule in rules {
            let covering = rule.matches.iter().filter(|m| m.covers(self.asker.location, around));
            if let Some(narrowest) = covering.max_by_key(|m| m.specificity()) {
                matching.push((narrowest, format!("rule {narrowest} ({})", rule.site), &rule.to));
            }
        }
        matching.sort_by_key(|(narrowest, ..)| std::cmp::Reverse(narrowest.specificity()));
        let mut ladder: Vec<(String, &Destination)> =
            matching.into_iter().map(|(_, by, to)| (by, to)).collect();
        ladder.extend(default.map(|to| ("default".to_owned(), to)));
        let Some((rung, _)) = ladder.first() else {
            let considered =
                vec![Considered { by: "no rule".into(), fate: Fate::Taken, trace: nowhere() }];
            let note = "no rule matches and there is no default".to_owned();
            return (Some(Resolved::NoData), note, considered);
        };
        let note = format!("{rung} matches");
        if on_down != OnDown::Climb {
            ladder.truncate(1);
        }
        let mut order = Vec::new();
        for (by, to) in ladder {
            match to {
                Destination::None => order.push((by, None)),
                Destination::Targets(list) => {
                    order.extend(list.iter().map(|target| (by.clone(), Some(*target))));
                }
            }
        }
        if on_down == OnDown::Nearest {
            let mut pools: Vec<(Target, i8)> = Vec::new();
            for target in policy.targets() {
                for pool in self.model().pools_under(target) {
                    if !pools.contains(&(Target::Pool(pool), 0)) {
                        pools.push((Target::Pool(pool), 0));
                    }
                }
            }
            order.extend(self.by_distance(&pools));
        }
        // What was considered before is not considered again, and nothing follows a NODATA.
        let mut seen = Vec::new();
        order.retain(|(_, target)| {
            let fresh = !seen.contains(target) && !seen.contains(&None);
            seen.push(*target);
            fresh
        });
        let (found, considered) = self.first(order);
        (found, note, considered)
    }

    /// Targets in order of biased distance, for [`Walk::first`].
    fn by_distance(&self, targets: &[(Target, i8)]) -> Vec<(String, Option<Target>)> {
        let client = self.asker.location.coordinates;
        let mut order: Vec<(f64, String, Target)> = Vec::new();
        for (target, bias) in targets {
            let km = client.and_then(|client| distance_km(self.model(), *target, client));
            let by = match (km, bias) {
                (None, _) => "distance unknown".to_owned(),
                (Some(km), 0) => format!("{km:.0} km"),
                (Some(km), bias) => format!("{km:.0} km, bias {bias}"),
            };
            order.push((km.map_or(f64::INFINITY, |km| biased_km(km, *bias)), by, *target));
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        order.into_iter().map(|(_, by, target)| (by, Some(target))).collect()
    }

    fn latency(
        &self,
        id: PolicyId,
        targets: &[Target],
        table: &LatencyTable,
    ) -> (Found, String, Vec<Considered>) {
        let around = Some(IpNet::from(self.asker.client.address));
        let mut paths: Vec<Paths> = Vec::new();
        let mut estimates = Vec::new();
        for target in targets {
            let pools = self.model().pools_under(*target);
            let network: Paths = pools
                .into_iter()
                .map(|pool| {
                    let at = self.model().pool(pool).coordinates;
                    let location = self.asker.location;
                    (pool, latency::network_ms(table, location, around, pool, at))
                })
                .collect();
            let each = network.iter().filter_map(|(pool, ms)| {
                ms.map(|ms| f64::from(ms) + self.view.server_ms[pool.0 as usize])
            });
            estimates.push(each.reduce(f64::min));
            paths.push(network);
        }
        let looked: Vec<_> = targets.iter().map(|target| self.target(*target)).collect();
        let choice = self.view.choice(id, &paths).unwrap_or_else(|| Choice::new(&estimates));
        let network: Vec<_> = paths.iter().map(|paths| latency::nearest(paths)).collect();
        let picked = choice.pick(&network, |index| looked[index].0.is_some());
        let mut found = None;
        let mut considered = Vec::new();
        for (index, (resolved, trace)) in looked.into_iter().enumerate() {
            let by = match estimates[index] {
                Some(ms) => format!("{ms:.0} ms"),
                None => "no estimate".to_owned(),
            };
            let fate = match (&resolved, picked == Some(index)) {
                (_, true) => Fate::Taken,
                (None, _) => Fate::PassedOver(self.why_not(&trace)),
                (Some(_), false) => Fate::NotNeeded,
            };
            if picked == Some(index) {
                found = resolved;
            }
            considered.push(Considered { by, fate, trace });
        }
        let note = match picked {
            Some(index) if !choice.holds(index) => {
                "the nearest by the network alone, while the choice cannot answer"
            }
            _ => "the lowest estimate, kept until another is clearly better",
        };
        (found, note.to_owned(), considered)
    }

    fn why_not(&self, trace: &Trace) -> String {
        if trace.kind == "pool" { trace.note.clone() } else { "nothing under it is up".to_owned() }
    }

    /// A target that was not looked into.
    fn heading(&self, target: Target) -> Trace {
        let (kind, site) = match target {
            Target::Pool(id) => ("pool", self.model().pool(id).site.clone()),
            Target::Policy(id) => {
                let policy = self.model().policy(id);
                (policy.kind_name(), policy.site.clone())
            }
        };
        let name = self.model().target_name(target).to_owned();
        Trace { name, kind, site, note: String::new(), considered: Vec::new(), members: Vec::new() }
    }
}

fn nowhere() -> Trace {
    Trace {
        name: "none".to_owned(),
        kind: "none",
        site: String::new(),
        note: "a deliberate NODATA".to_owned(),
        considered: Vec::new(),
        members: Vec::new(),
    }
}

fn by_share(spread: Spread, mut branches: Vec<(Candidate, Resolved)>) -> Found {
    match (spread, branches.len()) {
        (_, 0) => None,
        (Spread::Query, 1) => branches.pop().map(|(_, resolved)| resolved),
        (Spread::Query, _) => {
            Some(Resolved::Draw(branches.into_iter().map(|(c, found)| (c.weight, found)).collect()))
        }
        (Spread::Client, _) => Some(Resolved::Hash(branches)),
    }
}

/// `left` is what is left of each member's weight, in percent.
fn pool_answer(pool: &Pool, id: PoolId, members: Vec<usize>, left: &[u8]) -> Resolved {
    let spread = match pool.balance {
        Balance::RoundRobin => return all_of(pool, id, members),
        Balance::Weighted => Spread::Query,
        Balance::Sticky => Spread::Client,
    };
    let weights = members.iter().map(|index| pool.members[*index].weight);
    let weights = spread::lowered(&weights.zip(left.iter().copied()).collect::<Vec<_>>());
    let any = weights.iter().any(|weight| *weight > 0);
    let branches = members.into_iter().zip(weights).filter(|(_, weight)| !any || *weight > 0).map(
        |(index, weight)| {
            let seed = spread::seed(pool.members[index].name.as_bytes());
            let candidate = Candidate { seed, weight: weight.max(1) };
            (candidate, only_one(all_of(pool, id, vec![index])))
        },
    );
    by_share(spread, branches.collect()).unwrap_or(Resolved::NoData)
}

fn only_one(resolved: Resolved) -> Resolved {
    match resolved {
        Resolved::Ring(ring) => Resolved::Ring(Ring { take: 1, ..ring }),
        other => other,
    }
}

fn all_of(pool: &Pool, id: PoolId, members: Vec<usize>) -> Resolved {
    let mut items: Vec<Item> = Vec::new();
    let mut data = Vec::new();
    for index in members {
        if !data.contains(&&pool.members[index].data) {
            data.push(&pool.members[index].data);
            items.push(Item::Member(id, index));
        }
    }
    let take = if pool.is_alias() { 1 } else { pool.answers };
    Resolved::Ring(Ring { items, take, source: Source::Pool(id) })
}
