//! What would be answered if a target that was passed over were up.

use super::facts::IfUpFacts;
use super::gather::{Bound, Case};
use super::words;
use crate::steering::answers::Outcome;
use crate::steering::evaluate::evaluate;
use crate::steering::model::{PolicyId, PoolId, PoolState, Target};
use crate::steering::resolve::View;
use crate::steering::share::Share;
use crate::steering::trace::Trace;

impl Case<'_> {
    /// The answer if all pools under a target were up, for all of their clients. Nothing else is
    /// otherwise: choices that are held stay where they are.
    pub(super) fn if_up(&self, bound: Bound<'_>, trace: &Trace) -> Option<IfUpFacts> {
        let view = self.scene.control.view();
        let mut standings = view.standings.to_vec();
        for pool in self.pools_of(trace)? {
            let standing = &mut standings[pool.0 as usize];
            (standing.state, standing.share) = (PoolState::Up, Share::FULL);
        }
        let view = View { standings: &standings, ..view };
        let evaluation = evaluate(view, bound.record, self.asker(), bound.last_known);
        Some(IfUpFacts {
            outcome: words::outcome(&evaluation.outcome),
            records: self.said(bound, &evaluation.outcome),
        })
    }

    /// The records that the client may be told by an outcome, as the files have them.
    pub(super) fn said(&self, bound: Bound<'_>, outcome: &Outcome) -> Vec<String> {
        let model = self.scene.control.view().model;
        let items = match outcome {
            Outcome::ServFail => Vec::new(),
            Outcome::Resolved(resolved) => resolved.reach(bound.seed(), self.key()),
        };
        items.iter().map(|item| item.said(model)).collect()
    }

    fn pools_of(&self, trace: &Trace) -> Option<Vec<PoolId>> {
        let model = self.scene.control.view().model;
        if trace.kind == "pool" {
            return Some(vec![self.pool(&trace.name)?]);
        }
        let policies = (0..).map(PolicyId).zip(&model.policies);
        let mut named = policies.filter(|(_, policy)| policy.name == trace.name);
        named.next().map(|(id, _)| model.pools_under(Target::Policy(id)))
    }
}
