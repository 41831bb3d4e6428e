//! Transitions: the operator's word and the shares that move with time.
//!
//! Pure: the time comes in with [`Control::tick`], [`Control::drain`] and [`Control::restore`].

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use foldhash::fast::RandomState;

use super::cores::on_all_cores;
use super::load::Loads;
use super::maintenance::{Phase, Window};
use super::{Cause, Change, Control};
use crate::steering::model::{PoolId, PoolState};
use crate::steering::share::Share;
use crate::steering::standing::{Resort, Standing};
use crate::steering::way::Reason;

/// The operator's word for a pool, over what its file says. Plain data: [`Control::overrides`]
/// gives what is in force, [`Control::take_up`] puts it in force again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// In this state at once.
    Forced(PoolState),
    /// Its share falls to nothing, then it is drained.
    Draining(Slope),
    /// Its share rises to all clients, then what the file says is in force again.
    Restoring(Slope),
}

/// A share that moves evenly with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slope {
    /// The share it began with.
    pub from: Share,
    /// When it began.
    pub since: SystemTime,
    /// How long it takes.
    pub over: Duration,
}

impl Slope {
    /// The share on the way to `to`.
    pub fn at(&self, to: Share, now: SystemTime) -> Share {
        if self.is_over(now) {
            return to;
        }
        let gone = now.duration_since(self.since).unwrap_or_default();
        let part = gone.as_secs_f64() / self.over.as_secs_f64();
        Share::of_ratio(self.from.ratio() + (to.ratio() - self.from.ratio()) * part)
    }

    /// Whether it has reached its end.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.since + self.over <= now
    }
}

/// A drain that would leave a record's clients nowhere to go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "pool `{pool}` is the last that is up for {record}: its clients could go nowhere else; \
     bring another one up, or say that it is to be done all the same (`--force`)"
)]
pub struct LastTarget {
    /// The pool.
    pub pool: String,
    /// The owner name of a record that leads to no other pool that is up.
    pub record: String,
}

/// What moves shares in one generation.
#[derive(Debug, Clone)]
pub(super) struct Transitions {
    /// The time of the last tick.
    pub(super) now: SystemTime,
    pub(super) overrides: HashMap<PoolId, Override>,
    /// Pools that came back up, since when; `None`: since the next tick.
    pub(super) ramps: HashMap<PoolId, Option<SystemTime>, RandomState>,
    pub(super) loads: Loads,
    /// Planned maintenance, by pool; empty where there is none at all.
    pub(super) windows: Vec<Vec<Window>>,
}

/// The share with which a ramp begins.
const RAMP_START: f64 = 0.1;

impl Transitions {
    pub(super) fn new() -> Transitions {
        Transitions {
            now: SystemTime::UNIX_EPOCH,
            overrides: HashMap::new(),
            ramps: HashMap::default(),
            loads: Loads::default(),
            windows: Vec::new(),
        }
    }

    pub(super) fn windows_of(&self, pool: PoolId) -> &[Window] {
        self.windows.get(pool.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether maintenance has emptied a pool.
    fn is_away(&self, pool: PoolId) -> bool {
        self.windows_of(pool).iter().any(|window| window.phase(self.now) == Phase::Away)
    }

    /// The state in force for a pool whose file says `written`.
    fn state(&self, pool: PoolId, written: PoolState) -> PoolState {
        match self.overrides.get(&pool) {
            Some(Override::Forced(state)) => *state,
            Some(Override::Draining(slope)) if slope.is_over(self.now) => PoolState::Drain,
            _ if written != PoolState::Down && self.is_away(pool) => PoolState::Drain,
            _ => written,
        }
    }

    /// The share of a pool in `state` that ramps up in `ramp`, the least that anything leaves it,
    /// and what that is.
    fn share(&self, pool: PoolId, state: PoolState, ramp: Duration) -> (Share, Reason) {
        let planned = self.windows_of(pool).iter().map(|window| window.share(self.now)).min();
        let planned = planned.unwrap_or(Share::FULL);
        let word = match self.overrides.get(&pool) {
            Some(Override::Draining(slope)) => slope.at(Share::NONE, self.now).min(planned),
            Some(Override::Restoring(slope)) => slope.at(Share::FULL, self.now).min(planned),
            Some(Override::Forced(_)) => Share::FULL,
            None => planned,
        };
        match state {
            PoolState::Down | PoolState::Drain => (Share::FULL, Reason::Drain),
            PoolState::Up => (word, Reason::Drain),
            PoolState::Auto => {
                let ramp = self.ramps.get(&pool).map_or(Share::FULL, |since| {
                    let since = since.unwrap_or(self.now);
                    ramp_slope(since, ramp).at(Share::FULL, self.now)
                });
                let shares = [
                    (word, Reason::Drain),
                    (ramp, Reason::Ramp),
                    (self.loads.share(pool), Reason::Overflow),
                ];
                // The first of equals.
                shares.into_iter().min_by_key(|(share, _)| *share).unwrap_or(shares[0])
            }
        }
    }
}

fn ramp_slope(since: SystemTime, over: Duration) -> Slope {
    Slope { from: Share::of_ratio(RAMP_START), since, over }
}

impl Control {
    /// Lets a pool's share fall to nothing over a time, and keeps it drained then.
    ///
    /// # Errors
    ///
    /// When no other pool that is up, and not being drained, is left to one of the records that
    /// lead to it; [`Control::drain_anyway`] does not ask.
    pub fn drain(
        &mut self,
        pool: PoolId,
        over: Duration,
        now: SystemTime,
    ) -> Result<(), LastTarget> {
        self.restand_stale();
        match self.last_target(pool) {
            Some(last) => Err(last),
            None => {
                self.drain_anyway(pool, over, now);
                Ok(())
            }
        }
    }

    /// As [`Control::drain`], even the last pool that is up. Its clients stay with it as long as
    /// nothing else is up: a drained pool is better than none.
    pub fn drain_anyway(&mut self, pool: PoolId, over: Duration, now: SystemTime) {
        self.restand_stale();
        self.transitions.now = now;
        let from = self.kept(pool);
        self.take_up(pool, Override::Draining(Slope { from, since: now, over }));
        self.tell_begin(pool, Cause::Drain, over);
    }

    /// Takes the operator's word back: over a time, the share rises from what it is to all
    /// clients, as far as the file and the checks let it.
    pub fn restore(&mut self, pool: PoolId, over: Duration, now: SystemTime) {
        self.restand_stale();
        self.transitions.now = now;
        let from = self.kept(pool);
        self.take_up(pool, Override::Restoring(Slope { from, since: now, over }));
        self.tell_begin(pool, Cause::Restore, over);
    }

    /// Puts a pool into a state over what its file says, or takes the operator's word back, at
    /// once.
    pub fn force(&mut self, pool: PoolId, state: Option<PoolState>) {
        match state {
            Some(state) => self.transitions.overrides.insert(pool, Override::Forced(state)),
            None => self.transitions.overrides.remove(&pool),
        };
        self.restand(pool);
    }

    /// Puts an override in force as it is, whatever it leaves without a target.
    pub fn take_up(&mut self, pool: PoolId, word: Override) {
        self.transitions.overrides.insert(pool, word);
        self.restand(pool);
    }

    /// The operator's words in force.
    pub fn overrides(&self) -> impl Iterator<Item = (PoolId, Override)> {
        self.transitions.overrides.iter().map(|(pool, word)| (*pool, *word))
    }

    /// Moves shares to where they are at `now`; call at a steady pace while
    /// [`Control::is_moving`], then [`Control::settle`].
    pub fn tick(&mut self, now: SystemTime) {
        self.restand_stale();
        let planned = self.in_maintenance(self.transitions.now, now);
        self.transitions.now = now;
        let transitions = &mut self.transitions;
        for since in transitions.ramps.values_mut() {
            since.get_or_insert(now);
        }
        let model = &self.steering.model;
        let overrides = transitions.overrides.iter();
        let restored: Vec<PoolId> = overrides
            .filter(|(_, word)| matches!(word, Override::Restoring(slope) if slope.is_over(now)))
            .map(|(pool, _)| *pool)
            .collect();
        let ramped: Vec<PoolId> = transitions
            .ramps
            .iter()
            .filter(|(pool, since)| {
                since.is_some_and(|since| ramp_slope(since, model.pool(**pool).ramp).is_over(now))
            })
            .map(|(pool, _)| *pool)
            .collect();
        for pool in &restored {
            transitions.overrides.remove(pool);
        }
        for pool in &ramped {
            transitions.ramps.remove(pool);
        }
        let ended = |cause, pools: &[PoolId]| -> Vec<Change> {
            let share = Share::FULL;
            pools.iter().map(|pool| Change::Share { pool: *pool, cause, share }).collect()
        };
        self.changes.extend(ended(Cause::Restore, &restored));
        self.changes.extend(ended(Cause::Ramp, &ramped));
        self.weigh_loads();
        self.age_hosts();
        let transitions = &self.transitions;
        let mut moved: Vec<PoolId> = transitions.overrides.keys().copied().collect();
        moved.extend(transitions.ramps.keys().copied());
        moved.extend(transitions.loads.shedding());
        moved.extend(planned);
        moved.extend(restored.into_iter().chain(ramped));
        moved.sort_unstable();
        moved.dedup();
        for pool in moved {
            self.restand(pool);
        }
        self.shorten();
        self.explore(now);
    }

    /// Whether time alone can move a share.
    pub fn is_moving(&self) -> bool {
        let Transitions { now, overrides, ramps, loads, windows } = &self.transitions;
        let moves = |word: &Override| match word {
            Override::Forced(_) => false,
            Override::Draining(slope) => !slope.is_over(*now),
            Override::Restoring(_) => true,
        };
        let is_planned = windows.iter().flatten().any(|window| window.phase(*now) != Phase::Over);
        let is_moving = is_planned || overrides.values().any(moves) || !ramps.is_empty();
        let explores = !self.steering.exploring.is_empty();
        let is_moving = is_moving || explores || loads.are_reported();
        is_moving || self.is_guard_moving() || self.is_ageing()
    }

    /// The record that has no other pool to go to, if `pool` is up and there is one.
    pub fn last_target(&self, pool: PoolId) -> Option<LastTarget> {
        if !self.standing(pool).is_up(Resort::Healthy) {
            return None;
        }
        let steering = &self.steering;
        let stays = |other: &PoolId| {
            let word = self.transitions.overrides.get(other);
            let is_draining = matches!(word, Some(Override::Draining(_)));
            *other != pool && !is_draining && self.standing(*other).is_up(Resort::Healthy)
        };
        let binding = steering.bindings_of_pool[pool.0 as usize]
            .iter()
            .map(|number| &steering.bindings[*number])
            .find(|binding| !binding.pools.iter().any(stays))?;
        let record = &steering.model.records[binding.records[0].0 as usize];
        let pool = steering.model.pool(pool).name.clone();
        Some(LastTarget { pool, record: record.owner.to_string() })
    }

    pub(super) fn standing_of(&self, id: PoolId) -> Standing {
        let pool = self.steering.model.pool(id);
        let state = self.transitions.state(id, pool.state);
        let (share, taken_by) = self.transitions.share(id, state, pool.ramp);
        let left = |check| self.left.get(&check).copied().unwrap_or(100);
        let standing = Standing::of(pool, state, |check| self.verdict(check));
        let standing = if self.left.is_empty() { standing } else { standing.warned(pool, left) };
        Standing { share, taken_by, ..standing }
    }

    /// What else leaves a pool in `state` a share while it ramps up; `None` when it does not.
    pub(super) fn share_without_ramp(&self, pool: PoolId, state: PoolState) -> Option<Share> {
        self.transitions.ramps.get(&pool)?;
        Some(self.transitions.share(pool, state, Duration::ZERO).0)
    }

    /// Works out the standings of all pools, as at the start of a generation.
    pub(super) fn restand_all(&mut self) {
        let pools = (0..self.steering.model.pools.len() as u32).map(PoolId);
        self.standings = pools.map(|pool| self.standing_of(pool)).collect();
    }

    /// Works out the standings of pools whose checks had news.
    pub(super) fn restand_stale(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let pools = self.stale.take();
        let standings = on_all_cores(&pools, |pools| {
            pools.iter().map(|pool| self.standing_of(PoolId(*pool as u32))).collect()
        });
        for (pool, standing) in pools.into_iter().zip(standings) {
            self.restand_as(PoolId(pool as u32), standing);
        }
    }

    /// Works out the standing of a pool anew.
    pub(super) fn restand(&mut self, id: PoolId) {
        self.restand_as(id, self.standing_of(id));
    }

    /// Lets a pool stand as it was worked out; what comes back up by its checks begins its ramp.
    /// Where there are safety rules, [`Control::guard`] puts it in force.
    fn restand_as(&mut self, id: PoolId, mut standing: Standing) {
        let was_healthy = self.wanted(id).healthy;
        let ramp = self.steering.model.pool(id).ramp;
        if !standing.healthy {
            self.transitions.ramps.remove(&id);
        } else if !was_healthy && !ramp.is_zero() && standing.state == PoolState::Auto {
            self.transitions.ramps.insert(id, None);
            standing = self.standing_of(id);
            let share = standing.share;
            self.changes.push(Change::Share { pool: id, cause: Cause::Ramp, share });
        }
        match &mut self.guard {
            Some(guard) => guard.want(id, standing),
            None => self.stand(id, standing),
        }
    }

    /// Lets a pool stand so from now on.
    pub(super) fn stand(&mut self, id: PoolId, standing: Standing) {
        let old = std::mem::replace(&mut self.standings[id.0 as usize], standing);
        let new = &self.standings[id.0 as usize];
        if old == *new {
            return;
        }
        let is_up = new.is_up(Resort::Healthy);
        match (old.state, new.state) {
            (PoolState::Drain, PoolState::Drain) => {}
            // Whoever planned it says so.
            (_, PoolState::Drain) if self.transitions.is_away(id) => {}
            (_, PoolState::Drain) => {
                let share = Share::NONE;
                self.changes.push(Change::Share { pool: id, cause: Cause::Drain, share });
            }
            // Who restores it says so.
            (PoolState::Drain, _) if is_up => {}
            _ if old.is_up(Resort::Healthy) != is_up => {
                self.changes.push(Change::Pool { pool: id, is_up });
            }
            _ => {}
        }
        self.touched.extend(&self.steering.bindings_of_pool[id.0 as usize]);
    }

    /// The share of its clients that a pool has now.
    pub fn kept(&self, pool: PoolId) -> Share {
        let standing = self.standing(pool);
        if standing.is_up(Resort::Healthy) { standing.share } else { Share::NONE }
    }

    fn tell_begin(&mut self, pool: PoolId, cause: Cause, over: Duration) {
        if !over.is_zero() {
            let share = self.standing(pool).share;
            self.changes.push(Change::Share { pool, cause, share });
        }
    }
}
