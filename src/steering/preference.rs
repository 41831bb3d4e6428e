//! From a policy tree and a place to a plan: the steps of compilation that look at location.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::geo::{Coordinates, Location, LocationId};
use crate::steering::latency;
use crate::steering::model::{
    Destination, Kind, Model, OnDown, PolicyId, PoolId, Rule, Spread, Target,
};
use crate::steering::plan::{Plan, PlanId, Plans};
use crate::steering::share::Share;
use crate::steering::spread;

/// Makes plans, each once, and remembers what it made.
#[derive(Debug)]
pub struct Planner<'a> {
    /// Every plan made so far.
    pub plans: Plans,
    model: &'a Model,
    /// Plans of policies within policies: several may lead there.
    made: HashMap<(PolicyId, LocationId, Option<IpNet>), PlanId, RandomState>,
    /// For each geo policy met, which of its rules were some client's most specific match.
    reached: HashMap<PolicyId, Vec<bool>, RandomState>,
    /// For each policy that stands in by distance, the pools under it.
    pools: HashMap<PolicyId, Rc<[(Target, i8)]>, RandomState>,
}

impl<'a> Planner<'a> {
    /// A planner that has made nothing.
    pub fn new(model: &'a Model) -> Planner<'a> {
        Planner {
            plans: Plans::default(),
            model,
            made: HashMap::default(),
            reached: HashMap::default(),
            pools: HashMap::default(),
        }
    }

    /// As [`Planner::plan`] for a record's own target, which is asked for once in each place: not
    /// remembered, since of ten thousand policies there are millions.
    pub fn plan_of_record(
        &mut self,
        target: Target,
        place: LocationId,
        location: &Location,
        around: Option<IpNet>,
    ) -> PlanId {
        match target {
            Target::Pool(id) => self.plans.add(Plan::Pool(id)),
            Target::Policy(id) => self.policy_plan(id, place, location, around),
        }
    }

    /// The plan of `target` for clients in a place. `around` is the innermost prefix around them
    /// that any policy under the target names.
    pub fn plan(
        &mut self,
        target: Target,
        place: LocationId,
        location: &Location,
        around: Option<IpNet>,
    ) -> PlanId {
        let id = match target {
            Target::Pool(id) => return self.plans.add(Plan::Pool(id)),
            Target::Policy(id) => id,
        };
        if let Some(plan) = self.made.get(&(id, place, around)) {
            return *plan;
        }
        let plan = self.policy_plan(id, place, location, around);
        self.made.insert((id, place, around), plan);
        plan
    }

    /// Geo rules that were no client's most specific match.
    pub fn unreached(&self) -> Vec<(PolicyId, usize)> {
        let mut unreached: Vec<(PolicyId, usize)> = self
            .reached
            .iter()
            .flat_map(|(id, rules)| {
                rules.iter().enumerate().filter(|(_, hit)| !**hit).map(|(rule, _)| (*id, rule))
            })
            .collect();
        unreached.sort_unstable();
        unreached
    }

    fn policy_plan(
        &mut self,
        id: PolicyId,
        place: LocationId,
        location: &Location,
        around: Option<IpNet>,
    ) -> PlanId {
        let model = self.model;
        let each = |planner: &mut Self, targets: &[Target]| -> Vec<PlanId> {
            targets.iter().map(|target| planner.plan(*target, place, location, around)).collect()
        };
        match &model.policy(id).kind {
            Kind::Failover { targets } => {
                let plans = each(self, targets);
                self.first_or_joined(id, targets, plans)
            }
            Kind::RoundRobin { targets, .. } => {
                let targets = each(self, targets);
                let targets = targets.into_iter().zip(0..).collect();
                self.plans.add(Plan::Merge { policy: id, take: usize::MAX, targets })
            }
            Kind::Weighted { targets, spread } => {
                let names: Vec<Target> = targets.iter().map(|(target, _)| *target).collect();
                let plans = each(self, &names);
                self.share(targets, *spread, plans)
            }
            Kind::Geo { rules, default, on_down } => {
                let reached = self.reached.entry(id).or_insert_with(|| vec![false; rules.len()]);
                let order = geo_order(rules, location, around);
                if let Some(first) = order.first() {
                    reached[*first] = true;
                }
                let mut targets = geo_targets(rules, default, *on_down, &order);
                if *on_down == OnDown::Nearest && !targets.is_empty() {
                    let pools = self.pools_under(id);
                    let closest = nearest_order(model, &pools, location.coordinates);
                    targets.extend(closest.into_iter().map(Some));
                }
                let mut plans = Vec::new();
                for step in targets {
                    plans.push(match step {
                        Some(target) => self.plan(target, place, location, around),
                        None => self.plans.add(Plan::Nothing),
                    });
                }
                self.plans.add_first(plans)
            }
            Kind::Nearest { targets } => {
                let order = nearest_order(model, targets, location.coordinates);
                let plans = each(self, &order);
                self.first_or_joined(id, &order, plans)
            }
            Kind::Latency { targets, table, .. } => {
                let plans = each(self, targets);
                let candidates = targets.iter().zip(plans).map(|(target, plan)| {
                    let paths = model.pools_under(*target).into_iter().map(|pool| {
                        let at = model.pool(pool).coordinates;
                        (pool, latency::network_ms(table, location, around, pool, at))
                    });
                    (plan, paths.collect())
                });
                let (candidates, explores) =
                    (candidates.collect(), model.policy(id).explore() > Share::NONE);
                self.plans.add(Plan::Best { policy: id, candidates, explores })
            }
            Kind::Load { targets } => {
                let targets: Vec<Target> = targets.iter().map(|(target, _)| *target).collect();
                let plans = each(self, &targets);
                let candidates = targets.iter().zip(plans).map(|(target, plan)| {
                    let pools = model.pools_under(*target).into_iter();
                    (plan, pools.map(|pool| (pool, None)).collect())
                });
                let candidates = candidates.collect();
                self.plans.add(Plan::Best { policy: id, candidates, explores: false })
            }
        }
    }

    /// The first that is up, or the members of as many as the policy takes.
    fn first_or_joined(&mut self, id: PolicyId, order: &[Target], plans: Vec<PlanId>) -> PlanId {
        let policy = self.model.policy(id);
        if policy.take == 1 {
            return self.plans.add_first(plans);
        }
        let written = policy.targets();
        let place = |target: &Target| written.iter().position(|other| other == target);
        let places = order.iter().map(|target| place(target).unwrap_or(0) as u32);
        let targets = plans.into_iter().zip(places).collect();
        self.plans.add(Plan::Merge { policy: id, take: policy.take, targets })
    }

    fn pools_under(&mut self, id: PolicyId) -> Rc<[(Target, i8)]> {
        let pools = || {
            let pools = self.model.pools_under(Target::Policy(id));
            pools.into_iter().map(|pool| (Target::Pool(pool), 0)).collect()
        };
        self.pools.entry(id).or_insert_with(pools).clone()
    }

    fn share(&mut self, targets: &[(Target, u32)], spread: Spread, plans: Vec<PlanId>) -> PlanId {
        // A spread by client stays one even over a single target: its scope says so.
        if let ([only], Spread::Query) = (&plans[..], spread) {
            return *only;
        }
        let targets = targets.iter().zip(plans).map(|((target, weight), plan)| {
            (plan, *weight, spread::seed(self.model.target_name(*target).as_bytes()))
        });
        let targets = targets.collect();
        self.plans.add(Plan::Share { spread, targets })
    }
}

/// Rules that match, most specific first.
fn geo_order(rules: &[Rule], location: &Location, around: Option<IpNet>) -> Vec<usize> {
    let mut matching: Vec<_> = rules
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| {
            let covering = rule.matches.iter().filter(|m| m.covers(location, around));
            covering.map(|m| m.specificity()).max().map(|narrowest| (narrowest, index))
        })
        .collect();
    matching.sort_by_key(|(narrowest, _)| std::cmp::Reverse(*narrowest));
    matching.into_iter().map(|(_, index)| index).collect()
}

/// Where a geo policy sends clients whose matching rules are `order`, in order of preference;
/// `None` is a deliberate NODATA. Empty where no rule matches and there is no default. The pools
/// that stand in by distance are not among them.
fn geo_targets(
    rules: &[Rule],
    default: &Option<Destination>,
    on_down: OnDown,
    order: &[usize],
) -> Vec<Option<Target>> {
    let mut destinations = order.iter().map(|index| &rules[*index].to).chain(default);
    let Some(first) = destinations.next() else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    let mut extend = |to: &Destination| match to {
        Destination::Targets(list) => targets.extend(list.iter().copied().map(Some)),
        Destination::None => targets.push(None),
    };
    extend(first);
    if on_down == OnDown::Climb {
        destinations.for_each(extend);
    }
    targets
}

/// Targets by `distance x (1 - bias / 100)`, those without a place last, equals in the order
/// given; all in the order given when the client is not located.
fn nearest_order(
    model: &Model,
    targets: &[(Target, i8)],
    client: Option<Coordinates>,
) -> Vec<Target> {
    let mut keyed: Vec<(f64, Target)> = targets
        .iter()
        .map(|(target, bias)| {
            let km = client.and_then(|client| distance_km(model, *target, client));
            (km.map_or(f64::INFINITY, |km| biased_km(km, *bias)), *target)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, target)| target).collect()
}

/// The formula of geoproximity: `bias` from -99 to 99.
pub fn biased_km(km: f64, bias: i8) -> f64 {
    km * (1.0 - f64::from(bias) / 100.0)
}

/// Kilometres from a client to a target: to its nearest pool that has a place.
pub fn distance_km(model: &Model, target: Target, client: Coordinates) -> Option<f64> {
    let km = |pool: PoolId| model.pool(pool).coordinates.map(|at| at.distance_km(client));
    if let Target::Pool(pool) = target {
        return km(pool);
    }
    model.pools_under(target).into_iter().filter_map(km).min_by(f64::total_cmp)
}
