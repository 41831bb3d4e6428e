//! What operators order through the control API, and how long it holds.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::admin::message::{Changed, Forced, Resumed, ResumedTarget, millis, time};
use crate::admin::{Change, Order, Override, OverrideState, Refusal, line};
use crate::config::suggest;
use crate::health::CheckId;
use crate::server::event::Event;
use crate::steering::control::{self, Slope};
use crate::steering::model::{Member, Pool, PoolId, PoolState};
use crate::steering::share::Share;

use super::Desk;

/// Who ends what was to end by itself.
const EXPIRY: &str = "its expiry";

impl Desk {
    /// Takes back what is over. A pool whose share fell little by little gets its clients back
    /// likewise.
    pub(super) fn expire(&mut self) {
        let now = SystemTime::now();
        let over = self.overrides.expire(now);
        if over.is_empty() {
            return;
        }
        // Shares that have arrived are there before they are no longer spoken of.
        self.control.tick(now);
        for word in over {
            let pool = self.pool_named(&word.pool);
            match (word.state, word.until) {
                // Nothing is left to be taken back.
                (OverrideState::Restore, _) => continue,
                (OverrideState::Drain, Some(until)) if word.over_seconds > 0 => {
                    let from = slope(&word).at(Share::NONE, time(until)).ratio();
                    let (state, who) = (OverrideState::Restore, EXPIRY.to_owned());
                    let back =
                        Override { state, who, since: until, until: None, from, ..word.clone() };
                    if let Some(pool) = pool {
                        self.control.take_up(pool, in_force(&back));
                    }
                    self.overrides.insert(back);
                }
                _ => {
                    if let Some(pool) = pool {
                        self.control.force(pool, None);
                    }
                }
            }
            self.journal.tell(Event::Override {
                over: word.over(),
                pool: word.pool,
                state: OverrideState::Restore,
                who: EXPIRY.to_owned(),
                reason: word.reason,
            });
        }
        self.control.tick(now);
    }

    /// Puts the operator's word in force for every pool that there is: shares that move are where
    /// their time says.
    pub(super) fn enforce(&mut self) {
        for known in self.overrides.list() {
            if let Some(pool) = self.pool_named(&known.pool) {
                self.control.take_up(pool, in_force(known));
            }
        }
        self.control.tick(SystemTime::now());
    }

    /// Does what is ordered about a pool.
    pub(super) fn change(&mut self, change: Change) -> Result<Changed, Refusal> {
        let Change { pool: name, order, who, reason } = change;
        let pool = self.pool_wanted(&name)?;
        let now = SystemTime::now();
        let from = self.control.kept(pool).ratio();
        let (state, over, until) = match order {
            Order::Drain { over, until, anyway } => {
                self.drain(pool, over, anyway, now)?;
                (OverrideState::Drain, over, until)
            }
            Order::Force { state: Forced::Drain, until, anyway } => {
                self.drain(pool, Duration::ZERO, anyway, now)?;
                (OverrideState::Drain, Duration::ZERO, until)
            }
            Order::Force { state: Forced::Down, until, anyway } => {
                match self.control.last_target(pool) {
                    Some(last) if !anyway => return Err(Refusal::Refused(last.to_string())),
                    _ => self.control.force(pool, Some(PoolState::Down)),
                }
                (OverrideState::Down, Duration::ZERO, until)
            }
            Order::Force { state: Forced::Up, until, .. } => {
                self.control.force(pool, Some(PoolState::Up));
                (OverrideState::Up, Duration::ZERO, until)
            }
            Order::Restore { over } => (OverrideState::Restore, over, None),
        };
        let is_news = match state {
            OverrideState::Restore if over.is_zero() => {
                self.control.force(pool, None);
                self.overrides.remove(&name).is_some()
            }
            OverrideState::Restore if self.overrides.of(&name).is_none() => false,
            _ => {
                if state == OverrideState::Restore {
                    self.control.restore(pool, over, now);
                }
                self.overrides.insert(Override {
                    pool: name.clone(),
                    state,
                    who: who.clone(),
                    reason: reason.clone(),
                    since: millis(now),
                    until: until.map(millis),
                    over_seconds: over.as_secs(),
                    from,
                });
                true
            }
        };
        if is_news {
            self.journal.tell(Event::Override { pool: name.clone(), state, over, who, reason });
        }
        self.control.guard(now);
        let held = self.control.held(pool).map(ToString::to_string);
        let warnings = held.into_iter().chain(self.overrides.problem().map(str::to_owned));
        let warnings: Vec<String> = warnings.collect();
        Ok(Changed {
            overridden: self.overrides.of(&name).cloned(),
            state: self.state_of(pool).to_owned(),
            share: self.control.kept(pool).ratio(),
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            pool: name,
        })
    }

    /// Lets what is held down come back.
    pub(super) fn resume(&mut self, order: line::Resume) -> Result<Resumed, Refusal> {
        let line::Resume { name, who, reason } = order;
        let checks = self.checks_named(&name)?;
        let mut targets = Vec::new();
        for (begun, check) in self.begun(&checks) {
            let was_held = self.roster.resume(begun).unwrap_or(false);
            let (target, monitor) = self.named(check);
            if was_held {
                // What holds it from now on is news again.
                self.holds.remove(&begun);
                let (target, monitor) = (target.clone(), monitor.clone());
                let (who, reason) = (who.clone(), reason.clone());
                self.journal.tell(Event::Resume { target, monitor, who, reason });
            }
            targets.push(ResumedTarget { target, monitor, was_held });
        }
        Ok(Resumed { targets })
    }

    fn drain(
        &mut self,
        pool: PoolId,
        over: Duration,
        anyway: bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        if anyway {
            self.control.drain_anyway(pool, over, now);
            return Ok(());
        }
        self.control.drain(pool, over, now).map_err(|last| Refusal::Refused(last.to_string()))
    }

    /// These checks, by the roster's numbers and the generation's, in the order of the latter.
    pub(super) fn begun(&self, checks: &BTreeSet<CheckId>) -> Vec<(CheckId, CheckId)> {
        let numbers = self.numbers.iter().map(|(begun, check)| (*begun, *check));
        let mut begun: Vec<_> = numbers.filter(|(_, check)| checks.contains(check)).collect();
        begun.sort_unstable_by_key(|(_, check)| *check);
        begun
    }

    pub(super) fn pool_named(&self, name: &str) -> Option<PoolId> {
        let pools = &self.control.steering().model.pools;
        (0..).map(PoolId).zip(pools).find(|(_, pool)| pool.name == name).map(|(id, _)| id)
    }

    pub(super) fn pool_wanted(&self, name: &str) -> Result<PoolId, Refusal> {
        let pools = self.control.steering().model.pools.iter().map(|pool| &*pool.name);
        self.pool_named(name).ok_or_else(|| unknown("pool", name, pools))
    }

    /// The checks of a pool, a member, or a target.
    fn checks_named(&self, name: &str) -> Result<BTreeSet<CheckId>, Refusal> {
        let pools = &self.control.steering().model.pools;
        let members =
            || pools.iter().flat_map(|pool| pool.members.iter().map(move |member| (pool, member)));
        let is_meant = |(pool, member): &(&Pool, &Member)| {
            let is_target = || {
                let check = member.check.map(|check| &self.checks[check.0 as usize]);
                check.is_some_and(|check| check.target.to_string() == name)
            };
            let path = || name.strip_prefix(&*pool.name)?.strip_prefix('/');
            pool.name == name || member.name == name || path() == Some(&*member.name) || is_target()
        };
        let meant: Vec<_> = members().filter(is_meant).collect();
        if meant.is_empty() {
            let pools = pools.iter().map(|pool| &*pool.name);
            let names = pools.chain(members().map(|(_, member)| &*member.name));
            return Err(unknown("pool or member", name, names));
        }
        let checks: BTreeSet<CheckId> = meant.iter().filter_map(|(_, m)| m.check).collect();
        if checks.is_empty() {
            let text = format!("nothing checks `{name}`, so nothing holds it down");
            return Err(Refusal::Refused(text));
        }
        Ok(checks)
    }
}

pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Refusal {
    Refusal::Unknown(match suggest::nearest(name, known) {
        Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`"),
    })
}

/// A word as steering has it.
pub(in crate::server) fn in_force(word: &Override) -> control::Override {
    match word.state {
        OverrideState::Up => control::Override::Forced(PoolState::Up),
        OverrideState::Down => control::Override::Forced(PoolState::Down),
        OverrideState::Drain => control::Override::Draining(slope(word)),
        OverrideState::Restore => control::Override::Restoring(slope(word)),
    }
}

/// The way of a share, down or up.
fn slope(word: &Override) -> Slope {
    Slope { from: Share::of_ratio(word.from), since: time(word.since), over: word.over() }
}
