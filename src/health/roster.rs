//! What is checked now: the list that a reload changes, and what is known of each target.
//!
//! Knows which checks there are and their records, not when they run; the task of the
//! [`Checker`](super::Checker) hears of changes by its orders.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};

use super::check::{Check, Identity};
use super::failure::Failure;
use super::monitor::Kind;
use super::probe::{Lookups, NotReady, Probe, Tls};
use super::store::{Known, Record};
use super::table::{Entry, Table};
use super::verdict::{CheckId, Verdict};

/// The longest that [`Roster::first_round`] waits.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// What is checked and what is known of it; a clone is the same one.
///
/// Changes while the checks run, in two steps, because the old generation answers until the new
/// one is in force: [`Roster::begin`] adds what the new one needs, [`Roster::keep`] ends what is
/// needed no more. A number is given once: what a [`Report`](super::Report)
/// says is never about another check.
#[derive(Debug, Clone)]
pub struct Roster {
    pub(super) shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
}

/// The checks could not be started.
#[derive(Debug, thiserror::Error)]
#[error("check of {target} by monitor `{monitor}` cannot be run: {reason}")]
pub struct StartError {
    /// The target.
    pub target: String,
    /// The monitor's name.
    pub monitor: String,
    /// What is wrong.
    pub reason: String,
}

impl Roster {
    /// One without checks, and where its changes are told.
    pub(super) fn new() -> (Roster, mpsc::UnboundedReceiver<Order>) {
        let (orders, ordered) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            changed: Notify::new(),
            waiting: watch::Sender::new(0),
        });
        (Roster { shared, orders }, ordered)
    }

    /// Begins those of `checks` that are not under way yet, all at once; the numbers of all, in
    /// their order. The parts of a composite stand before it. A check goes on as it was when
    /// nothing about it changed. One whose interval, timeout or thresholds changed begins anew from
    /// what is known of it.
    ///
    /// Makes connections ready, which takes a while for thousands: call it where waiting is
    /// allowed.
    ///
    /// # Errors
    /// When a check cannot be made ready. Nothing of the outside causes that.
    pub fn begin(&self, checks: &[Check]) -> Result<Vec<CheckId>, StartError> {
        let known = self.shared.known();
        self.add(checks, &known, false)
    }

    /// Ends all checks but these.
    pub fn keep(&self, wanted: &[CheckId]) {
        let wanted: HashSet<CheckId> = wanted.iter().copied().collect();
        let mut table = self.shared.table();
        let ended: HashSet<CheckId> =
            table.entries.keys().filter(|check| !wanted.contains(check)).copied().collect();
        table.retain(|check| !ended.contains(&check));
        drop(table);
        if !ended.is_empty() {
            self.shared.changed.notify_one();
            // Without the task nothing is checked any more anyway.
            let _ = self.orders.send(Order::End(ended));
        }
    }

    /// What is known of a check now; `None` when it has ended.
    pub fn record(&self, check: CheckId) -> Option<Record> {
        self.shared.table().entries.get(&check).map(|entry| entry.record)
    }

    /// A person's word that a target which is held down may come back: nothing holds it any more,
    /// its score is forgotten, and it is checked at once. It comes up with the next
    /// good check once it is found up. Where somebody else reports, a last report that was good is
    /// that check. With a composite, this is said of all its parts. Whether anything was held;
    /// `None` when the check has ended.
    pub fn resume(&self, check: CheckId) -> Option<bool> {
        let mut table = self.shared.table();
        let held = table.resume(check, SystemTime::now())?;
        let orders: Vec<Order> = held
            .iter()
            .filter_map(|check| match table.entries.get(check)? {
                entry if !entry.is_push() => Some(Order::Hasten(*check)),
                entry if entry.record.state.found == Verdict::Up => {
                    Some(Order::Report(vec![*check], Ok(())))
                }
                _ => None,
            })
            .collect();
        drop(table);
        let was_held = !held.is_empty();
        if was_held {
            self.shared.changed.notify_one();
        }
        for order in orders {
            // Without the task nothing is checked any more anyway.
            let _ = self.orders.send(order);
        }
        Some(was_held)
    }

    /// Takes what somebody else found of a target, for its check by a monitor of kind push: that it
    /// is good, or why it is not. Counts at once, and holds until the next report, for the
    /// monitor's interval at most. Whether there is such a check.
    pub fn report(&self, check: CheckId, found: Result<(), Failure>) -> bool {
        let table = self.shared.table();
        let Some(entry) = table.entries.get(&check).filter(|entry| entry.is_push()) else {
            return false;
        };
        // During a reload there are two, at the old pace and at the new one.
        let identity = entry.check.identity();
        let is_same = |entry: &&Entry| entry.is_push() && entry.check.identity() == identity;
        let same = table.entries.iter().filter(|(_, entry)| is_same(entry));
        let same = same.map(|(check, _)| *check).collect();
        // Without the task nothing is checked any more anyway.
        let _ = self.orders.send(Order::Report(same, found));
        true
    }

    /// Waits until every check has had a result since the start, or since it was begun without
    /// anything being known of it; at most 5 s. How many have had none. The results of the others
    /// are in the records then, and their reports sent.
    pub async fn first_round(&self) -> usize {
        let mut first = self.shared.waiting.subscribe();
        // Late, or the checks have ended: either way the count is what it is.
        let _ = tokio::time::timeout(FIRST_ROUND, first.wait_for(|waiting| *waiting == 0)).await;
        *first.borrow()
    }

    /// Begins checks from what is `known`; the first result of all is waited for, or of those
    /// of which nothing is.
    pub(super) fn add(
        &self,
        checks: &[Check],
        known: &Known,
        all_awaited: bool,
    ) -> Result<Vec<CheckId>, StartError> {
        let running: HashMap<Identity, (CheckId, Check)> = {
            let table = self.shared.table();
            let entries = table.entries.iter();
            entries.map(|(id, e)| (e.check.identity(), (*id, e.check.clone()))).collect()
        };
        // Parts stand before their composites, which begin anew with any of them.
        let mut numbers_of: HashMap<Identity, Option<CheckId>> = HashMap::new();
        let mut same = Vec::with_capacity(checks.len());
        for check in checks {
            let identity = check.identity();
            let number = running
                .get(&identity)
                .and_then(|(id, other)| check.monitor.has_pace_of(&other.monitor).then_some(*id));
            let mut parts = check.parts().iter();
            if let Some(part) = parts.clone().find(|part| !numbers_of.contains_key(part)) {
                return Err(StartError {
                    target: identity.target,
                    monitor: identity.monitor,
                    reason: format!("its part {part} is not checked before it"),
                });
            }
            let number = number.filter(|_| parts.all(|part| numbers_of[part].is_some()));
            numbers_of.insert(identity, number);
            same.push(number);
        }
        let fresh = checks.iter().zip(&same).filter(|(_, same)| same.is_none());
        let fresh = fresh.map(|(check, _)| check).filter(|check| check.parts().is_empty());
        let mut probes = probes(fresh)?.into_iter();
        let now = SystemTime::now();
        let mut begun = Vec::new();
        let mut numbers = Vec::with_capacity(checks.len());
        let mut table = self.shared.table();
        for (check, same) in checks.iter().zip(same) {
            if let Some(same) = same {
                numbers.push(same);
                continue;
            }
            let parts = check.parts().iter().filter_map(|part| numbers_of.get(part).copied()?);
            let parts: Vec<CheckId> = parts.collect();
            // There is one for each check that is not under way and no composite.
            let probe = if parts.is_empty() { probes.next() } else { None };
            let record = known.of(check, now);
            let is_push = matches!(check.monitor.kind, Kind::Push);
            let is_awaited = (all_awaited || record.is_none()) && !is_push;
            // Nobody could report while nobody listened.
            let delay = if is_push { check.monitor.interval } else { Duration::ZERO };
            let record = record.unwrap_or(Record::unknown(now));
            let id = table.add(check.clone(), record, parts);
            numbers_of.insert(check.identity(), Some(id));
            begun.push(Begun { check: id, probe, delay, is_awaited });
            numbers.push(id);
        }
        drop(table);
        if !begun.is_empty() {
            let awaited = begun.iter().filter(|begun| begun.is_awaited).count();
            self.shared.waiting.send_modify(|waiting| *waiting += awaited);
            // Without the task nothing is checked any more anyway.
            let _ = self.orders.send(Order::Begin(begun));
        }
        Ok(numbers)
    }
}

/// What the roster and the task that runs the checks have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// Locked for moments only, never across a wait.
    table: Mutex<Table>,
    /// Told of every changed verdict.
    pub(super) changed: Notify,
    /// Checks of which nothing is known yet.
    pub(super) waiting: watch::Sender<usize>,
}

/// A change of the roster, for the task that runs the checks.
#[derive(Debug)]
pub(super) enum Order {
    Begin(Vec<Begun>),
    End(HashSet<CheckId>),
    /// Is to be made at once.
    Hasten(CheckId),
    /// What somebody else found.
    Report(Vec<CheckId>, Result<(), Failure>),
}

/// A check that begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) check: CheckId,
    /// `None` for a composite, which follows its parts.
    pub(super) probe: Option<Arc<Probe>>,
    /// How soon it is due.
    pub(super) delay: Duration,
    /// Whether its first result is waited for.
    pub(super) is_awaited: bool,
}

impl Shared {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> Known {
        let mut known = Known::default();
        for Entry { check, record, .. } in self.table().entries.values() {
            known.insert(check.identity(), *record);
        }
        known
    }
}

fn probes<'c>(checks: impl Iterator<Item = &'c Check>) -> Result<Vec<Arc<Probe>>, StartError> {
    let lookups = Lookups::new();
    let mut tls = Tls::new();
    let mut ready = Vec::new();
    for check in checks {
        let failed = |e: NotReady| StartError {
            target: check.target.to_string(),
            monitor: check.monitor.name.clone(),
            reason: e.to_string(),
        };
        ready.push(Arc::new(Probe::new(check, &lookups, &mut tls).map_err(failed)?));
    }
    Ok(ready)
}
