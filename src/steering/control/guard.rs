//! The guard: what files, checks and operators want of a pool is granted as far as the safety
//! rules let it.
//!
//! What is wanted of a pool is the [`Standing`] that it would have without rules; what is granted
//! is the one that answers are resolved from. Without rules there is no guard, and the two are one.

use std::collections::HashMap;
use std::time::SystemTime;

use smallvec::smallvec;

use super::safety::{Falls, Held, Safety};
use super::{Change, Control, Override};
use crate::steering::model::{Pool, PoolId, PoolState};
use crate::steering::share::Share;
use crate::steering::standing::{Resort, Standing};

/// What holds changes back.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    safety: Safety,
    /// Whether another thing is wanted than was looked at last.
    is_due: bool,
    /// By pool.
    wards: Vec<Ward>,
}

/// A pool under guard.
#[derive(Debug, Clone)]
struct Ward {
    wanted: Standing,
    /// Whether it may leave, or has left.
    is_out: bool,
    /// Whether nothing was granted it yet: it counts as in use until it is looked at.
    is_new: bool,
    held: Option<Held>,
    falls: Falls,
    /// The share that was to be granted when it was looked at last.
    aim: Share,
    /// How it was granted when it was up: what clients get who may not leave.
    last_up: Standing,
}

impl Ward {
    fn new(wanted: &Standing) -> Ward {
        let is_up = wanted.is_up(Resort::Healthy);
        let last_up = if is_up { wanted.clone() } else { all_up(wanted) };
        let aim = kept(wanted);
        let (held, falls) = (None, Falls::default());
        let (is_out, is_new) = (!is_up, false);
        Ward { wanted: wanted.clone(), is_out, is_new, held, falls, aim, last_up }
    }

    /// The standing to grant for a share.
    fn granted(&self, share: Share) -> Standing {
        if self.wanted.is_up(Resort::Healthy) {
            return Standing { share, ..self.wanted.clone() };
        }
        if share == Share::NONE {
            return self.wanted.clone();
        }
        let taken_by = match self.wanted.is_up(Resort::Healthy) {
            true => self.wanted.taken_by,
            false => self.wanted.why_not(),
        };
        // Those of its members that are up, or those that were before all went down.
        let any_up = self.wanted.members.iter().any(|is_up| *is_up);
        let members = if any_up { &self.wanted.members } else { &self.last_up.members };
        Standing {
            share,
            taken_by,
            state: self.last_up.state,
            healthy: true,
            members: members.clone(),
            left: self.wanted.left.clone(),
            is_void: self.wanted.is_void,
        }
    }
}

/// The standing of a pool of which nothing is known but its members.
fn all_up(standing: &Standing) -> Standing {
    Standing {
        state: PoolState::Auto,
        share: Share::FULL,
        taken_by: standing.taken_by,
        healthy: true,
        members: smallvec![true; standing.members.len()],
        left: standing.left.clone(),
        is_void: standing.is_void,
    }
}

fn kept(standing: &Standing) -> Share {
    if standing.is_up(Resort::Healthy) { standing.share } else { Share::NONE }
}

impl Control {
    /// Puts safety rules in force from now on, in place of others. What is down when they come is
    /// not brought up; what the operator's word or a maintenance alone keeps out is held like any
    /// other change.
    pub fn set_safety(&mut self, safety: Safety, now: SystemTime) {
        self.restand_stale();
        if !safety.is_any() {
            if let Some(guard) = self.guard.take() {
                for (id, ward) in (0..).map(PoolId).zip(guard.wards) {
                    if ward.held.is_some() {
                        self.changes.push(Change::Held { pool: id, held: None });
                    }
                    self.stand(id, ward.wanted);
                }
            }
            return;
        }
        if let Some(guard) = &mut self.guard {
            guard.is_due |= guard.safety != safety;
            guard.safety = safety;
            return self.guard(now);
        }
        let mut wards: Vec<Ward> = self.standings.iter().map(Ward::new).collect();
        for (id, ward) in (0..).map(PoolId).zip(&mut wards) {
            let is_given =
                matches!(self.steering.model.pool(id).state, PoolState::Auto | PoolState::Up);
            let is_away = match self.transitions.overrides.get(&id) {
                Some(Override::Forced(state)) => {
                    matches!(state, PoolState::Down | PoolState::Drain)
                }
                Some(Override::Draining(_)) => true,
                Some(Override::Restoring(_)) | None => is_given && self.is_planned_out(id),
            };
            // Whether it goes is yet to be seen.
            if is_away && ward.wanted.healthy {
                (ward.is_out, ward.is_new) = (false, true);
                ward.last_up = Standing { state: PoolState::Auto, ..all_up(&ward.wanted) };
                ward.last_up.members.clone_from(&ward.wanted.members);
            }
        }
        self.guard = Some(Guard { safety, is_due: true, wards });
        let later = safety.max_shift;
        if let Some(guard) = &mut self.guard {
            guard.safety.max_shift = None;
        }
        self.guard(now);
        if let Some(guard) = &mut self.guard {
            guard.safety.max_shift = later;
        }
    }

    /// Grants what is wanted, as far as the rules let it; call after changes, and at a steady pace
    /// while [`Control::is_moving`], before [`Control::settle`].
    pub fn guard(&mut self, now: SystemTime) {
        self.restand_stale();
        let Some(mut guard) = self.guard.take() else { return };
        if std::mem::take(&mut guard.is_due) || guard.is_moving() {
            let pools = (0..guard.wards.len() as u32).map(PoolId);
            let (leave, stay): (Vec<PoolId>, Vec<PoolId>) =
                pools.partition(|pool| self.is_leaving(*pool, &guard));
            // First those that come back: others may leave then.
            for pool in stay {
                guard.wards[pool.0 as usize].is_out = false;
                let wanted = self.wanted_share(pool, &guard);
                self.grant(pool, wanted, None, &mut guard, now);
            }
            for pool in leave {
                let held = match guard.wards[pool.0 as usize].is_out {
                    true => None,
                    false => self.too_few_without(pool, &guard),
                };
                let wanted = match &held {
                    Some(_) => self.lingering_share(pool, &guard),
                    None => {
                        guard.wards[pool.0 as usize].is_out = true;
                        self.wanted_share(pool, &guard)
                    }
                };
                self.grant(pool, wanted, held, &mut guard, now);
            }
        }
        self.guard = Some(guard);
    }

    /// Why a pool keeps clients that it would have lost, if it does.
    pub fn held(&self, pool: PoolId) -> Option<&Held> {
        self.guard.as_ref()?.wards[pool.0 as usize].held.as_ref()
    }

    /// What is wanted of a pool.
    pub(super) fn wanted(&self, pool: PoolId) -> &Standing {
        match &self.guard {
            Some(guard) => &guard.wards[pool.0 as usize].wanted,
            None => self.standing(pool),
        }
    }

    /// Whether the guard itself changes something as time goes by.
    pub(super) fn is_guard_moving(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_moving)
    }

    /// Takes over the guard of the generation before: what was granted stays until it is looked
    /// at anew.
    pub(super) fn inherit_guard(&mut self, before: &Control) {
        let Some(old) = &before.guard else { return };
        let old_model = &before.steering.model;
        let by_name: HashMap<&str, usize> =
            old_model.pools.iter().enumerate().map(|(n, pool)| (&*pool.name, n)).collect();
        let mut wards = Vec::with_capacity(self.standings.len());
        for (pool, standing) in self.steering.model.pools.iter().zip(&mut self.standings) {
            let mut ward = Ward::new(standing);
            if let Some(number) = by_name.get(&*pool.name) {
                let was = &old.wards[*number];
                ward.is_out = was.is_out;
                (ward.held, ward.falls, ward.aim) = (was.held.clone(), was.falls.clone(), was.aim);
                if has_same_members(pool, &old_model.pools[*number]) {
                    ward.last_up = was.last_up.clone();
                }
                *standing = ward.granted(before.kept(PoolId(*number as u32)));
            }
            wards.push(ward);
        }
        self.guard = Some(Guard { safety: old.safety, is_due: true, wards });
    }

    /// Whether it is wanted that a pool has no clients, now or in the end.
    fn is_leaving(&self, pool: PoolId, guard: &Guard) -> bool {
        let word = self.transitions.overrides.get(&pool);
        !guard.wards[pool.0 as usize].wanted.is_up(Resort::Healthy)
            || matches!(word, Some(Override::Draining(_)))
            || self.is_planned_out(pool)
    }

    /// The share that is wanted. A ramp lowers none that was held in the answers.
    fn wanted_share(&self, pool: PoolId, guard: &Guard) -> Share {
        let wanted = &guard.wards[pool.0 as usize].wanted;
        match self.share_without_ramp(pool, wanted.state) {
            Some(other) if wanted.is_up(Resort::Healthy) => {
                wanted.share.max(other.min(self.kept(pool)))
            }
            _ => kept(wanted),
        }
    }

    /// The share that a pool keeps which may not leave.
    fn lingering_share(&self, pool: PoolId, guard: &Guard) -> Share {
        match self.kept(pool) {
            // Words kept from before the start are heard before anything is granted.
            Share::NONE => guard.wards[pool.0 as usize].last_up.share,
            kept => kept,
        }
    }

    /// What holds a pool that is to leave: the first record for which too few would be in use.
    fn too_few_without(&self, pool: PoolId, guard: &Guard) -> Option<Held> {
        let least = guard.safety.never_below;
        if least == 0 {
            return None;
        }
        let is_used = |other: &PoolId| {
            let ward = &guard.wards[other.0 as usize];
            let has_clients = ward.is_new || self.kept(*other) > Share::NONE;
            *other != pool && !ward.is_out && has_clients
        };
        self.steering.bindings_of_pool[pool.0 as usize].iter().find_map(|number| {
            let binding = &self.steering.bindings[*number];
            let left = binding.pools.iter().filter(|other| is_used(other)).count();
            let record = &self.steering.model.records[binding.records[0].0 as usize];
            let record = record.owner.to_string();
            (left < least).then_some(Held::NeverBelow { least, left, record })
        })
    }

    /// Grants a share of a pool, or what the rule leaves of it.
    fn grant(
        &mut self,
        pool: PoolId,
        aim: Share,
        held: Option<Held>,
        guard: &mut Guard,
        now: SystemTime,
    ) {
        let shift = guard.safety.max_shift;
        let ward = &mut guard.wards[pool.0 as usize];
        let share = ward.falls.next(self.kept(pool), aim, shift, now);
        let is_slowed = share > aim;
        // A share that is on its way is held back until it has come to rest.
        let was_slowed = matches!(ward.held, Some(Held::MaxShift(_))) && aim != ward.aim;
        let held = match (held, shift) {
            (Some(held), _) => Some(held),
            (None, Some(shift)) if is_slowed || was_slowed => Some(Held::MaxShift(shift)),
            (None, _) => None,
        };
        let is_same = match (&ward.held, &held) {
            (Some(before), Some(now)) => before.is_like(now),
            (before, now) => before.is_none() && now.is_none(),
        };
        if !is_same {
            self.changes.push(Change::Held { pool, held: held.clone() });
        }
        (ward.held, ward.aim, ward.is_new) = (held, aim, false);
        let standing = ward.granted(share);
        if standing.is_up(Resort::Healthy) && share > Share::NONE {
            ward.last_up = standing.clone();
        }
        self.stand(pool, standing);
    }
}

impl Guard {
    /// Takes what is wanted of a pool.
    pub(super) fn want(&mut self, pool: PoolId, wanted: Standing) {
        let ward = &mut self.wards[pool.0 as usize];
        self.is_due |= ward.wanted != wanted;
        ward.wanted = wanted;
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    fn is_moving(&self) -> bool {
        self.wards.iter().any(|ward| matches!(ward.held, Some(Held::MaxShift(_))))
    }
}

/// Whether members of one pool stand for those of the other one, place by place.
fn has_same_members(pool: &Pool, other: &Pool) -> bool {
    let data = |pool: &Pool| pool.members.iter().map(|m| m.data.clone()).collect::<Vec<_>>();
    data(pool) == data(other)
}
