//! Leads: the one pool that a plan's clients are sent to, where it is one.
//!
//! Most plans are pools in an order of preference, and many classes of clients come to the same pool
//! for the same reason: what it answers needs to be worked out for the first of them alone.

use crate::steering::model::PoolId;
use crate::steering::plan::{Plan, PlanId};
use crate::steering::resolve::{Ask, Resolved, View};
use crate::steering::standing::Resort;
use crate::steering::way::Reason;
use crate::wire::Type;

/// A pool that answers alone. Plans with equal leads have equal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lead {
    /// The pool.
    pub pool: PoolId,
    /// Why not the one that is preferred; `None` when it is that.
    pub instead: Option<Reason>,
}

impl View<'_> {
    /// The lead of a plan under which every pool keeps all its clients and nobody explores; `None`
    /// where there is more to it, or nothing is up.
    pub fn lead(&self, plan: PlanId, rtype: Option<Type>) -> Option<Lead> {
        let list = match self.plans.plan(plan) {
            Plan::Pool(_) => &[plan][..],
            Plan::First(list) => list,
            _ => return None,
        };
        for (place, candidate) in list.iter().enumerate() {
            let Plan::Pool(id) = *self.plans.plan(*candidate) else { return None };
            let standing = &self.standings[id.0 as usize];
            if standing.is_offered(self.model.pool(id), Resort::Healthy, rtype) {
                let instead = (place > 0).then(|| self.why_not(list[0]));
                return Some(Lead { pool: id, instead });
            }
        }
        None
    }

    /// What a lead answers: what its plan comes to, without the way there.
    pub fn led(&self, lead: Lead, rtype: Option<Type>) -> Resolved {
        let ask = Ask { rtype, resort: Resort::Healthy, portion: 0 };
        // It is offered, or it would not lead.
        let found = self.resolve_pool(lead.pool, ask).unwrap_or(Resolved::NoData);
        match lead.instead {
            Some(reason) => found.because(reason),
            None => found,
        }
    }
}
