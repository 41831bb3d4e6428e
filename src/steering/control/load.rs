//! Load: regions that say they are full keep fewer clients, until they have room again.
//!
//! A controller with a dead band. Over 90 % a pool's share is cut so that 85 % would be left, by
//! a tenth at most, and only while another pool of its records has room; under 80 % it rises, by
//! a tenth at most and half as far as would make 85 %. In between, and while nobody has room,
//! nothing moves. It waits for the clients to follow before it looks again.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::{Cause, Change, Control};
use crate::health::CheckId;
use crate::steering::model::PoolId;
use crate::steering::share::Share;
use crate::steering::standing::Resort;

/// Over this a region sheds clients.
const FULL: f64 = 0.90;
/// What a change of its share aims at; a region over it takes on nobody else's clients.
const AIM: f64 = 0.85;
/// Under this it takes clients back.
const CALM: f64 = 0.80;
/// The part of its share by which it changes at most, each time.
const STEP: f64 = 0.10;
/// A region keeps so much, so that its load goes on being about its clients.
const LEAST: f64 = 0.10;
/// A look waits for the clients to ask again, and for this besides: the next checks.
const CHECKS: Duration = Duration::from_secs(10);

/// What regions report, and what became of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Loads {
    pub(super) of_check: HashMap<CheckId, f64>,
    /// Shares below all, before they are rounded to steps.
    pub(super) shares: HashMap<PoolId, f64>,
    /// When each pool is looked at next.
    due: HashMap<PoolId, SystemTime>,
}

impl Loads {
    pub(super) fn share(&self, pool: PoolId) -> Share {
        self.shares.get(&pool).map_or(Share::FULL, |share| Share::of_ratio(*share))
    }

    pub(super) fn shedding(&self) -> impl Iterator<Item = PoolId> {
        self.due.keys().copied()
    }

    pub(super) fn are_reported(&self) -> bool {
        !self.of_check.is_empty()
    }
}

/// The next share of a region with this share and load.
fn next(share: f64, load: f64, others_have_room: bool) -> f64 {
    if load > FULL && others_have_room {
        (share * (AIM / load).max(1.0 - STEP)).max(LEAST)
    } else if load < CALM {
        let growth = (AIM / load.max(f64::MIN_POSITIVE) - 1.0) / 2.0;
        (share * (1.0 + growth.min(STEP))).min(1.0)
    } else {
        share
    }
}

impl Control {
    /// Takes how busy a check's target says it is: 0.0 idle, 1.0 full; more is possible, what is
    /// not a number counts as not reported.
    ///
    /// It matters to pools with a `capacity`, and to policies of kind `load`.
    pub fn set_load(&mut self, check: CheckId, load: f32) {
        let loads = &mut self.transitions.loads.of_check;
        if load.is_finite() {
            loads.insert(check, f64::from(load).max(0.0));
        } else {
            loads.remove(&check);
        }
    }

    /// The mean load of a pool's members that are up, as far as they report it.
    pub fn load(&self, pool: PoolId) -> Option<f64> {
        self.view().load(pool)
    }

    /// Lets the shares of regions follow their loads.
    pub(super) fn weigh_loads(&mut self) {
        if !self.transitions.loads.are_reported() {
            return;
        }
        let now = self.transitions.now;
        let steering = self.steering.clone();
        let mut next_shares = Vec::new();
        for (index, pool) in (0..).zip(&steering.model.pools) {
            let id = PoolId(index);
            let is_due = self.transitions.loads.due.get(&id).is_none_or(|due| *due <= now);
            let Some(load) = self.load(id).filter(|_| pool.capacity > 0 && is_due) else {
                continue;
            };
            let share = self.transitions.loads.shares.get(&id).copied().unwrap_or(1.0);
            next_shares.push((id, share, next(share, load, self.others_have_room(id))));
        }
        let loads = &mut self.transitions.loads;
        for (pool, share, next) in next_shares {
            let pace = steering.ttl_of_pool[pool.0 as usize] + CHECKS;
            loads.due.insert(pool, now + pace);
            let (before, after) = (Share::of_ratio(share), Share::of_ratio(next));
            if next < 1.0 {
                loads.shares.insert(pool, next);
            } else {
                loads.shares.remove(&pool);
            }
            if before != after {
                self.changes.push(Change::Share { pool, cause: Cause::Load, share: after });
            }
        }
    }

    /// Whether another pool of the records that lead to this one is up and could take clients: it
    /// keeps all of its own. Were all shares below all, those above every share would go back to
    /// their first choices.
    fn others_have_room(&self, pool: PoolId) -> bool {
        let has_room = |other: &PoolId| {
            *other != pool
                && self.standing(*other).is_up(Resort::Healthy)
                && self.standing(*other).share.is_full()
                && self.load(*other).is_none_or(|load| load < AIM)
        };
        self.steering.bindings_of_pool[pool.0 as usize]
            .iter()
            .any(|number| self.steering.bindings[*number].pools.iter().any(has_room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_region_keeps_at_most_a_tenth_less_each_time_and_only_if_others_have_room() {
        assert_eq!(next(1.0, 1.5, true), 0.9);
        assert_eq!(next(1.0, 1.5, false), 1.0);
        assert!((next(0.9, 0.92, true) - 0.9 * 0.85 / 0.92).abs() < 1e-9);
        assert_eq!(next(0.101, 2.0, true), LEAST);
    }

    #[test]
    fn between_80_and_90_percent_nothing_moves_and_below_it_rises_slowly() {
        for load in [0.80, 0.85, 0.90] {
            assert_eq!(next(0.5, load, true), 0.5);
        }
        assert!((next(0.5, 0.1, true) - 0.55).abs() < 1e-9);
        assert!(next(0.5, 0.79, true) < 0.52);
        assert_eq!(next(0.99, 0.0, true), 1.0);
    }
}
