//! Round robin in evaluation: the members of several targets joined into one ring.

use crate::steering::evaluate::pool::{all_of, by_share};
use crate::steering::evaluate::{Found, Walk};
use crate::steering::model::{Kind, MemberData, Model, PolicyId, PoolId, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::Offer;
use crate::steering::trace::{Considered, Fate};

impl Walk<'_> {
    /// The members of the first targets that are up, and what was considered.
    pub(super) fn joined(
        &self,
        id: PolicyId,
        targets: Vec<(String, Target)>,
        take: usize,
    ) -> (Found, Vec<Considered>) {
        let answers = self.model().policy(id).answers();
        let mut taken = Vec::new();
        let mut considered: Vec<Considered> = Vec::new();
        // Of a round all are preferred, and those that are not up are not in it.
        let preferred = if take > targets.len() { 0 } else { take };
        for (by, target) in targets {
            if taken.len() == take {
                let trace = self.heading(target);
                considered.push(Considered { by, fate: Fate::NotNeeded, trace });
                continue;
            }
            let (_, trace) = self.target(target);
            let members = self.members(target);
            let fate = match &members {
                Some(_) => Fate::Taken,
                None => Fate::PassedOver(self.passed_over(&trace)),
            };
            taken.extend(members.map(|members| (target, members)));
            considered.push(Considered { by, fate, trace });
        }
        let joined = self.join_all(id, taken);
        let joined = joined.map(|joined| with_take(joined, answers, id, self.model()));
        let mut first = considered.iter().take(preferred);
        let lost = first.find(|considered| considered.fate != Fate::Taken);
        let found = match lost.map(|lost| lost.trace.why_not) {
            Some(reason) => joined.map(|joined| joined.because(reason)),
            None => joined,
        };
        (found, considered)
    }

    /// The members of the targets that a policy took, as one: of several best ones in the order
    /// of the file, whichever a client prefers.
    fn join_all(&self, id: PolicyId, mut taken: Vec<(Target, Resolved)>) -> Found {
        let policy = self.model().policy(id);
        if policy.take > 1 {
            let written = policy.targets();
            taken.sort_by_key(|(target, _)| written.iter().position(|other| other == target));
        }
        let members = taken.into_iter().map(|(_, members)| members);
        members.reduce(|left, right| self.join(left, right))
    }

    /// All members under a target that may be answered, ungrouped: what round-robin joins.
    fn members(&self, target: Target) -> Found {
        let id = match target {
            Target::Pool(id) => {
                return match self.offer(id) {
                    Offer::Down => None,
                    Offer::NoData => Some(Resolved::NoData),
                    Offer::Members(members) => {
                        let standing = &self.view.standings[id.0 as usize];
                        let members = standing.unwarned(members, self.resort);
                        Some(all_of(self.model().pool(id), id, members))
                    }
                };
            }
            Target::Policy(id) => id,
        };
        let policy = self.model().policy(id);
        match &policy.kind {
            kind if policy.joins() => {
                let take = if policy.take > 1 { policy.take } else { usize::MAX };
                let order = self.in_order(kind).into_iter();
                let up = order.filter_map(|(_, target)| Some((target, self.members(target)?)));
                self.join_all(id, up.take(take).collect())
            }
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
            // Shares are looked into before anything is joined.
            (split @ Resolved::Split(_), _) | (_, split @ Resolved::Split(_)) => split,
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
        Resolved::NoData | Resolved::Split(_) => resolved,
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
