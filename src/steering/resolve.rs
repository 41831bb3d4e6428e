//! Resolution: a plan and the state of the pools become what is answered now.
//!
//! Runs when health changes, never for a query. Failover, standing in and panic are settled
//! here; what is left is at most a draw, a hash or a rotation.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::health::CheckId;
use crate::steering::choice::Choice;
use crate::steering::explore::Hour;
use crate::steering::model::{Balance, MemberData, Model, PolicyId, PoolId, Spread};
use crate::steering::plan::{Plan, PlanId, Plans, effective};
use crate::steering::share::Share;
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::{Few, Offer, Resort, Standing};
use crate::steering::way::Reason;
use crate::wire::{Name, Type};

/// What is answered to one class of clients for one type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resolved {
    /// The name exists and has nothing of the type.
    NoData,
    /// These records, in turn.
    Ring(Ring),
    /// One of these, drawn by weight for every query.
    Draw(Vec<(u32, Resolved)>),
    /// One of these, fixed for each client.
    Hash(Vec<(Candidate, Resolved)>),
    /// One of these, by the client's part of all clients: the first whose bound is above it.
    /// Bounds rise, the last is 256. Never inside another outcome.
    Split(Vec<(u16, Resolved)>),
}

/// Records that stand in one answer, at most `take` at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ring {
    /// At least one, each a different record.
    pub items: Few<Item>,
    /// 1 or more.
    pub take: usize,
    /// Whether it never turns: all of `items` stand in the answer, in their order.
    pub is_fixed: bool,
    /// Where the ring began to be named: the owner of its rotation counter.
    pub source: Source,
    /// Why it is answered.
    pub reason: Reason,
}

impl Resolved {
    /// The same for another reason.
    #[must_use]
    pub fn because(self, reason: Reason) -> Resolved {
        let again = |resolved: Resolved| resolved.because(reason);
        match self {
            Resolved::NoData => Resolved::NoData,
            Resolved::Ring(ring) => Resolved::Ring(Ring { reason, ..ring }),
            Resolved::Draw(list) => {
                Resolved::Draw(list.into_iter().map(|(w, part)| (w, again(part))).collect())
            }
            Resolved::Hash(list) => {
                Resolved::Hash(list.into_iter().map(|(c, part)| (c, again(part))).collect())
            }
            Resolved::Split(list) => {
                Resolved::Split(list.into_iter().map(|(b, part)| (b, again(part))).collect())
            }
        }
    }

    /// Whether it is the same answer, for whatever reason.
    pub fn is_like(&self, other: &Resolved) -> bool {
        let plain = |resolved: &Resolved| resolved.clone().because(Reason::FirstChoice);
        self == other || plain(self) == plain(other)
    }
}

/// One record of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// A member, by its index in its pool.
    Member(PoolId, usize),
    /// An address of `on_all_down`.
    Address(IpAddr),
}

impl Item {
    /// The target of an alias; `None` for anything else.
    pub fn alias<'m>(&self, model: &'m Model) -> Option<&'m Name> {
        match self {
            Item::Member(pool, index) => match &model.pool(*pool).members[*index].data {
                MemberData::Alias(target) => Some(target),
                MemberData::Address(_) | MemberData::Data { .. } => None,
            },
            Item::Address(_) => None,
        }
    }
}

/// What a ring is the ring of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A pool's members.
    Pool(PoolId),
    /// The members under a round-robin policy.
    Policy(PolicyId),
    /// `on_all_down`.
    AllDown,
}

/// The state of everything that moves, as resolution reads it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pools and policies.
    pub model: &'a Model,
    /// Their plans.
    pub plans: &'a Plans,
    /// One for each pool.
    pub standings: &'a [Standing],
    /// The choices in force of latency and load policies.
    pub choices: &'a HashMap<PlanId, Choice>,
    /// For each pool, the server part of its latency in milliseconds.
    pub server_ms: &'a [f64],
    /// How busy the targets of checks say they are.
    pub loads: &'a HashMap<CheckId, f64>,
    /// The hour, for policies that explore; without it nobody does.
    pub hour: Option<Hour>,
}

/// One question to a [`View`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The type; `None` for any that no pool has as its own.
    pub rtype: Option<Type>,
    /// How far to go.
    pub resort: Resort,
    /// The client's part of all clients, for pools that keep a share of them.
    pub portion: u8,
}

impl View<'_> {
    /// What a plan answers while something under it is up, all scruples taken in turn; `None`
    /// when nothing is. `bounds` are those of the shares of the pools under it that keep a part
    /// of their clients, and of the parts that explore.
    pub fn answer(&self, plan: PlanId, rtype: Option<Type>, bounds: &[u16]) -> Option<Resolved> {
        if bounds.is_empty() {
            return self.answer_part(plan, rtype, 0);
        }
        let mut bounds: Vec<u16> = bounds.iter().copied().filter(|bound| *bound > 0).collect();
        bounds.push(Share::FULL.bound());
        bounds.sort_unstable();
        bounds.dedup();
        let mut parts: Vec<(u16, Resolved)> = Vec::new();
        let mut portion = 0;
        for bound in bounds {
            let resolved = self.answer_part(plan, rtype, portion)?;
            match parts.last_mut() {
                Some((last, same)) if *same == resolved => *last = bound,
                _ => parts.push((bound, resolved)),
            }
            portion = bound as u8; // the last bound is not used as a part
        }
        Some(if parts.len() == 1 { parts.remove(0).1 } else { Resolved::Split(parts) })
    }

    fn answer_part(&self, plan: PlanId, rtype: Option<Type>, portion: u8) -> Option<Resolved> {
        let ask = |resort| Ask { rtype, resort, portion };
        let healthy = ask(Resort::Healthy);
        // A deliberate NODATA is for when its betters are down: no share leaves a client with it.
        match self.resolve(plan, healthy) {
            Some(Resolved::NoData) if self.is_nowhere(plan, healthy) => {}
            Some(found) => return Some(found),
            None => {}
        }
        let whole = self.resolve(plan, ask(Resort::Whole));
        let found = whole.or_else(|| self.resolve(plan, ask(Resort::Drained)))?;
        Some(found.because(Reason::Resort))
    }

    /// Whether a plan comes to a deliberate NODATA.
    fn is_nowhere(&self, plan: PlanId, ask: Ask) -> bool {
        match self.plans.plan(plan) {
            Plan::Nothing => true,
            Plan::First(list) => {
                let found = list.iter().find(|plan| self.resolve(**plan, ask).is_some());
                found.is_some_and(|plan| self.is_nowhere(*plan, ask))
            }
            Plan::Best { candidates, .. } => {
                let up = |index: usize| self.resolve(candidates[index].0, ask).is_some();
                let picked = self.explored_at(plan, ask).filter(|index| up(*index));
                let picked = picked.or_else(|| self.best(plan, up));
                picked.is_some_and(|index| self.is_nowhere(candidates[index].0, ask))
            }
            Plan::Pool(_) | Plan::Merge { .. } | Plan::Share { .. } => false,
        }
    }

    /// What a plan answers; `None` when nothing under it is up.
    pub fn resolve(&self, plan: PlanId, ask: Ask) -> Option<Resolved> {
        match self.plans.plan(plan) {
            Plan::Nothing => Some(Resolved::NoData),
            Plan::Pool(id) => self.resolve_pool(*id, ask),
            Plan::First(list) => {
                let up = |plan: &PlanId| self.resolve(*plan, ask);
                let (first, others) = list.split_first()?;
                up(first)
                    .or_else(|| Some(others.iter().find_map(up)?.because(self.why_not(*first))))
            }
            Plan::Share { spread, targets } => {
                let up = targets.iter().filter_map(|(plan, weight, seed)| {
                    let left = self.target_left(*plan, *seed, ask);
                    Some(((*weight, left), *seed, self.resolve(*plan, ask)?))
                });
                let up: Vec<_> = up.collect();
                let stands_in = self.stands_in(targets, up.iter().map(|((weight, _), ..)| *weight));
                let found = share(*spread, weighted(up))?;
                Some(match stands_in {
                    Some(reason) => found.because(reason),
                    None => found,
                })
            }
            Plan::Best { candidates, .. } => {
                let explored = self.explored_at(plan, ask);
                if let Some(found) = explored.and_then(|i| self.resolve(candidates[i].0, ask)) {
                    return Some(found.because(Reason::Explore));
                }
                let resolved: Vec<_> =
                    candidates.iter().map(|(plan, _)| self.resolve(*plan, ask)).collect();
                let picked = self.best(plan, |index| resolved[index].is_some())?;
                let found = resolved.into_iter().nth(picked)??;
                let first = self.first_of(plan);
                Some(match picked == first {
                    true => found,
                    false => found.because(self.why_not(candidates[first].0)),
                })
            }
            Plan::Merge { policy, take, targets } => {
                let answers = self.model.policy(*policy).answers();
                let gathered = self.gather_all(targets, *take, ask)?;
                let found = gathered.into_resolved(self, answers, Source::Policy(*policy));
                // All targets of a round are preferred; those that are not up are not in it.
                let mut preferred = targets.get(..*take).unwrap_or_default().iter();
                let lost = preferred.find(|(plan, _)| self.gather(*plan, ask).is_none());
                Some(match lost {
                    Some((plan, _)) => found.because(self.why_not(*plan)),
                    None => found,
                })
            }
        }
    }

    /// Whether the first choices of a plan are up, for one type and for all clients.
    pub fn is_first_up(&self, plan: PlanId, rtype: Option<Type>) -> bool {
        match self.plans.plan(plan) {
            Plan::Nothing => true,
            Plan::Pool(id) => {
                let standing = &self.standings[id.0 as usize];
                let is_offered = standing.is_offered(self.model.pool(*id), Resort::Healthy, rtype);
                is_offered && standing.share.is_full()
            }
            Plan::First(list) => self.is_first_up(list[0], rtype),
            Plan::Merge { targets, take, .. } => {
                targets.iter().take(*take).all(|(plan, _)| self.is_first_up(*plan, rtype))
            }
            Plan::Share { targets, .. } => {
                effective(targets).all(|(plan, ..)| self.is_first_up(plan, rtype))
            }
            Plan::Best { candidates, explores, .. } => {
                let first = self.first_of(plan);
                // Whether a policy is up may be otherwise for clients elsewhere, who explore it too.
                let is_everywhere =
                    |plan: PlanId| matches!(self.plans.plan(plan), Plan::Pool(_)) || !explores;
                let mut others = candidates.iter().map(|(plan, _)| *plan);
                self.is_first_up(candidates[first].0, rtype)
                    && others.all(|plan| is_everywhere(plan) || self.is_first_up(plan, rtype))
            }
        }
    }

    /// Whether a pool under a candidate of a choice is up, whatever the type.
    pub fn is_candidate_up(&self, plan: PlanId, index: usize) -> bool {
        let up = |pool: PoolId| self.standings[pool.0 as usize].is_up(Resort::Healthy);
        match self.plans.plan(plan) {
            Plan::Best { candidates, .. } => candidates[index].1.iter().any(|(pool, _)| up(*pool)),
            _ => false,
        }
    }

    /// The candidate of a choice that is preferred while it is up.
    fn first_of(&self, plan: PlanId) -> usize {
        self.choices.get(&plan).map_or(0, |choice| choice.first())
    }

    /// Why what a plan prefers does not answer, when it does not.
    pub(super) fn why_not(&self, plan: PlanId) -> Reason {
        match self.plans.plan(plan) {
            Plan::Pool(id) => self.standings[id.0 as usize].why_not(),
            Plan::Nothing => Reason::NoData,
            Plan::First(list) => self.why_not(list[0]),
            Plan::Merge { targets, .. } => self.why_not(targets[0].0),
            Plan::Share { targets, .. } => {
                effective(targets).next().map_or(Reason::Failover, |(plan, ..)| self.why_not(plan))
            }
            Plan::Best { candidates, .. } => self.why_not(candidates[self.first_of(plan)].0),
        }
    }

    /// Why targets without a weight answer, when those that are `up` have none and others have.
    fn stands_in(
        &self,
        targets: &[(PlanId, u32, u64)],
        mut up: impl Iterator<Item = u32>,
    ) -> Option<Reason> {
        let (preferred, weight, _) = effective(targets).next()?;
        (weight > 0 && up.all(|weight| weight == 0)).then(|| self.why_not(preferred))
    }

    /// The candidate that is explored; in need nobody explores.
    fn explored_at(&self, plan: PlanId, ask: Ask) -> Option<usize> {
        (ask.resort == Resort::Healthy).then(|| self.explored(plan, ask.portion))?
    }

    fn offer(&self, id: PoolId, ask: Ask) -> Offer {
        let standing = &self.standings[id.0 as usize];
        if ask.resort == Resort::Healthy && !standing.share.holds(ask.portion) {
            return Offer::Down;
        }
        standing.offer(self.model.pool(id), ask.resort, ask.rtype)
    }

    pub(super) fn resolve_pool(&self, id: PoolId, ask: Ask) -> Option<Resolved> {
        let pool = self.model.pool(id);
        let members = match self.offer(id, ask) {
            Offer::Down => return None,
            Offer::NoData => return Some(Resolved::NoData),
            Offer::Members(members) => members,
        };
        let source = Source::Pool(id);
        let reason = self.standings[id.0 as usize].why_given();
        let spread = match pool.balance {
            Balance::RoundRobin => {
                let members = self.standings[id.0 as usize].unwarned(members, ask.resort);
                let items = members.into_iter().map(|index| Item::Member(id, index));
                let ring = self.ring(self.distinct(items), pool.answers, source);
                return Some(ring.because(reason));
            }
            Balance::Weighted => Spread::Query,
            Balance::Sticky => Spread::Client,
        };
        let standing = &self.standings[id.0 as usize];
        let members = members.into_iter().map(|index| {
            let member = &pool.members[index];
            let weight = (member.weight, standing.left(index, ask.resort));
            (weight, spread::seed(member.name.as_bytes()), index)
        });
        let members = weighted(members.collect());
        // The one whose turn it is, then those after it.
        let row = |place: usize| {
            let from = members[place..].iter().chain(&members[..place]);
            let items = from.map(|(_, _, index)| Item::Member(id, *index));
            let mut items = self.distinct(items);
            items.truncate(if pool.is_alias() { 1 } else { pool.answers });
            let (take, is_fixed) = (items.len(), items.len() > 1);
            Resolved::Ring(Ring { items, take, is_fixed, source, reason })
        };
        let rows = members.iter().zip(0..).map(|((weight, seed, _), p)| (*weight, *seed, row(p)));
        share(spread, rows.collect())
    }

    /// What is left of the weight of a share's target, in percent: what is left of the pool that
    /// it is. A policy keeps its weight, even one that comes down to a single pool; that one's
    /// seed is not of the pool's name.
    fn target_left(&self, plan: PlanId, seed: u64, ask: Ask) -> u8 {
        match self.plans.plan(plan) {
            Plan::Pool(id) if spread::seed(self.model.pool(*id).name.as_bytes()) == seed => {
                self.standings[id.0 as usize].pool_left(self.model.pool(*id), ask.resort)
            }
            _ => 100,
        }
    }

    /// A ring of distinct records. An alias stands alone in an answer (RFC 2181 section 10.1).
    fn ring(&self, items: Few<Item>, take: usize, source: Source) -> Resolved {
        match items.first() {
            None => Resolved::NoData,
            Some(first) => {
                let take = if first.alias(self.model).is_some() { 1 } else { take };
                let reason = Reason::FirstChoice;
                Resolved::Ring(Ring { items, take, is_fixed: false, source, reason })
            }
        }
    }

    /// Members that would give the same record count once: an RRset holds no two equal ones.
    fn distinct(&self, items: impl IntoIterator<Item = Item>) -> Few<Item> {
        let mut kept: Few<Item> = Few::new();
        for item in items {
            if !kept.iter().any(|other| self.same_record(*other, item)) {
                kept.push(item);
            }
        }
        kept
    }

    fn same_record(&self, a: Item, b: Item) -> bool {
        match (a, b) {
            (Item::Member(p, i), Item::Member(q, j)) => {
                self.model.pool(p).members[i].data == self.model.pool(q).members[j].data
            }
            (a, b) => a == b,
        }
    }

    /// The members of the first `take` of `plans` that are up; `None` when none is.
    fn gather_all(&self, plans: &[(PlanId, u32)], take: usize, ask: Ask) -> Option<Gathered> {
        let up = plans.iter().filter_map(|(plan, place)| Some((*place, self.gather(*plan, ask)?)));
        let mut taken: Vec<(u32, Gathered)> = up.take(take).collect();
        taken.sort_by_key(|(place, _)| *place);
        let gathered = taken.into_iter().map(|(_, gathered)| gathered);
        gathered.reduce(|left, right| left.join(&right, self))
    }

    fn gather(&self, plan: PlanId, ask: Ask) -> Option<Gathered> {
        match self.plans.plan(plan) {
            Plan::Nothing => Some(Gathered::Items(Few::new())),
            Plan::Pool(id) => match self.offer(*id, ask) {
                Offer::Down => None,
                Offer::NoData => Some(Gathered::Items(Few::new())),
                Offer::Members(members) => {
                    let members = self.standings[id.0 as usize].unwarned(members, ask.resort);
                    let items = members.into_iter().map(|index| Item::Member(*id, index));
                    Some(Gathered::Items(self.distinct(items)))
                }
            },
            Plan::First(list) => list.iter().find_map(|plan| self.gather(*plan, ask)),
            Plan::Merge { targets, take, .. } => self.gather_all(targets, *take, ask),
            Plan::Share { spread, targets } => {
                let up = targets.iter().filter_map(|(plan, weight, seed)| {
                    let left = self.target_left(*plan, *seed, ask);
                    Some(((*weight, left), *seed, self.gather(*plan, ask)?))
                });
                let up: Vec<_> = weighted(up.collect());
                if up.is_empty() {
                    return None;
                }
                Some(match spread {
                    Spread::Query => {
                        Gathered::Draw(up.into_iter().map(|(weight, _, g)| (weight, g)).collect())
                    }
                    Spread::Client => Gathered::Hash(
                        up.into_iter()
                            .map(|(weight, seed, g)| (Candidate { seed, weight }, g))
                            .collect(),
                    ),
                })
            }
            Plan::Best { candidates, .. } => {
                let explored = self.explored_at(plan, ask);
                if let Some(found) = explored.and_then(|i| self.gather(candidates[i].0, ask)) {
                    return Some(found);
                }
                let gathered: Vec<_> =
                    candidates.iter().map(|(plan, _)| self.gather(*plan, ask)).collect();
                let picked = self.best(plan, |index| gathered[index].is_some())?;
                gathered.into_iter().nth(picked)?
            }
        }
    }
}

/// Members under a round-robin policy, before they become a ring: draws below it are moved above
/// it, so that a ring is all that is left under a draw.
#[derive(Debug, Clone)]
enum Gathered {
    Items(Few<Item>),
    Draw(Vec<(u32, Gathered)>),
    Hash(Vec<(Candidate, Gathered)>),
}

impl Gathered {
    fn join(&self, other: &Gathered, view: &View<'_>) -> Gathered {
        match (self, other) {
            (Gathered::Draw(list), _) => Gathered::Draw(
                list.iter().map(|(weight, left)| (*weight, left.join(other, view))).collect(),
            ),
            (Gathered::Hash(list), _) => Gathered::Hash(
                list.iter().map(|(candidate, left)| (*candidate, left.join(other, view))).collect(),
            ),
            (_, Gathered::Draw(list)) => Gathered::Draw(
                list.iter().map(|(weight, right)| (*weight, self.join(right, view))).collect(),
            ),
            (_, Gathered::Hash(list)) => Gathered::Hash(
                list.iter()
                    .map(|(candidate, right)| (*candidate, self.join(right, view)))
                    .collect(),
            ),
            (Gathered::Items(left), Gathered::Items(right)) => {
                Gathered::Items(view.distinct(left.iter().chain(right).copied()))
            }
        }
    }

    fn into_resolved(self, view: &View<'_>, take: usize, source: Source) -> Resolved {
        let resolved = |gathered: Gathered| gathered.into_resolved(view, take, source);
        match self {
            Gathered::Items(items) => view.ring(items, take, source),
            Gathered::Draw(list) => Resolved::Draw(
                list.into_iter().map(|(weight, gathered)| (weight, resolved(gathered))).collect(),
            ),
            Gathered::Hash(list) => Resolved::Hash(
                list.into_iter()
                    .map(|(candidate, gathered)| (candidate, resolved(gathered)))
                    .collect(),
            ),
        }
    }
}

/// A weight, and how much of it is left in percent.
type Left = (u32, u8);

/// A choice by weight among what is up, given as weight, hash seed and outcome.
fn share(spread: Spread, mut up: Vec<(u32, u64, Resolved)>) -> Option<Resolved> {
    if up.is_empty() {
        return None;
    }
    Some(match spread {
        Spread::Query if up.len() == 1 => up.remove(0).2,
        Spread::Query => {
            Resolved::Draw(up.into_iter().map(|(weight, _, resolved)| (weight, resolved)).collect())
        }
        Spread::Client => Resolved::Hash(
            up.into_iter()
                .map(|(weight, seed, resolved)| (Candidate { seed, weight }, resolved))
                .collect(),
        ),
    })
}

/// Those with a weight; where none has one all, in equal shares.
fn weighted<T>(up: Vec<(Left, u64, T)>) -> Vec<(u32, u64, T)> {
    let weights: Vec<Left> = up.iter().map(|(weight, ..)| *weight).collect();
    let lowered = spread::lowered(&weights).into_iter().zip(up);
    let mut up: Vec<_> =
        lowered.map(|(weight, (_, seed, outcome))| (weight, seed, outcome)).collect();
    if up.iter().any(|(weight, ..)| *weight > 0) {
        up.retain(|(weight, ..)| *weight > 0);
    } else {
        up.iter_mut().for_each(|(weight, ..)| *weight = 1);
    }
    up
}
