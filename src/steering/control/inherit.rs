//! What a generation takes over from the one before it, so that a reload moves no client that
//! the files did not move.
//!
//! Indexes mean nothing across generations: pools, members and policies are found again by their
//! names, classes of clients by what they prefer. Where that has changed, as it does with every new
//! latency table, a client of the class is looked up in the generation before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use super::{Change, Control};
use crate::steering::choice::Choice;
use crate::steering::compile::CompiledTarget;
use crate::steering::model::{Model, OnAllDown, PolicyId, PoolId};
use crate::steering::plan::{Plan, PlanId, Plans};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::share::Share;
use crate::steering::standing::{Few, Resort};
use crate::wire::{Name, Type};

/// Where a last known answer stands: the target's name, what the class prefers, the type.
type Place<'a> = (&'a str, u64, Option<Type>);

impl Control {
    /// Takes over the operator's word and other transitions, choices and last known answers.
    pub(super) fn inherit(&mut self, before: &Control) {
        let (model, old_model) = (&self.steering.model, &before.steering.model);
        let pools = Pools::new(old_model, model);
        let (transitions, old) = (&mut self.transitions, &before.transitions);
        transitions.now = old.now;
        self.hour = before.hour;
        transitions.overrides.extend(
            old.overrides.iter().filter_map(|(pool, word)| Some((pools.now(*pool)?, *word))),
        );
        transitions.loads.shares.extend(
            old.loads.shares.iter().filter_map(|(pool, share)| Some((pools.now(*pool)?, *share))),
        );
        transitions.ramps.extend(
            old.ramps
                .iter()
                .filter_map(|(pool, since)| pools.now(*pool).map(|pool| (pool, *since))),
        );
        let old_plans = Signatures::new(&before.steering.compiled.plans, old_model);
        let plans = Signatures::new(&self.steering.compiled.plans, model);
        let held: HashMap<u64, _> =
            before.choices.iter().map(|(node, choice)| (old_plans.of(*node), *choice)).collect();
        let by_client = self.choices_by_client(before);
        for (node, choice) in &mut self.choices {
            if let Some(held) = held.get(&plans.of(*node)).or_else(|| by_client.get(node)) {
                *choice = *held;
            }
        }
        let known: HashMap<Place<'_>, &Resolved> = before
            .last_known
            .iter()
            .map(|(cell, resolved)| (before.place(*cell, &old_plans), resolved))
            .collect();
        if known.is_empty() {
            return;
        }
        let mut last_known = HashMap::new();
        for (number, binding) in self.steering.bindings.iter().enumerate() {
            if binding.on_all_down != OnAllDown::LastKnown {
                continue;
            }
            let classes = self.steering.compiled.targets[binding.target].classes.len();
            for cell in 0..classes * binding.columns().count() {
                let resolved = known.get(&self.place((number, cell), &plans));
                if let Some(resolved) = resolved.and_then(|old| pools.translated(old)) {
                    last_known.insert((number, cell), resolved);
                }
            }
        }
        self.last_known = last_known;
    }

    /// What the first client of each class had in the generation before, for policies that still
    /// have the targets they had.
    fn choices_by_client(&self, before: &Control) -> HashMap<PlanId, Choice> {
        let (now, then) = (&*self.steering, &*before.steering);
        let old_targets = then.compiled.targets.iter();
        let by_name: HashMap<&str, &CompiledTarget> =
            old_targets.map(|old| (then.model.target_name(old.target), old)).collect();
        let mut held = HashMap::new();
        for target in now.compiled.targets.iter().filter(|target| target.is_dynamic) {
            let Some(old) = by_name.get(now.model.target_name(target.target)) else { continue };
            let clients = match &target.table {
                Some(table) => table.first_of_each_class(),
                None => BTreeMap::from([(0, IpAddr::V4(Ipv4Addr::UNSPECIFIED))]),
            };
            for (class, client) in clients {
                let old_class = old.table.as_ref().map_or(0, |table| table.find(client).class);
                let was = choices_under(&then.compiled.plans, old.classes[old_class as usize]);
                let is = choices_under(&now.compiled.plans, target.classes[class as usize]);
                for (node, policy) in is {
                    let same = |(_, old): &&(PlanId, PolicyId)| {
                        has_same_targets((&now.model, policy), (&then.model, *old))
                    };
                    let choice = was.iter().find(same).and_then(|(old, _)| before.choices.get(old));
                    if let Some(choice) = choice {
                        held.entry(node).or_insert(*choice);
                    }
                }
            }
        }
        held
    }

    fn place(&self, (number, cell): (usize, usize), plans: &Signatures) -> Place<'_> {
        let binding = &self.steering.bindings[number];
        let target = &self.steering.compiled.targets[binding.target];
        let columns = binding.columns().count();
        let rtype = binding.columns().nth(cell % columns).flatten();
        let name = self.steering.model.target_name(target.target);
        (name, plans.of(target.classes[cell / columns]), rtype)
    }

    /// What an operator wants to hear of when this control follows another one.
    pub(super) fn changes_since(&self, before: &Control) -> Vec<Change> {
        let mut changes = Vec::new();
        let old_model = &before.steering.model;
        let was_up: HashMap<&str, bool> = old_model
            .pools
            .iter()
            .zip(&before.standings)
            .map(|(pool, standing)| (&*pool.name, standing.is_up(Resort::Healthy)))
            .collect();
        let pools = self.steering.model.pools.iter().zip(&self.standings);
        for (index, (pool, standing)) in (0..).zip(pools) {
            let is_up = standing.is_up(Resort::Healthy);
            if was_up.get(&*pool.name).copied().unwrap_or(true) != is_up {
                changes.push(Change::Pool { pool: PoolId(index), is_up });
            }
        }
        let (panicked, panic) = (before.panicking(), self.panicking());
        for begun in [true, false] {
            let concerned = (0..).zip(&self.steering.model.records).filter(|(_, record)| {
                let (was, is) = (panicked.contains(&record.owner), panic.contains(&record.owner));
                was != is && is == begun
            });
            let records: Vec<_> = concerned.map(|(id, _)| crate::zone::RecordId(id)).collect();
            if !records.is_empty() {
                changes.push(Change::Panic { records, begun });
            }
        }
        changes
    }

    fn panicking(&self) -> HashSet<&Name> {
        self.panics().map(|id| &self.steering.model.records[id.0 as usize].owner).collect()
    }
}

/// The held choices that a plan leads to, with their policies.
fn choices_under(plans: &Plans, id: PlanId) -> Vec<(PlanId, PolicyId)> {
    let under = |target: &PlanId| choices_under(plans, *target);
    match plans.plan(id) {
        Plan::Pool(_) | Plan::Nothing => Vec::new(),
        Plan::First(targets) => targets.iter().flat_map(under).collect(),
        Plan::Merge { targets, .. } => {
            targets.iter().flat_map(|(target, _)| under(target)).collect()
        }
        Plan::Share { targets, .. } => {
            targets.iter().flat_map(|(target, ..)| under(target)).collect()
        }
        Plan::Best { policy, candidates, .. } => {
            let inner = candidates.iter().flat_map(|(target, _)| choices_under(plans, *target));
            std::iter::once((id, *policy)).chain(inner).collect()
        }
    }
}

/// Whether two policies of one name choose among targets of the same names, in the same order.
fn has_same_targets(now: (&Model, PolicyId), then: (&Model, PolicyId)) -> bool {
    let names = |(model, id): (&Model, PolicyId)| -> Vec<String> {
        let policy = model.policy(id);
        let targets = policy.targets();
        let targets = targets.iter().map(|target| model.target_name(*target));
        std::iter::once(&*policy.name).chain(targets).map(str::to_owned).collect()
    };
    names(now) == names(then)
}

/// The pools of one generation in another one.
struct Pools<'a> {
    old: &'a Model,
    new: &'a Model,
    by_name: HashMap<&'a str, PoolId>,
}

impl<'a> Pools<'a> {
    fn new(old: &'a Model, new: &'a Model) -> Pools<'a> {
        let by_name = (0..).zip(&new.pools).map(|(id, pool)| (&*pool.name, PoolId(id))).collect();
        Pools { old, new, by_name }
    }

    fn now(&self, pool: PoolId) -> Option<PoolId> {
        self.by_name.get(&*self.old.pool(pool).name).copied()
    }

    /// An answer without what is there no more; `None` when nothing is left of it.
    fn translated(&self, resolved: &Resolved) -> Option<Resolved> {
        Some(match resolved {
            Resolved::NoData => Resolved::NoData,
            Resolved::Ring(Ring { items, take, is_fixed, source, reason }) => {
                let items: Few<Item> = items.iter().filter_map(|item| self.item(*item)).collect();
                if items.is_empty() {
                    return None;
                }
                let source = match *source {
                    Source::Pool(pool) => Source::Pool(self.now(pool)?),
                    Source::Policy(policy) => {
                        let name = &self.old.policy(policy).name;
                        let mut policies = (0..).zip(&self.new.policies);
                        let (id, _) = policies.find(|(_, policy)| policy.name == *name)?;
                        Source::Policy(crate::steering::model::PolicyId(id))
                    }
                    Source::AllDown => Source::AllDown,
                };
                let (take, is_fixed, reason) = (*take, *is_fixed, *reason);
                Resolved::Ring(Ring { items, take, is_fixed, source, reason })
            }
            Resolved::Draw(parts) => {
                let parts = parts.iter().filter_map(|(w, part)| Some((*w, self.translated(part)?)));
                Resolved::Draw(some(parts.collect())?)
            }
            Resolved::Hash(parts) => {
                let parts = parts.iter().filter_map(|(c, part)| Some((*c, self.translated(part)?)));
                Resolved::Hash(some(parts.collect())?)
            }
            Resolved::Split(parts) => {
                let parts = parts.iter().filter_map(|(b, part)| Some((*b, self.translated(part)?)));
                let mut parts = some(parts.collect::<Vec<_>>())?;
                // Clients of a lost part get what comes after it, those of the last the one before.
                if let Some((last, _)) = parts.last_mut() {
                    *last = Share::FULL.bound();
                }
                Resolved::Split(parts)
            }
        })
    }

    fn item(&self, item: Item) -> Option<Item> {
        match item {
            Item::Address(_) => Some(item),
            Item::Member(pool, index) => {
                let member = &self.old.pool(pool).members[index].data;
                let pool = self.now(pool)?;
                let mut members = self.new.pool(pool).members.iter();
                Some(Item::Member(pool, members.position(|other| other.data == *member)?))
            }
        }
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// For every plan a number that an equal plan over the same names has in another generation.
struct Signatures(Vec<u64>);

impl Signatures {
    fn new(plans: &Plans, model: &Model) -> Signatures {
        let mut signatures = Signatures(Vec::new());
        // What a plan is made of was added before it.
        for (_, plan) in plans.iter() {
            let mut hasher = DefaultHasher::new();
            std::mem::discriminant(plan).hash(&mut hasher);
            let pool = |id: &PoolId| &*model.pool(*id).name;
            match plan {
                Plan::Pool(id) => pool(id).hash(&mut hasher),
                Plan::Nothing => {}
                Plan::First(list) => signatures.all(list).hash(&mut hasher),
                Plan::Merge { policy, take, targets } => {
                    let name = &model.policy(*policy).name;
                    (name, take).hash(&mut hasher);
                    for (target, place) in targets {
                        (signatures.of(*target), place).hash(&mut hasher);
                    }
                }
                Plan::Share { spread, targets } => {
                    spread.hash(&mut hasher);
                    for (target, weight, seed) in targets {
                        (signatures.of(*target), weight, seed).hash(&mut hasher);
                    }
                }
                Plan::Best { policy, candidates, .. } => {
                    model.policy(*policy).name.hash(&mut hasher);
                    for (candidate, paths) in candidates {
                        signatures.of(*candidate).hash(&mut hasher);
                        paths.iter().for_each(|(id, ms)| (pool(id), ms).hash(&mut hasher));
                    }
                }
            }
            signatures.0.push(hasher.finish());
        }
        signatures
    }

    fn of(&self, plan: PlanId) -> u64 {
        self.0[plan.0 as usize]
    }

    fn all(&self, plans: &[PlanId]) -> Vec<u64> {
        plans.iter().map(|plan| self.of(*plan)).collect()
    }
}
