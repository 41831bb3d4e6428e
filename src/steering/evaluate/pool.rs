//! What a pool gives one client, and why.

use super::{Found, Walk};
use crate::steering::model::{Balance, Pool, PoolId, Spread};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::{Few, Offer, Resort};
use crate::steering::trace::{MemberTrace, Trace, state_word};
use crate::steering::way::Reason;
use crate::wire::Type;

impl Walk<'_> {
    /// Whether shares are heeded and the pool's does not reach to this client.
    fn is_beyond_share(&self, id: PoolId) -> bool {
        let share = self.view.standings[id.0 as usize].share;
        self.resort == Resort::Healthy && u16::from(self.portion) >= share.bound()
    }

    pub(super) fn offer(&self, id: PoolId) -> Offer {
        if self.is_beyond_share(id) {
            return Offer::Down;
        }
        let standing = &self.view.standings[id.0 as usize];
        standing.offer(self.model().pool(id), self.resort, Some(self.asker.rtype))
    }

    pub(super) fn pool(&self, id: PoolId) -> (Found, Trace) {
        let pool = self.model().pool(id);
        let standing = &self.view.standings[id.0 as usize];
        let mut offer = self.offer(id);
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
        if standing.is_void {
            let names: Vec<String> = pool.hosts.iter().map(|host| host.name.to_string()).collect();
            note = format!("no address of {} is known", names.join(", "));
        }
        if standing.state != Default::default() {
            note = format!("state \"{}\" is in force; {note}", state_word(standing.state));
        }
        match &offer {
            Offer::Down if standing.is_up(self.resort) && !self.is_beyond_share(id) => {
                note += &format!("; up, but every {} member is down", self.asker.rtype);
            }
            Offer::NoData => note += &format!("; has no {} member", self.asker.rtype),
            _ => {}
        }
        if !standing.share.is_full() {
            let at = f64::from(self.portion) / 256.0 * 100.0;
            let side = match (self.resort, standing.share.holds(self.portion)) {
                (_, true) => "among them",
                (Resort::Healthy, false) => "not among them",
                (_, false) => "not among them, but nothing else is up",
            };
            note += &format!(
                "; keeps {} of its clients, this one, at {at:.1} %, {side}",
                standing.share
            );
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
            why_not: standing.why_not(),
            considered: Vec::new(),
            members: members.collect(),
        };
        let found = match offer {
            Offer::Down => None,
            Offer::NoData => Some(Resolved::NoData),
            Offer::Members(members) => {
                let left = members.iter().map(|index| standing.left(*index, self.resort));
                let left: Vec<u8> = left.collect();
                Some(pool_answer(pool, id, members, &left).because(standing.why_given()))
            }
        };
        (found, trace)
    }
}

/// A choice by weight among what was found; `None` among nothing.
pub(super) fn by_share(spread: Spread, mut branches: Vec<(Candidate, Resolved)>) -> Found {
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
fn pool_answer(pool: &Pool, id: PoolId, members: Few<usize>, left: &[u8]) -> Resolved {
    let spread = match pool.balance {
        Balance::RoundRobin => return all_of(pool, id, members),
        Balance::Weighted => Spread::Query,
        Balance::Sticky => Spread::Client,
    };
    let weights = members.iter().map(|index| pool.members[*index].weight);
    let weights = spread::lowered(&weights.zip(left.iter().copied()).collect::<Vec<_>>());
    let any = weights.iter().any(|weight| *weight > 0);
    let mut drawn: Vec<(usize, u32)> = members.into_iter().zip(weights).collect();
    drawn.retain(|(_, weight)| !any || *weight > 0);
    let mut branches = Vec::new();
    for place in 0..drawn.len() {
        let (first, weight) = drawn[place];
        let mut order: Few<usize> = drawn.iter().map(|(index, _)| *index).collect();
        order.rotate_left(place);
        let seed = spread::seed(pool.members[first].name.as_bytes());
        branches.push((Candidate { seed, weight: weight.max(1) }, row(pool, id, order)));
    }
    by_share(spread, branches).unwrap_or(Resolved::NoData)
}

/// Members in this order, as many as the pool's answers hold.
fn row(pool: &Pool, id: PoolId, order: Few<usize>) -> Resolved {
    match all_of(pool, id, order) {
        Resolved::Ring(mut ring) => {
            ring.items.truncate(ring.take);
            let take = ring.items.len();
            Resolved::Ring(Ring { take, is_fixed: take > 1, ..ring })
        }
        other => other,
    }
}

/// Some members of a pool in one answer, equal records once.
pub(super) fn all_of(pool: &Pool, id: PoolId, members: Few<usize>) -> Resolved {
    let mut items: Few<Item> = Few::new();
    let mut data = Vec::new();
    for index in members {
        if !data.contains(&&pool.members[index].data) {
            data.push(&pool.members[index].data);
            items.push(Item::Member(id, index));
        }
    }
    let take = if pool.is_alias() { 1 } else { pool.answers };
    let (source, reason) = (Source::Pool(id), Reason::FirstChoice);
    Resolved::Ring(Ring { items, take, is_fixed: false, source, reason })
}
