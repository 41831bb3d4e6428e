//! Times to live: how long an answer may be kept, now.
//!
//! A record's `ttl`, less while something under it is about to change: a check that needs few
//! more results to change its verdict (`ttl_min`), addresses of a host name whose own time to
//! live runs out, or a pool that is emptied for maintenance.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::Control;
use crate::health::CheckId;
use crate::steering::model::PoolId;
use crate::wire::Name;
use crate::zone::RecordId;

/// Answers with addresses that could not be looked up anew in time are kept so long: asking more
/// often would bring nothing newer.
const STALE: Duration = Duration::from_secs(5);

/// Seconds by which a time to live falls.
const STEP: u32 = 5;

/// What may end before an answer's `ttl` does.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    /// How soon the verdict of a check may change; those of which nothing speaks for a change are
    /// not in it.
    pub(super) changes: HashMap<CheckId, Duration>,
    /// When the times to live of a host name's addresses run out.
    pub(super) fresh_until: HashMap<Name, SystemTime>,
}

/// Why answers are kept for less than the record's `ttl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// This check may change its verdict soon.
    Check(CheckId),
    /// The addresses of this host name are to be looked up anew.
    Host(Name),
    /// This pool is emptied for maintenance soon.
    Maintenance(PoolId),
}

impl Control {
    /// Takes how soon the verdict of a check may change: the interval times the results still
    /// needed. `None` while its last result speaks for the verdict.
    pub fn set_change(&mut self, check: CheckId, within: Option<Duration>) {
        let changes = &mut self.ends.changes;
        let before = match within {
            Some(within) => changes.insert(check, within),
            None => changes.remove(&check),
        };
        if before == within {
            return;
        }
        let steering = self.steering.clone();
        for pool in steering.pools_of_check.get(&check).into_iter().flatten() {
            self.recut(*pool);
        }
    }

    /// Takes when the addresses of a host name (in lower case) are to be looked up anew. Answers
    /// follow at the next [`Control::tick`].
    pub fn set_fresh_until(&mut self, host: &Name, until: SystemTime) {
        self.ends.fresh_until.insert(host.clone(), until);
    }

    /// The time to live of a record's answers now, in seconds, and why it is less than its `ttl`.
    pub fn ttl(&self, record: RecordId) -> (u32, Option<Cut>) {
        self.cut(self.steering.slots[record.0 as usize].answers as usize)
    }

    /// Lets the times to live follow the addresses of host names.
    pub(super) fn age_hosts(&mut self) {
        if self.ends.fresh_until.is_empty() {
            return;
        }
        let steering = self.steering.clone();
        for (pool, _) in (0..).zip(&steering.model.pools).filter(|(_, p)| !p.hosts.is_empty()) {
            self.recut(PoolId(pool));
        }
    }

    /// Whether times to live fall with time alone.
    pub(super) fn is_ageing(&self) -> bool {
        !self.ends.fresh_until.is_empty()
    }

    /// Works out anew the answers that lead to a pool, where their time to live is another now.
    fn recut(&mut self, pool: PoolId) {
        for number in &self.steering.clone().bindings_of_pool[pool.0 as usize] {
            if self.ttls.get(*number) != Some(&self.cut(*number).0) {
                self.touched.insert(*number);
            }
        }
    }

    pub(super) fn cut(&self, number: usize) -> (u32, Option<Cut>) {
        let binding = &self.steering.bindings[number];
        let mut least = (binding.ttl, None);
        let mut end = |seconds: u32, cut: &dyn Fn() -> Cut| {
            if seconds < least.0 {
                least = (seconds, Some(cut()));
            }
        };
        let is_planned = !self.transitions.windows.is_empty();
        if !is_planned && self.ends.changes.is_empty() && self.ends.fresh_until.is_empty() {
            return least;
        }
        let model = &self.steering.model;
        for id in binding.pools.iter().copied() {
            for window in self.transitions.windows_of(id) {
                end(window.ttl(binding.ttl, self.transitions.now), &|| Cut::Maintenance(id));
            }
            let pool = model.pool(id);
            let checks = pool.members.iter().filter_map(|member| member.check);
            for (check, least) in checks.filter_map(|check| Some((check, binding.ttl_min?))) {
                if let Some(within) = self.ends.changes.get(&check) {
                    end(seconds(*within).max(least), &|| Cut::Check(check));
                }
            }
            for host in &pool.hosts {
                if let Some(until) = self.ends.fresh_until.get(&host.name) {
                    let left = until.duration_since(self.transitions.now).unwrap_or_default();
                    // In steps, so that answers are not made anew with every second.
                    end(seconds(left.max(STALE)) / STEP * STEP, &|| Cut::Host(host.name.clone()));
                }
            }
        }
        least
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
