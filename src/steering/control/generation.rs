//! One generation's steering: what was written, compiled, and who shares what.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::health::CheckId;
use crate::steering::compile::{Compiled, World};
use crate::steering::live::Slot;
use crate::steering::model::{Model, OnAllDown, PolicyId, Pool, PoolId, Record, Target};
use crate::steering::share::Share;
use crate::steering::spread;
use crate::steering::standing::Few;
use crate::wire::Type;
use crate::zone::RecordId;

/// One generation's steering: what was written, compiled.
#[derive(Debug)]
pub struct Steering {
    /// What the operator wrote.
    pub model: Model,
    /// What it means for every client.
    pub compiled: Arc<Compiled>,
    pub(super) bindings: Vec<Binding>,
    pub(super) slots: Arc<[Slot]>,
    /// For each pool, the bindings that lead to it.
    pub(super) bindings_of_pool: Vec<Few<usize>>,
    pub(super) pools_of_check: HashMap<CheckId, Vec<PoolId>, RandomState>,
    /// For each pool, the longest time to live of the answers that lead to it.
    pub(super) ttl_of_pool: Vec<Duration>,
    /// The bindings that lead to policies that explore.
    pub(super) exploring: Vec<usize>,
}

/// A target with what a record adds to it. Records that add the same share it, and so do targets
/// that mean the same for every client: a thousand services behind the same regions are worked
/// out once.
#[derive(Debug)]
pub(super) struct Binding {
    /// Index into the compiled targets: the first of those that share it.
    pub(super) target: usize,
    pub(super) ttl: u32,
    pub(super) ttl_min: Option<u32>,
    pub(super) on_all_down: OnAllDown,
    pub(super) types: Arc<[Type]>,
    pub(super) has_alias: bool,
    /// The pools that it leads to, each once.
    pub(super) pools: SmallVec<[PoolId; 4]>,
    /// The policies under it that explore.
    pub(super) exploring: Vec<PolicyId>,
    /// The targets of its records, each once.
    pub(super) targets: Few<Target>,
    pub(super) records: Vec<RecordId>,
}

impl Steering {
    /// Compiles a model for a world.
    pub fn new(model: Model, world: World<'_>) -> Steering {
        let compiled = Arc::new(Compiled::new(&model, world));
        Steering::bound(model, compiled)
    }

    /// The same with other members in the pools: as many pools, at the same places. What clients
    /// prefer is not worked out anew, since members say nothing of it.
    #[must_use]
    pub fn with_pools(&self, pools: Vec<Pool>) -> Steering {
        let model = Model { pools, ..self.model.clone() };
        Steering::bound(model, self.compiled.clone())
    }

    fn bound(model: Model, compiled: Arc<Compiled>) -> Steering {
        let mut bindings: Vec<Binding> = Vec::new();
        let mut numbers = HashMap::<_, usize, RandomState>::default();
        let mut alike = HashMap::<_, usize, RandomState>::default();
        let mut targets = HashMap::<_, u32, RandomState>::default();
        let mut slots = Vec::with_capacity(model.records.len());
        for (index, record) in model.records.iter().enumerate() {
            let ttls = (record.ttl, record.ttl_min);
            let key = (record.target, ttls, &record.on_all_down);
            let number = *numbers.entry(key).or_insert_with(|| {
                let binding = Binding::new(&model, &compiled, record);
                let target = &compiled.targets[binding.target];
                let table = target.table.as_ref().map(Arc::as_ptr);
                let types = (binding.types.clone(), binding.has_alias);
                let key = (table, &target.classes, types, ttls, &record.on_all_down);
                *alike.entry(key).or_insert_with(|| {
                    bindings.push(binding);
                    bindings.len() - 1
                })
            });
            let seed = spread::seed(record.owner.to_lower().as_wire());
            let binding = &mut bindings[number];
            binding.records.push(RecordId(index as u32));
            let target = *targets.entry((number, record.target)).or_insert_with(|| {
                binding.targets.push(record.target);
                binding.targets.len() as u32 - 1
            });
            slots.push(Slot { answers: number as u32, target, seed });
        }
        let mut bindings_of_pool = vec![Few::new(); model.pools.len()];
        let mut ttl_of_pool = vec![Duration::ZERO; model.pools.len()];
        for (number, binding) in bindings.iter().enumerate() {
            for pool in &binding.pools {
                bindings_of_pool[pool.0 as usize].push(number);
                let ttl = &mut ttl_of_pool[pool.0 as usize];
                *ttl = (*ttl).max(Duration::from_secs(binding.ttl.into()));
            }
        }
        let mut pools_of_check = HashMap::<CheckId, Vec<PoolId>, RandomState>::default();
        for (index, pool) in (0..).zip(&model.pools) {
            for check in pool.members.iter().filter_map(|member| member.check) {
                pools_of_check.entry(check).or_default().push(PoolId(index));
            }
        }
        let numbered = bindings.iter().enumerate();
        let exploring = numbered
            .filter(|(_, binding)| !binding.exploring.is_empty())
            .map(|(number, _)| number)
            .collect();
        Steering {
            slots: slots.into(),
            bindings_of_pool,
            pools_of_check,
            ttl_of_pool,
            exploring,
            bindings,
            compiled,
            model,
        }
    }
}

impl Binding {
    fn new(model: &Model, compiled: &Compiled, record: &Record) -> Binding {
        let (types, has_alias) = model.record_types(record);
        let target = compiled.number(record.target);
        let first = compiled.targets[target].target;
        let mut exploring = model.policies_under(first);
        exploring.retain(|id| model.policy(*id).explore() > Share::NONE);
        Binding {
            target,
            ttl: record.ttl,
            ttl_min: record.ttl_min,
            on_all_down: record.on_all_down.clone(),
            types: types.into(),
            has_alias,
            pools: model.pools_under(first).into(),
            exploring,
            targets: Few::new(),
            records: Vec::new(),
        }
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = Option<Type>> {
        self.types.iter().copied().map(Some).chain(self.has_alias.then_some(None))
    }
}
