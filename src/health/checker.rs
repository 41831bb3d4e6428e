//! Runs the checks: who is asked when, what came of it, and who is told.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::check::Check;
use super::failure::{Failure, Timing, span};
use super::jitter::Jitter;
use super::load::Level;
use super::probe::{Probe, Success};
use super::roster::{Begun, Order, Roster, Shared, StartError};
use super::schedule::Schedule;
use super::state::Hold;
use super::store::{Known, Record, Store};
use super::table::Entry;
use super::verdict::{CheckId, Verdict};

/// Changes that come this close together are written to the state file at once.
const SAVE_DELAY: Duration = Duration::from_secs(1);

/// Without changes the state file is written this often, so that it is young after a crash.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Checks in flight at the same time, at least.
const IN_FLIGHT: usize = 256;

/// Checks that are due within so little time take off together: to wake up costs as much as to
/// connect, and what is asked every few seconds may wait for it.
const TOGETHER: Duration = Duration::from_millis(10);

/// The weight of the newest check in the moving average of the server's latency. With 0.2 the
/// scatter of ordinary checks moved one client in forty within an hour; see
/// `tests/steering/latency_calm.rs`.
const NEWEST: f32 = 0.1;

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
    /// What holds the target down although its checks may succeed.
    pub hold: Option<Hold>,
    /// How often the target went down lately: 1 for each time, fading. 0 without damping.
    pub score: f64,
    /// How soon the verdict may change, while the last result speaks against it.
    pub change_within: Option<Duration>,
    /// Whether the target is warned of.
    pub is_warned: bool,
    /// The server's part of the latency in milliseconds: the moving average over successful
    /// checks of [`Timing::server`], the newest with a weight of 0.1. `None` before the first,
    /// and for checks without a response.
    pub server_ms: Option<f32>,
    /// How busy the target says it is, 0.0 to 1.0: the moving average of what was read, the newest
    /// with a weight of 0.3. `None` while it is not known: where it is not asked for, and after
    /// three checks in a row that gave none.
    pub load: Option<f32>,
    /// When the target's certificate expires, if that is sooner than the monitor wants.
    pub expiring: Option<SystemTime>,
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

/// Checks under way. They end when it is dropped.
#[derive(Debug)]
pub struct Checker {
    roster: Roster,
    store: Option<Arc<Store>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Checker {
    /// Starts checking on the current tokio runtime, all checks at once and then each at its
    /// interval. The parts of a composite stand before it. A check in `known` (and not too old)
    /// goes on from there; of any other, the first result decides.
    ///
    /// A report is sent after every check, and of a composite whenever something about it changes.
    /// A slow receiver holds the checks up, one that is dropped ends them.
    ///
    /// # Errors
    /// When a check cannot be made ready. Nothing of the outside causes that.
    pub fn start(
        checks: Vec<Check>,
        known: &Known,
        reports: mpsc::Sender<Report>,
        options: Options,
    ) -> Result<Checker, StartError> {
        let (roster, ordered) = Roster::new();
        let shared = Arc::clone(&roster.shared);
        roster.add(&checks, known, true)?;
        let round = Round {
            shared: Arc::clone(&shared),
            schedule: Schedule::new(Jitter::new(options.seed)),
            running: HashMap::new(),
            flying: JoinSet::new(),
            unchecked: HashSet::new(),
            probes: HashMap::new(),
            levels: HashMap::new(),
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

/// The task that runs the checks.
struct Round {
    shared: Arc<Shared>,
    probes: HashMap<CheckId, Arc<Probe>>,
    /// Loads, of the checks that read one.
    levels: HashMap<CheckId, Level>,
    schedule: Schedule,
    flying: JoinSet<Result<Success, Failure>>,
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
            let due = self.schedule.next_due().filter(|_| room).map(|due| due + TOGETHER);
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
                for Begun { check, probe, delay, is_awaited } in begun {
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
                    self.schedule.add(check, now + delay);
                }
            }
            Order::Report(checks, found) => {
                for check in checks {
                    // What its silence would say is out of date, should that be on its way.
                    self.running.retain(|_, (other, _)| *other != check);
                    self.schedule.remove(&HashSet::from([check]));
                    let outcome = found.clone().map(|()| Success::from(Timing::NONE));
                    if let Some((ttl, report)) = self.judge(check, outcome) {
                        self.schedule.add(check, Instant::now() + ttl);
                        reports.extend(self.with_wholes(report));
                    }
                }
            }
            Order::Hasten(check) => self.schedule.hasten(check, Instant::now()),
            Order::End(ended) => {
                self.schedule.remove(&ended);
                for check in ended {
                    self.probes.remove(&check);
                    self.levels.remove(&check);
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
        landed: Result<(Id, Result<Success, Failure>), JoinError>,
    ) -> Option<(CheckId, Vec<Report>)> {
        let (id, outcome) = match landed {
            Ok(landed) => landed,
            // A panic, which no target can cause by design; if one does, its check goes on.
            Err(e) => (e.id(), Err(Failure::Local(e.to_string()))),
        };
        let (check, started) = self.running.remove(&id)?;
        let (interval, report) = self.judge(check, outcome)?;
        self.schedule.put_back(check, started, interval, Instant::now());
        Some((check, self.with_wholes(report)))
    }

    /// A report, and those of the composites that go by its check.
    fn with_wholes(&self, report: Report) -> Vec<Report> {
        let above = self.shared.table().follow(report.check, &report.outcome);
        if above.iter().any(|report| report.changed) {
            self.shared.changed.notify_one();
        }
        std::iter::once(report).chain(above).collect()
    }

    /// Takes a check out of those that the first round waits for.
    fn note_first(&mut self, check: CheckId) {
        if self.unchecked.remove(&check) {
            self.shared.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }

    /// Brings the record up to date; the time to the next check, and what to report. `None` when
    /// the check has ended.
    fn judge(
        &mut self,
        check: CheckId,
        outcome: Result<Success, Failure>,
    ) -> Option<(Duration, Report)> {
        let at = SystemTime::now();
        let (outcome, expiring, load) = match outcome {
            Ok(Success { timing, expiring, load }) => (Ok(timing), expiring, load),
            Err(failure) => (Err(failure), None, None),
        };
        let mut table = self.shared.table();
        let Entry { check: Check { target, monitor }, record, .. } =
            table.entries.get_mut(&check)?;
        let before = record.state;
        if monitor.load.is_some() && !outcome.as_ref().is_err_and(Failure::is_local) {
            let known = Level::known(record.load);
            let level = self.levels.entry(check).or_insert(known);
            let was_read = level.misses() == 0;
            match &load {
                Some(Err(reason)) if was_read => {
                    tracing::warn!(%target, monitor = monitor.name, reason, "load not read");
                }
                Some(Ok(_)) if !was_read => {
                    tracing::info!(%target, monitor = monitor.name, "load read again");
                }
                _ => {}
            }
            *level = level.next(load.and_then(Result::ok));
            record.load = level.average();
        }
        match &outcome {
            Err(failure) if failure.is_local() => {
                tracing::warn!(%target, monitor = monitor.name, %failure, "check not run");
            }
            outcome => {
                let finding = monitor.rules.finding(outcome, record.load);
                record.state = before.next(finding, monitor.thresholds, &monitor.rules, at);
                record.at = Some(at);
            }
        }
        if let Ok(Timing { server: Some(server), .. }) = &outcome {
            record.server_ms = Some(smooth(record.server_ms, *server));
        }
        if outcome.is_ok() {
            if let Some(expires) = expiring.filter(|_| expiring != record.expiring) {
                let left = expires.duration_since(at).unwrap_or_default();
                let text = format!("certificate expires in {}", span(left.as_secs()));
                tracing::warn!(%target, monitor = monitor.name, "{text}");
            }
            record.expiring = expiring;
        }
        let state = record.state;
        let changed = state.verdict != before.verdict;
        if changed || state.is_warned != before.is_warned {
            self.shared.changed.notify_one();
        }
        let report = Report {
            check,
            verdict: state.verdict,
            changed,
            since: state.since,
            at,
            outcome,
            hold: state.hold(&monitor.rules, at),
            score: state.score(&monitor.rules, at),
            change_within: monitor.change_within(&state),
            is_warned: state.is_warned,
            server_ms: record.server_ms,
            load: record.load,
            expiring: record.expiring,
        };
        Some((state.pace(monitor.interval, &monitor.rules), report))
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
