//! Round robin in evaluation: the members of several targets joined into one ring.

use crate::steering::evaluate::{Found, Walk, all_of, by_share};
use crate::steering::model::{Kind, MemberData, Model, PolicyId, PoolId, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::Offer;
use crate::steering::trace::{Considered, Fate};

impl Walk<'_> {
    /// A round-robin policy: the members of all targets that are up, and what was considered.
    pub(super) fn round_robin(
        &self,
        id: PolicyId,
        targets: &[Target],
        answers: usize,
    ) -> (Found, Vec<Considered>) {
        let mut joined: Option<Resolved> = None;
        let mut considered = Vec::new();
        for target in targets {
            let (_, trace) = self.target(*target);
            let members = self.members(*target);
            let fate = match &members {
                Some(_) => Fate::Taken,
                None => Fate::PassedOver(self.why_not(&trace)),
            };
            considered.push(Considered { by: "member of the round".to_owned(), fate, trace });
            joined = match (joined, members) {
                (None, members) => members,
                (joined, None) => joined,
                (Some(left), Some(right)) => Some(self.join(left, right)),
            };
        }
        (joined.map(|joined| with_take(joined, answers, id, self.model())), considered)
    }

    /// All members under a target that may be answered, ungrouped: what round-robin joins.
    fn members(&self, target: Target) -> Found {
        let id = match target {
            Target::Pool(id) => {
                let pool = self.model().pool(id);
                let standing = &self.view.standings[id.0 as usize];
                return match standing.offer(pool, self.resort, Some(self.asker.rtype)) {
                    Offer::Down => None,
                    Offer::NoData => Some(Resolved::NoData),
                    Offer::Members(members) => {
                        Some(all_of(pool, id, standing.unwarned(members, self.resort)))
                    }
                };
            }
            Target::Policy(id) => id,
        };
        match &self.model().policy(id).kind {
            Kind::RoundRobin { targets, .. } => targets
                .iter()
                .filter_map(|target| self.members(*target))
                .reduce(|left, right| self.join(left, right)),
            Kind::Weighted { targets, spread } => {
                let found: Vec<_> =
                    targets.iter().map(|(target, _)| self.members(*target)).collect();
                let weights = self.weights(targets, |index| found[index].is_some());
                let branches = targets.iter().zip(found).zip(weights).filter_map(
                    |(((target, _), found), weight)| {
                        let seed = spread::seed(self.model().target_name(*target).as_bytes());
                        (weight > 0).then_some((Candidate { seed, weight }, found?))
                    },
                );
                by_share(*spread, branches.collect())
            }
            // The others choose one target; the trace names it.
            _ => self.chosen(id).and_then(|target| match target {
                Some(target) => self.members(target),
                None => Some(Resolved::NoData),
            }),
        }
    }

    /// The one target that a choosing policy takes: `Some(None)` is a deliberate NODATA.
    fn chosen(&self, id: PolicyId) -> Option<Option<Target>> {
        let (_, trace) = self.policy(id);
        let taken = trace.considered.iter().find(|c| c.fate == Fate::Taken)?;
        Some(self.named(&taken.trace.name))
    }

    fn named(&self, name: &str) -> Option<Target> {
        let model = self.model();
        let pool = (0..).zip(&model.pools).find(|(_, pool)| pool.name == name);
        let policy = (0..).zip(&model.policies).find(|(_, policy)| policy.name == name);
        pool.map(|(index, _)| Target::Pool(PoolId(index)))
            .or(policy.map(|(index, _)| Target::Policy(PolicyId(index))))
    }

    fn join(&self, left: Resolved, right: Resolved) -> Resolved {
        match (left, right) {
            (Resolved::Draw(list), right) => Resolved::Draw(
                list.into_iter().map(|(w, left)| (w, self.join(left, right.clone()))).collect(),
            ),
            (Resolved::Hash(list), right) => Resolved::Hash(
                list.into_iter().map(|(c, left)| (c, self.join(left, right.clone()))).collect(),
            ),
            (left, Resolved::Draw(list)) => Resolved::Draw(
                list.into_iter().map(|(w, right)| (w, self.join(left.clone(), right))).collect(),
            ),
            (left, Resolved::Hash(list)) => Resolved::Hash(
                list.into_iter().map(|(c, right)| (c, self.join(left.clone(), right))).collect(),
            ),
            (Resolved::NoData, other) | (other, Resolved::NoData) => other,
            (Resolved::Ring(mut left), Resolved::Ring(right)) => {
                for item in right.items {
                    let data = |item: &Item| match item {
                        Item::Member(pool, index) => {
                            self.model().pool(*pool).members[*index].data.clone()
                        }
                        Item::Address(a) => MemberData::Address(*a),
                    };
                    if left.items.iter().all(|other| data(other) != data(&item)) {
                        left.items.push(item);
                    }
                }
                Resolved::Ring(left)
            }
        }
    }
}

/// Gives the rings under a round-robin policy its number of answers and its rotation.
fn with_take(resolved: Resolved, answers: usize, id: PolicyId, model: &Model) -> Resolved {
    let again = |resolved| with_take(resolved, answers, id, model);
    match resolved {
        Resolved::NoData => Resolved::NoData,
        Resolved::Ring(ring) => {
            let alias =
                matches!(ring.items[0], Item::Member(pool, _) if model.pool(pool).is_alias());
            let take = if alias { 1 } else { answers };
            Resolved::Ring(Ring { take, source: Source::Policy(id), ..ring })
        }
        Resolved::Draw(list) => {
            Resolved::Draw(list.into_iter().map(|(w, r)| (w, again(r))).collect())
        }
        Resolved::Hash(list) => {
            Resolved::Hash(list.into_iter().map(|(c, r)| (c, again(r))).collect())
        }
    }
}
