//! Plans: what is left of a policy tree once the client's place is known.
//!
//! A plan holds no location any more: geo rules, distances and network estimates have become
//! orders of preference. Equal plans are one plan, so a class of clients is a plan's number.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::steering::model::{PolicyId, PoolId, Spread};

/// An index into a [`Plans`] arena; equal plans have equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanId(pub u32);

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Plan {
    /// The pool's members.
    Pool(PoolId),
    /// A deliberate NODATA.
    Nothing,
    /// The first that is up.
    First(Order),
    /// The members of the first that are up.
    Merge {
        /// The policy that joins them.
        policy: PolicyId,
        /// How many of them; no limit for round robin.
        take: usize,
        /// Whose members are joined, the best first. The number is the place in the file: those
        /// taken are joined in that order, so that clients who prefer the same few in another
        /// order have the same answer.
        targets: Vec<(PlanId, u32)>,
    },
    /// One of those that are up, by weight.
    Share {
        /// Drawn for each query or fixed for each client.
        spread: Spread,
        /// Plan, weight, and the hash seed of the target's name.
        targets: Vec<(PlanId, u32, u64)>,
    },
    /// The one that is up and the best, by a choice that is held.
    Best {
        /// The latency or load policy.
        policy: PolicyId,
        /// Plan, and the network part to each pool under the target; a load policy has none.
        candidates: Vec<(PlanId, Paths)>,
        /// Whether some clients are sent to another candidate.
        explores: bool,
    },
}

/// An order of preference. As long as it is short it stands with its plan: when ten thousand answers
/// are worked out at once, each list elsewhere is one more place to fetch.
pub type Order = SmallVec<[PlanId; 4]>;

/// The network part in milliseconds to each pool of a candidate, `None` where unknown.
pub type Paths = Vec<(PoolId, Option<u16>)>;

/// All plans of a generation, each once.
#[derive(Debug, Clone, Default)]
pub struct Plans {
    nodes: Vec<Plan>,
    numbers: HashMap<Plan, PlanId, RandomState>,
}

impl Plans {
    /// The number of a plan; known if an equal one was added before.
    pub fn add(&mut self, plan: Plan) -> PlanId {
        if let Some(id) = self.numbers.get(&plan) {
            return *id;
        }
        let id = PlanId(u32::try_from(self.nodes.len()).expect("fewer plans than 2^32 fit memory"));
        self.nodes.push(plan.clone());
        self.numbers.insert(plan, id);
        id
    }

    /// The first of `targets` that is up, in simplest form: a list within the list becomes part
    /// of it, what was named before is not named again, nothing stands behind a deliberate
    /// NODATA, and a list of one is that one.
    pub fn add_first(&mut self, targets: impl IntoIterator<Item = PlanId>) -> PlanId {
        let mut list = Order::new();
        'targets: for target in targets {
            let inner = match self.plan(target) {
                Plan::First(inner) => &inner[..],
                _ => &[target][..],
            };
            for target in inner {
                if !list.contains(target) {
                    list.push(*target);
                }
                if *self.plan(*target) == Plan::Nothing {
                    break 'targets;
                }
            }
        }
        match list[..] {
            [] => self.add(Plan::Nothing),
            [only] => only,
            _ => self.add(Plan::First(list)),
        }
    }

    /// The plan of a number.
    pub fn plan(&self, id: PlanId) -> &Plan {
        &self.nodes[id.0 as usize]
    }

    /// Every plan with its number.
    pub fn iter(&self) -> impl Iterator<Item = (PlanId, &Plan)> {
        (0..).map(PlanId).zip(&self.nodes)
    }

    /// Writes what a plan comes to while its first choices are up, every order of preference cut
    /// to its first entry, as a key: two plans with equal keys send their clients alike.
    /// `best` says which candidate of a choice is first.
    pub fn first_choice(&self, id: PlanId, best: &impl Fn(PlanId) -> usize, key: &mut Vec<u64>) {
        match self.plan(id) {
            Plan::Pool(pool) => key.extend([0, u64::from(pool.0)]),
            Plan::Nothing => key.push(1),
            Plan::First(list) => self.first_choice(list[0], best, key),
            Plan::Merge { policy, .. } => {
                let mut parts = Vec::new();
                self.merged(id, best, &mut parts);
                if parts.is_empty() {
                    return key.push(1);
                }
                key.extend([2, u64::from(policy.0), parts.len() as u64]);
                parts.into_iter().flatten().for_each(|number| key.push(number));
            }
            Plan::Share { spread, targets } => {
                let targets: Vec<_> = effective(targets).collect();
                if let [(only, ..)] = targets[..] {
                    return self.first_choice(only, best, key);
                }
                key.extend([3, *spread as u64, targets.len() as u64]);
                for (target, weight, seed) in targets {
                    key.extend([u64::from(weight), seed]);
                    self.first_choice(target, best, key);
                }
            }
            Plan::Best { candidates, explores, .. } => {
                if *explores {
                    // Those who explore are sent alike as well.
                    key.extend([4, candidates.len() as u64]);
                    candidates.iter().for_each(|(plan, _)| self.first_choice(*plan, best, key));
                }
                self.first_choice(candidates[best(id)].0, best, key);
            }
        }
    }

    /// The keys of what stands under a merge, as records do: merges within it are part of it,
    /// a pool counts once, and NODATA adds nothing. Two equal draws are two draws.
    fn merged(&self, id: PlanId, best: &impl Fn(PlanId) -> usize, parts: &mut Vec<Vec<u64>>) {
        let Plan::Merge { targets, take, .. } = self.plan(id) else {
            let mut part = Vec::new();
            self.first_choice(id, best, &mut part);
            let is_known = matches!(self.plan(id), Plan::Pool(_)) && parts.contains(&part);
            if !is_known && *self.plan(id) != Plan::Nothing {
                parts.push(part);
            }
            return;
        };
        let mut taken: Vec<(PlanId, u32)> = targets.iter().take(*take).copied().collect();
        taken.sort_by_key(|(_, place)| *place);
        for (target, _) in taken {
            self.merged(self.first_of(target, best), best, parts);
        }
    }

    /// Where the first choices of a plan lead before anything is merged, drawn or hashed.
    fn first_of(&self, id: PlanId, best: &impl Fn(PlanId) -> usize) -> PlanId {
        match self.plan(id) {
            Plan::First(list) => self.first_of(list[0], best),
            Plan::Best { candidates, explores: false, .. } => {
                self.first_of(candidates[best(id)].0, best)
            }
            Plan::Share { targets, .. } => match effective(targets).collect::<Vec<_>>()[..] {
                [(only, ..)] => self.first_of(only, best),
                _ => id,
            },
            Plan::Pool(_) | Plan::Nothing | Plan::Merge { .. } | Plan::Best { .. } => id,
        }
    }
}

/// The targets of a share that get clients while all are up: those with a weight, or all where
/// none has one.
pub fn effective(targets: &[(PlanId, u32, u64)]) -> impl Iterator<Item = (PlanId, u32, u64)> {
    let weighted = targets.iter().any(|(_, weight, _)| *weight > 0);
    targets.iter().copied().filter(move |(_, weight, _)| *weight > 0 || !weighted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_plans_are_one() {
        let mut plans = Plans::default();
        let (a, b) = (plans.add(Plan::Pool(PoolId(0))), plans.add(Plan::Pool(PoolId(1))));
        assert_eq!(plans.add_first([a, b]), plans.add_first([a, b, a]));
        assert_ne!(plans.add_first([a, b]), plans.add_first([b, a]));
        assert_eq!(plans.add_first([a, a]), a);
    }

    #[test]
    fn merges_of_the_same_pools_are_one_first_choice_however_they_are_nested() {
        let mut plans = Plans::default();
        let (a, b) = (plans.add(Plan::Pool(PoolId(0))), plans.add(Plan::Pool(PoolId(1))));
        let mut merge = |policy, targets: Vec<PlanId>| {
            let targets = targets.into_iter().zip(0..).collect();
            plans.add(Plan::Merge { policy: PolicyId(policy), take: usize::MAX, targets })
        };
        let inner = merge(0, vec![b, b]);
        let alike = [merge(1, vec![a, b]), merge(1, vec![a, inner]), merge(1, vec![a, b, a])];
        let other = merge(1, vec![b, a]);
        let key = |id| {
            let mut key = Vec::new();
            plans.first_choice(id, &|_| 0, &mut key);
            key
        };
        assert!(alike.iter().all(|id| key(*id) == key(alike[0])));
        assert_ne!(key(other), key(alike[0]));
    }

    #[test]
    fn the_same_two_are_one_first_choice_in_whichever_order_they_are_preferred() {
        let mut plans = Plans::default();
        let [a, b, c] = [0, 1, 2].map(|pool| (plans.add(Plan::Pool(PoolId(pool))), pool));
        let keys = [[a, b, c], [b, a, c], [a, c, b]].map(|targets| {
            let (policy, targets) = (PolicyId(0), targets.to_vec());
            let plan = plans.add(Plan::Merge { policy, take: 2, targets });
            let mut key = Vec::new();
            plans.first_choice(plan, &|_| 0, &mut key);
            key
        });
        assert_eq!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
    }

    #[test]
    fn nothing_stands_behind_a_deliberate_nodata() {
        let mut plans = Plans::default();
        let a = plans.add(Plan::Pool(PoolId(0)));
        let nothing = plans.add(Plan::Nothing);
        assert_eq!(plans.add_first([nothing, a]), nothing);
        assert_eq!(plans.add_first([a, nothing, a]), plans.add_first([a, nothing]));
    }
}
