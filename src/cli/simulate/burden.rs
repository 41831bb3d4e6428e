//! How much each pool gets to do, against its capacity.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use crate::config::Config;
use crate::health::Store;
use crate::server::Generation;
use crate::steering::census::Outlet;
use crate::steering::model::{Pool, PoolId};

/// What a pool gets to do.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Burden {
    /// In the unit of `capacity`.
    pub(super) expected: f64,
    pub(super) capacity: u64,
    /// Of the capacity; 1.0 is full.
    pub(super) load: f64,
}

impl Burden {
    /// What a share of `total` is to a pool; `None` for one whose capacity is not limited.
    pub(super) fn of(pool: &Pool, share: f64, total: f64) -> Option<Burden> {
        let capacity = pool.capacity;
        let expected = share * total;
        (capacity > 0).then(|| Burden { expected, capacity, load: expected / capacity as f64 })
    }

    /// Whether it is more than the pool can do.
    pub(super) fn is_over(&self) -> bool {
        self.load > 1.0
    }
}

/// Pools that get more than they can do, the worst first, with their loads.
pub(super) fn overloaded(
    generation: &Generation,
    totals: &BTreeMap<Outlet, f64>,
    clients: f64,
    total: Option<f64>,
) -> Vec<(String, f64)> {
    let burden = |(outlet, weight): (&Outlet, &f64)| {
        let Outlet::Pool(id) = outlet else { return None };
        let pool = generation.steering.model.pool(*id);
        let burden = Burden::of(pool, weight / clients, total?)?;
        burden.is_over().then(|| (pool.name.clone(), burden.load))
    };
    let mut over: Vec<_> = totals.iter().filter_map(burden).collect();
    over.sort_by(|a, b| b.1.total_cmp(&a.1));
    over
}

/// What these pools do together now, as their members said last: `None` unless each has a capacity
/// and a member that says how busy it is.
pub(super) fn present(config: &Config, generation: &Generation, pools: &[PoolId]) -> Option<f64> {
    let (known, now) = (Store::new(&config.server.state).load(), SystemTime::now());
    let model = &generation.steering.model;
    let work = |id: &PoolId| {
        let pool = model.pool(*id);
        let loads = pool.members.iter().filter_map(|member| {
            let check = &generation.checks[member.check?.0 as usize];
            known.of(check, now)?.load
        });
        let loads: Vec<f64> = loads.map(f64::from).collect();
        let mean = loads.iter().sum::<f64>() / loads.len() as f64;
        (pool.capacity > 0 && !loads.is_empty()).then_some(mean * pool.capacity as f64)
    };
    pools.iter().map(work).sum()
}
