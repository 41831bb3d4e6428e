//! Runs the checks: who is asked when, what came of it, and who is told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::check::{Check, Identity};
use super::failure::{Failure, Timing};
use super::jitter::Jitter;
use super::probe::{Lookups, NotReady, Probe, Tls};
use super::schedule::Schedule;
use super::state::State;
use super::store::{Known, Record, Store};
use super::table::{Entry, Table};
use super::verdict::{CheckId, Verdict};

/// The longest that [`Checker::first_round`] waits.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Changes that come this close together are written to the state file at once.
const SAVE_DELAY: Duration = Duration::from_secs(1);

/// Without changes the state file is written this often, so that it is young after a crash.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Checks in flight at the same time, at least.
const IN_FLIGHT: usize = 256;

/// The weight of the newest check in the moving average of the server's latency.
const NEWEST: f32 = 0.2;

/// What came of one check.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which check.
    pub check: CheckId,
    /// The verdict now in force.
    pub verdict: Verdict,
    /// Whether this check changed it.
    pub changed: bool,
    /// Since when it is in force.
    pub since: SystemTime,
    /// When the check ended.
    pub at: SystemTime,
    /// How long the check took, or why it failed.
    pub outcome: Result<Timing, Failure>,
    /// The server's part of the latency in milliseconds: the moving average over successful
    /// checks of [`Timing::server`], the newest with a weight of 0.2. `None` before the first,
    /// and for checks without a response.
    pub server_ms: Option<f32>,
}

/// How a checker works.
#[derive(Debug)]
pub struct Options {
    /// Checks in flight at the same time at most; 0 works it out: 256, or a quarter more than
    /// there are when no target answers.
    pub in_flight: usize,
    /// Begins the random delays.
    pub seed: u64,
    /// Where what is known is kept; `None` keeps it nowhere.
    pub store: Option<Arc<Store>>,
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

/// Checks under way. They end when it is dropped.
#[derive(Debug)]
pub struct Checker {
    roster: Roster,
    store: Option<Arc<Store>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What is checked and what is known of it; a clone is the same one.
///
/// Changes while the checks run, in two steps, because the old generation answers until the new
/// one is in force: [`Roster::begin`] adds what the new one needs, [`Roster::keep`] ends what is
/// needed no more. A number is given once: what a [`Report`] says is never about another check.
#[derive(Debug, Clone)]
pub struct Roster {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
struct Shared {
    /// Locked for moments only, never across a wait.
    table: Mutex<Table>,
    /// Told of every changed verdict.
    changed: Notify,
    /// Checks of which nothing is known yet.
    waiting: watch::Sender<usize>,
}

/// A change of the roster, for the task that runs the checks.
#[derive(Debug)]
enum Order {
    Begin(Vec<Begun>),
    End(HashSet<CheckId>),
}

/// A check that is due at once.
#[derive(Debug)]
struct Begun {
    check: CheckId,
    /// `None` for a composite, which follows its parts.
    probe: Option<Arc<Probe>>,
    /// Whether its first result is waited for.
    is_awaited: bool,
}

impl Checker {
    /// Starts checking on the current tokio runtime, all checks at once and then each at its
    /// interval. The parts of a composite stand before it. A check in `known` (and not too old) goes on from there; of any other, the
    /// first result decides.
    ///
    /// A report is sent after every check, and of a composite when its verdict changes. A slow receiver holds the checks up, one that is
    /// dropped ends them.
    ///
    /// # Errors
    /// When a check cannot be made ready. Nothing of the outside causes that.
    pub fn start(
        checks: Vec<Check>,
        known: &Known,
        reports: mpsc::Sender<Report>,
        options: Options,
    ) -> Result<Checker, StartError> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            changed: Notify::new(),
            waiting: watch::Sender::new(0),
        });
        let roster = Roster { shared: Arc::clone(&shared), orders };
        roster.add(&checks, known, true)?;
        let round = Round {
            shared: Arc::clone(&shared),
            schedule: Schedule::new(Jitter::new(options.seed)),
            running: HashMap::new(),
            flying: JoinSet::new(),
            unchecked: HashSet::new(),
            probes: HashMap::new(),
            wanted_in_flight: options.in_flight,
            in_flight: 0,
            orders: ordered,
            reports,
        };
        let mut tasks = vec![tokio::spawn(round.run())];
        if let Some(store) = &options.store {
            tasks.push(tokio::spawn(keep(shared, Arc::clone(store))));
        }
        Ok(Checker { roster, store: options.store, tasks })
    }

    /// What is checked, to look at and to change.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// As [`Roster::first_round`].
    pub async fn first_round(&self) -> usize {
        self.roster.first_round().await
    }

    /// What is known of each check now, in the order they were started with.
    pub fn records(&self) -> Vec<Record> {
        self.roster.shared.table().entries.values().map(|entry| entry.record).collect()
    }

    /// What is known of the checks now.
    pub fn known(&self) -> Known {
        self.roster.shared.known()
    }

    /// Ends the checks and writes what is known. No report is sent after it returns, and
    /// connections still open are being closed.
    pub async fn stop(mut self) {
        for task in &mut self.tasks {
            task.abort();
            // Cancelled is what it should be; a panic has been printed.
            let _ = task.await;
        }
        if let Some(store) = self.store.take() {
            save(&self.roster.shared, &store, true).await;
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Roster {
    /// Begins those of `checks` that are not under way yet, all at once; the numbers of all, in
    /// their order. A check goes on as it was when nothing about it changed. One whose interval,
    /// timeout or thresholds changed begins anew from what is known of it.
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
        if !ended.is_empty() {
            table.retain(|check| !ended.contains(&check));
            drop(table);
            self.shared.changed.notify_one();
            // Without the task nothing is checked any more anyway.
            let _ = self.orders.send(Order::End(ended));
        }
    }

    /// What is known of a check now; `None` when it has ended.
    pub fn record(&self, check: CheckId) -> Option<Record> {
        self.shared.table().entries.get(&check).map(|entry| entry.record)
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
    fn add(
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
            let is_awaited = all_awaited || record.is_none();
            let record =
                record.unwrap_or(Record { state: State::unknown(now), at: None, server_ms: None });
            let id = table.add(check.clone(), record, parts);
            numbers_of.insert(check.identity(), Some(id));
            begun.push(Begun { check: id, probe, is_awaited });
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

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Known {
        let mut known = Known::default();
        for Entry { check, record, .. } in self.table().entries.values() {
            known.insert(check.identity(), *record);
        }
        known
    }
}

/// The task that runs the checks.
struct Round {
    shared: Arc<Shared>,
    probes: HashMap<CheckId, Arc<Probe>>,
    schedule: Schedule,
    flying: JoinSet<Result<Timing, Failure>>,
    /// Those in flight: which check, and when it took off.
    running: HashMap<Id, (CheckId, Instant)>,
    /// As in [`Options::in_flight`].
    wanted_in_flight: usize,
    in_flight: usize,
    /// Checks whose first result is waited for.
    unchecked: HashSet<CheckId>,
    orders: mpsc::UnboundedReceiver<Order>,
    reports: mpsc::Sender<Report>,
}

impl Round {
    async fn run(mut self) {
        loop {
            self.take_off();
            let room = self.flying.len() < self.in_flight;
            let due = self.schedule.next_due().filter(|_| room);
            tokio::select! {
                Some(landed) = self.flying.join_next_with_id() => {
                    let Some((check, reports)) = self.land(landed) else { continue };
                    for report in reports {
                        if self.reports.send(report).await.is_err() {
                            return;
                        }
                    }
                    self.note_first(check);
                }
                () = until(due), if due.is_some() => {}
                Some(order) = self.orders.recv() => {
                    for report in self.follow(order) {
                        let check = report.check;
                        if self.reports.send(report).await.is_err() {
                            return;
                        }
                        self.note_first(check);
                    }
                }
                () = self.reports.closed() => return,
            }
        }
    }

    /// Does as told. Composites that begin are reported as they are: their parts may be known.
    fn follow(&mut self, order: Order) -> Vec<Report> {
        let mut reports = Vec::new();
        match order {
            Order::Begin(begun) => {
                let now = Instant::now();
                for Begun { check, probe, is_awaited } in begun {
                    if is_awaited {
                        self.unchecked.insert(check);
                    }
                    let Some(probe) = probe else {
                        let report = self.shared.table().report(check, Verdict::Unknown);
                        if report.is_none() {
                            self.note_first(check);
                        }
                        reports.extend(report);
                        continue;
                    };
                    self.probes.insert(check, probe);
                    self.schedule.add(check, now);
                }
            }
            Order::End(ended) => {
                self.schedule.remove(&ended);
                for check in ended {
                    self.probes.remove(&check);
                    self.note_first(check);
                }
            }
        }
        self.in_flight = match self.wanted_in_flight {
            0 => in_flight(self.shared.table().entries.values().map(|entry| &entry.check)),
            wanted => wanted,
        };
        reports
    }

    /// Starts the checks that are due, as far as there is room.
    fn take_off(&mut self) {
        let now = Instant::now();
        while self.flying.len() < self.in_flight {
            let Some(check) = self.schedule.take_due(now) else { return };
            // What has ended meanwhile is not due again.
            let Some(probe) = self.probes.get(&check).map(Arc::clone) else { continue };
            let task = self.flying.spawn(async move { probe.run().await });
            self.running.insert(task.id(), (check, Instant::now()));
        }
    }

    /// The check that ended, with its report and those of the composites that go by it.
    fn land(
        &mut self,
        landed: Result<(Id, Result<Timing, Failure>), JoinError>,
    ) -> Option<(CheckId, Vec<Report>)> {
        let (id, outcome) = match landed {
            Ok(landed) => landed,
            // A panic, which no target can cause by design; if one does, its check goes on.
            Err(e) => (e.id(), Err(Failure::Local(e.to_string()))),
        };
        let (check, started) = self.running.remove(&id)?;
        let (interval, report) = self.judge(check, outcome)?;
        self.schedule.put_back(check, started, interval, Instant::now());
        let above = self.shared.table().follow(check, &report.outcome);
        if above.iter().any(|report| report.changed) {
            self.shared.changed.notify_one();
        }
        Some((check, std::iter::once(report).chain(above).collect()))
    }

    /// Takes a check out of those that the first round waits for.
    fn note_first(&mut self, check: CheckId) {
        if self.unchecked.remove(&check) {
            self.shared.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }

    /// Brings the record up to date; `None` when the check has ended.
    fn judge(
        &self,
        check: CheckId,
        outcome: Result<Timing, Failure>,
    ) -> Option<(Duration, Report)> {
        let at = SystemTime::now();
        let mut table = self.shared.table();
        let Entry { check: Check { target, monitor }, record, .. } =
            table.entries.get_mut(&check)?;
        let before = record.state.verdict;
        match &outcome {
            Err(failure) if failure.is_local() => {
                tracing::warn!(%target, monitor = monitor.name, %failure, "check not run");
            }
            outcome => {
                record.state = record.state.next(outcome.is_ok(), monitor.thresholds, at);
                record.at = Some(at);
            }
        }
        if let Ok(Timing { server: Some(server), .. }) = &outcome {
            record.server_ms = Some(smooth(record.server_ms, *server));
        }
        let changed = record.state.verdict != before;
        if changed {
            self.shared.changed.notify_one();
        }
        let report = Report {
            check,
            verdict: record.state.verdict,
            changed,
            since: record.state.since,
            at,
            outcome,
            server_ms: record.server_ms,
        };
        Some((monitor.interval, report))
    }
}

/// The task that writes the state file.
async fn keep(shared: Arc<Shared>, store: Arc<Store>) {
    let mut written = true;
    loop {
        tokio::select! {
            () = shared.changed.notified() => tokio::time::sleep(SAVE_DELAY).await,
            () = tokio::time::sleep(SAVE_INTERVAL) => {}
        }
        written = save(&shared, &store, written).await;
    }
}

/// Writes what is known; whether that went well. Warns only when it went well before, so that a
/// directory that cannot be written to is named once and not each minute.
async fn save(shared: &Shared, store: &Arc<Store>, warn: bool) -> bool {
    let known = shared.known();
    let store = Arc::clone(store);
    let written = tokio::task::spawn_blocking(move || store.save(&known)).await;
    match written {
        Ok(Ok(())) => return true,
        Ok(Err(error)) if warn => tracing::warn!(%error, "serving goes on without"),
        Ok(Err(_)) => {}
        Err(error) => tracing::warn!(%error, "health state not written"),
    }
    false
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

/// Room for all probes that are in flight on average when every target hangs, and a quarter more.
fn in_flight<'c>(checks: impl Iterator<Item = &'c Check>) -> usize {
    let share = |check: &Check| {
        let Check { monitor, .. } = check;
        monitor.timeout.as_secs_f64() / monitor.interval.as_secs_f64().max(0.001)
    };
    // Composites fly nowhere.
    let checks = checks.filter(|check| check.parts().is_empty());
    let hanging: f64 = checks.map(|check| share(check).min(1.0)).sum();
    IN_FLIGHT.max((hanging * 1.25).ceil() as usize)
}

/// The next value of the moving average, in milliseconds.
fn smooth(average: Option<f32>, newest: Duration) -> f32 {
    let newest = newest.as_secs_f32() * 1000.0;
    average.map_or(newest, |average| average + NEWEST * (newest - average))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
