//! How the candidates of held choices are rated now, and which of them is in force or explored.

use std::collections::HashMap;

use crate::steering::choice::{Choice, Ratings};
use crate::steering::explore::Explorers;
use crate::steering::model::{Kind, PolicyId, PoolId};
use crate::steering::plan::{Paths, Plan, PlanId};
use crate::steering::resolve::View;
use crate::steering::share::Share;
use crate::steering::standing::Resort;
use crate::steering::{latency, load};

impl View<'_> {
    /// The choice in force of a policy for clients with these network parts: the same for all
    /// plans that have them.
    pub fn choice(&self, policy: PolicyId, paths: &[Paths]) -> Option<Choice> {
        self.choices.iter().find_map(|(node, choice)| match self.plans.plan(*node) {
            Plan::Best { policy: other, candidates, .. }
                if *other == policy && candidates.iter().map(|(_, paths)| paths).eq(paths) =>
            {
                Some(*choice)
            }
            _ => None,
        })
    }

    /// The ratings of a choice's candidates now.
    pub fn ratings(&self, plan: PlanId) -> Ratings {
        self.rated(plan, |pool, network| f64::from(network) + self.server_ms[pool.0 as usize])
    }

    /// The mean load of a pool's members that are up, as far as they report it.
    pub fn load(&self, pool: PoolId) -> Option<f64> {
        let members = self.model.pool(pool).members.iter();
        let up = members.zip(&self.standings[pool.0 as usize].members).filter(|(_, up)| **up);
        mean(up.filter_map(|(member, _)| self.loads.get(&member.check?).copied()))
    }

    /// The mean load of those of some pools that are up.
    pub fn mean_load(&self, pools: impl Iterator<Item = PoolId>) -> Option<f64> {
        let up = pools.filter(|pool| self.standings[pool.0 as usize].is_up(Resort::Healthy));
        mean(up.filter_map(|pool| self.load(pool)))
    }

    /// The candidate in force when only those of `up` may be taken.
    pub(super) fn best(&self, plan: PlanId, up: impl Fn(usize) -> bool) -> Option<usize> {
        let known = self.choices.get(&plan).copied();
        let choice = known.unwrap_or_else(|| Choice::new(&self.ratings(plan)));
        // What neither moves nor is reported: the network parts.
        let no_loads = HashMap::new();
        let quiet = View { loads: &no_loads, ..*self };
        choice.pick(&quiet.rated(plan, |_, network| f64::from(network)), up)
    }

    /// The candidate that clients of this part explore: one that is up, and not the one in force.
    /// The same for all types, as the decision for a target is.
    pub(super) fn explored(&self, plan: PlanId, portion: u8) -> Option<usize> {
        let Plan::Best { policy, candidates, explores: true } = self.plans.plan(plan) else {
            return None;
        };
        let turn = self.explorers(*policy)?.turn(portion)?;
        let up = |index: usize| self.is_candidate_up(plan, index);
        let own = self.best(plan, up)?;
        let others: Vec<usize> =
            (0..candidates.len()).filter(|index| *index != own && up(*index)).collect();
        others.get(turn.checked_rem(others.len())?).copied()
    }

    /// The clients of a policy that explore now.
    pub fn explorers(&self, policy: PolicyId) -> Option<Explorers> {
        let policy = self.model.policy(policy);
        let share = policy.explore();
        let hour = self.hour.filter(|_| share > Share::NONE)?;
        Some(Explorers::new(&policy.name, share, hour))
    }

    /// Rates the candidates of a choice; `ms` is what a pool with a network part is estimated at.
    fn rated(&self, plan: PlanId, ms: impl Fn(PoolId, u16) -> f64) -> Ratings {
        let Plan::Best { policy, candidates, .. } = self.plans.plan(plan) else {
            return load::ratings(&[]);
        };
        let paths = candidates.iter().map(|(_, paths)| paths);
        let within = match &self.model.policy(*policy).kind {
            Kind::Load { targets } => {
                let loads = paths.map(|paths| self.mean_load(paths.iter().map(|(pool, _)| *pool)));
                let weights = targets.iter().map(|(_, weight)| *weight);
                return load::ratings(&loads.zip(weights).collect::<Vec<_>>());
            }
            Kind::Latency { within, .. } => *within,
            _ => None,
        };
        latency::ratings(self.model, within, paths, ms)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
