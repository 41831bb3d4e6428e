//! Runs the checks: who is asked when, what came of it, and who is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::check::Check;
use super::failure::{Failure, Timing};
use super::jitter::Jitter;
use super::probe::{HttpError, Lookups, Probe, Tls};
use super::schedule::Schedule;
use super::state::State;
use super::store::{Known, Record, Store};
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
    shared: Arc<Shared>,
    store: Option<Arc<Store>>,
    first: watch::Receiver<usize>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    checks: Vec<Check>,
    /// By check. Locked for moments only, never across a wait.
    records: Mutex<Vec<Record>>,
    /// Told of every changed verdict.
    changed: Notify,
}

impl Checker {
    /// Starts checking on the current tokio runtime, all checks at once and then each at its
    /// interval. A check in `known` (and not too old) goes on from there; of any other, the
    /// first result decides.
    ///
    /// A report is sent after every check. A slow receiver holds the checks up, one that is
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
        let now = SystemTime::now();
        let fresh = || Record { state: State::unknown(now), at: None, server_ms: None };
        let records = checks.iter().map(|c| known.of(c, now).unwrap_or_else(fresh)).collect();
        let in_flight = if options.in_flight == 0 { in_flight(&checks) } else { options.in_flight };
        let probes = probes(&checks)?;
        let (waiting, first) = watch::channel(probes.len());
        let shared =
            Arc::new(Shared { checks, records: Mutex::new(records), changed: Notify::new() });
        let round = Round {
            shared: Arc::clone(&shared),
            schedule: Schedule::new(count(&probes), Instant::now(), Jitter::new(options.seed)),
            running: HashMap::new(),
            flying: JoinSet::new(),
            unchecked: vec![true; probes.len()],
            probes,
            in_flight,
            waiting,
            reports,
        };
        let mut tasks = vec![tokio::spawn(round.run())];
        if let Some(store) = &options.store {
            tasks.push(tokio::spawn(keep(Arc::clone(&shared), Arc::clone(store))));
        }
        Ok(Checker { shared, store: options.store, first, tasks })
    }

    /// Waits until every check has had a result since the start, at most 5 s. How many have had
    /// none. The results of the others are in [`Checker::records`] then, and their reports sent.
    pub async fn first_round(&self) -> usize {
        let mut first = self.first.clone();
        let all = first.wait_for(|waiting| *waiting == 0);
        // Late, or the checks have ended: either way the count is what it is.
        let _ = tokio::time::timeout(FIRST_ROUND, all).await;
        *self.first.borrow()
    }

    /// What is known of each check now, in the order they were started with.
    pub fn records(&self) -> Vec<Record> {
        self.shared.records().clone()
    }

    /// What is known of the checks now: the start of the next checker after a reload.
    pub fn known(&self) -> Known {
        self.shared.known()
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
            save(&self.shared, &store, true).await;
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

impl Shared {
    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Known {
        let records = self.records().clone();
        let mut known = Known::default();
        for (check, record) in self.checks.iter().zip(records) {
            known.insert(check.identity(), record);
        }
        known
    }
}

/// The task that runs the checks.
struct Round {
    shared: Arc<Shared>,
    probes: Vec<Arc<Probe>>,
    schedule: Schedule,
    flying: JoinSet<Result<Timing, Failure>>,
    /// Those in flight: which check, and when it took off.
    running: HashMap<Id, (CheckId, Instant)>,
    in_flight: usize,
    /// By check: whether it has had no result yet.
    unchecked: Vec<bool>,
    waiting: watch::Sender<usize>,
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
                    let Some(report) = self.land(landed) else { continue };
                    let check = report.check;
                    if self.reports.send(report).await.is_err() {
                        return;
                    }
                    self.note_first(check);
                }
                () = until(due), if due.is_some() => {}
                () = self.reports.closed() => return,
            }
        }
    }

    /// Starts the checks that are due, as far as there is room.
    fn take_off(&mut self) {
        let now = Instant::now();
        while self.flying.len() < self.in_flight {
            let Some(check) = self.schedule.take_due(now) else { return };
            let probe = Arc::clone(&self.probes[check.0 as usize]);
            let task = self.flying.spawn(async move { probe.run().await });
            self.running.insert(task.id(), (check, Instant::now()));
        }
    }

    fn land(&mut self, landed: Result<(Id, Result<Timing, Failure>), JoinError>) -> Option<Report> {
        let (id, outcome) = match landed {
            Ok(landed) => landed,
            // A panic, which no target can cause by design; if one does, its check goes on.
            Err(e) => (e.id(), Err(Failure::Local(e.to_string()))),
        };
        let (check, started) = self.running.remove(&id)?;
        let interval = self.shared.checks[check.0 as usize].monitor.interval;
        self.schedule.put_back(check, started, interval, Instant::now());
        Some(self.judge(check, outcome))
    }

    /// Takes a check out of those that the first round waits for.
    fn note_first(&mut self, check: CheckId) {
        if std::mem::take(&mut self.unchecked[check.0 as usize]) {
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }

    /// Brings the record up to date.
    fn judge(&self, check: CheckId, outcome: Result<Timing, Failure>) -> Report {
        let Check { target, monitor } = &self.shared.checks[check.0 as usize];
        let at = SystemTime::now();
        let mut records = self.shared.records();
        let record = &mut records[check.0 as usize];
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
        Report {
            check,
            verdict: record.state.verdict,
            changed,
            since: record.state.since,
            at,
            outcome,
            server_ms: record.server_ms,
        }
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

fn probes(checks: &[Check]) -> Result<Vec<Arc<Probe>>, StartError> {
    let lookups = Lookups::new();
    let mut tls = Tls::new();
    let mut ready = Vec::with_capacity(checks.len());
    for check in checks {
        let failed = |e: HttpError| StartError {
            target: check.target.to_string(),
            monitor: check.monitor.name.clone(),
            reason: e.to_string(),
        };
        ready.push(Arc::new(Probe::new(check, &lookups, &mut tls).map_err(failed)?));
    }
    Ok(ready)
}

fn count(probes: &[Arc<Probe>]) -> u32 {
    u32::try_from(probes.len()).expect("four billion checks do not fit into memory")
}

/// Room for all probes that are in flight on average when every target hangs, and a quarter more.
fn in_flight(checks: &[Check]) -> usize {
    let share = |check: &Check| {
        let Check { monitor, .. } = check;
        monitor.timeout.as_secs_f64() / monitor.interval.as_secs_f64().max(0.001)
    };
    let hanging: f64 = checks.iter().map(|check| share(check).min(1.0)).sum();
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
