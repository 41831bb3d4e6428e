//! A generation at work: checks, the control task that keeps [`Live`](crate::steering::Live)
//! current, and the listeners.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::engine::{Engine, Snapshot};
use crate::health::{self, Check, CheckId, Checker, Options, Report, Store, Verdict};
use crate::server::build::Generation;
use crate::server::event::Event;
use crate::server::notify::Announcement;
use crate::steering::control::{Change, Control};
use crate::transport::{Bound, Protocol, Running, stream};

/// Time between two evaluations of latency choices: three in a row move one.
const LATENCY_PACE: Duration = Duration::from_secs(10);

/// Reports that may wait for the control task.
const REPORTS: usize = 4096;

/// A server that answers. Dropping it stops it at once; [`Server::stop`] does so in order.
#[derive(Debug)]
pub struct Server {
    running: Running,
    checker: Checker,
    control: JoinHandle<()>,
    /// Tells secondaries; ends by itself.
    notify: JoinHandle<()>,
    /// Looks after the certificate's files, when there are any, as long as it is not dropped.
    _certificate: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A check could not be made ready.
    #[error(transparent)]
    Checks(#[from] health::StartError),
    /// A thread could not be started.
    #[error("cannot start the listeners: {0}")]
    Listeners(#[from] std::io::Error),
}

impl Server {
    /// Runs the first round of checks, then answers on `bound`. Must be called inside a tokio
    /// runtime. `state` is the directory for what survives a restart; events go to `events`, as
    /// far as it keeps up.
    ///
    /// # Errors
    ///
    /// When the checks or the listeners cannot be started.
    pub async fn start(
        generation: &Generation,
        bound: Bound,
        limits: stream::Limits,
        state: Option<&Path>,
        events: mpsc::Sender<Event>,
    ) -> Result<Server, StartError> {
        let store = state.map(|directory| Arc::new(Store::new(directory)));
        let known = store.as_ref().map(|store| store.load()).unwrap_or_default();
        let (sender, reports) = mpsc::channel(REPORTS);
        let options = Options { in_flight: 0, seed: seed(), store };
        let checks = generation.checks.clone();
        let checker = Checker::start(checks.clone(), &known, sender, options)?;
        let mut reports = reports;
        let first = first_round(&checker, &mut reports).await;
        if first.late > 0 {
            tracing::warn!("{} checks had no result in the first round", first.late);
        }
        let records = (0..).map(CheckId).zip(checker.records());
        let mut control = Control::new(
            generation.steering.clone(),
            records.clone().map(|(check, record)| (check, record.state.verdict)),
        );
        for (check, record) in records {
            if let Some(ms) = record.server_ms {
                control.set_server_ms(check, f64::from(ms));
            }
        }
        control.evaluate_latency();
        let begin = control.settle();
        let engine = Engine {
            snapshot: generation.snapshot.clone(),
            live: Arc::new(control.live().clone()),
        };
        let desk = Desk {
            engine: Arc::new(ArcSwap::from_pointee(engine)),
            snapshot: generation.snapshot.clone(),
            retired: Vec::new(),
            control,
            checks,
            events,
        };
        desk.announce_start(first.failures, begin);
        let running = bound.start(&desk.engine, limits)?;
        let mut certificate = JoinSet::new();
        if let Some(files) = generation.certificate.clone() {
            certificate.spawn(files.watch());
        }
        let (stop, stopped) = watch::channel(false);
        // Secondaries come for the zones at once, so it is answered before they are told.
        let announcement = Announcement {
            snapshot: generation.snapshot.clone(),
            secondaries: generation.secondaries.clone(),
            sources: running.addresses().iter().map(SocketAddr::ip).collect(),
        };
        let state = state.map(Path::to_owned);
        let mut stopped_too = stopped.clone();
        let notify = tokio::spawn(async move {
            tokio::select! {
                () = announcement.make(state.as_deref()) => {}
                // `false` came before; only `true`, or the sender's end, comes after.
                _ = stopped_too.changed() => {}
            }
        });
        let control = tokio::spawn(desk.run(reports, stopped));
        Ok(Server { running, checker, control, notify, _certificate: certificate, stop })
    }

    /// The addresses it answers on with UDP and TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.running.addresses()
    }

    /// The encrypted transports it answers on.
    pub fn encrypted(&self) -> &[(Protocol, SocketAddr)] {
        self.running.encrypted()
    }

    /// Stops in order: listeners, checks (writing what is known), the control task.
    pub async fn stop(self) {
        self.running.stop().await;
        self.checker.stop().await;
        // The task may have ended on its own; then nobody listens, and that is all right.
        let _ = self.stop.send(true);
        let _ = self.control.await;
        let _ = self.notify.await;
    }
}

/// What the first round of checks brought, beside the verdicts in the checker's records.
struct FirstRound {
    /// Checks without a result.
    late: usize,
    /// Why checks failed.
    failures: HashMap<CheckId, String>,
}

/// Waits for the first round. Its reports are taken from the channel meanwhile, so that a long
/// list of checks does not fill it.
async fn first_round(checker: &Checker, reports: &mut mpsc::Receiver<Report>) -> FirstRound {
    let round = checker.first_round();
    tokio::pin!(round);
    let mut failures = HashMap::new();
    let mut note = |report: Report| {
        if let Err(failure) = report.outcome {
            failures.insert(report.check, failure.to_string());
        }
    };
    let late = loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => note(report),
            late = &mut round => break late,
        }
    };
    while let Ok(report) = reports.try_recv() {
        note(report);
    }
    FirstRound { late, failures }
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Where verdicts arrive and answers are published.
struct Desk {
    engine: Arc<ArcSwap<Engine>>,
    snapshot: Arc<Snapshot>,
    /// Engines that a worker may still read. They are freed here and never by a worker.
    retired: Vec<Arc<Engine>>,
    control: Control,
    checks: Vec<Check>,
    events: mpsc::Sender<Event>,
}

impl Desk {
    async fn run(mut self, mut reports: mpsc::Receiver<Report>, mut stop: watch::Receiver<bool>) {
        let mut pace = tokio::time::interval(LATENCY_PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // `false` came before; only `true`, or the sender's end, comes after.
                _ = stop.changed() => return,
                report = reports.recv() => match report {
                    None => return,
                    Some(report) => {
                        self.take(report);
                        // What has gathered is settled together.
                        while let Ok(report) = reports.try_recv() {
                            self.take(report);
                        }
                    }
                },
                _ = pace.tick() => self.control.evaluate_latency(),
            }
            self.publish();
        }
    }

    fn take(&mut self, report: Report) {
        let is_news = self.control.verdict(report.check) != report.verdict;
        self.control.set_verdict(report.check, report.verdict);
        if let Some(ms) = report.server_ms {
            self.control.set_server_ms(report.check, f64::from(ms));
        }
        if is_news {
            let reason = report.outcome.err().map(|failure| failure.to_string());
            self.tell_verdict(report.check, report.verdict, reason);
        }
    }

    fn publish(&mut self) {
        if !self.control.has_unsettled() {
            return;
        }
        let changes = self.control.settle();
        let engine =
            Engine { snapshot: self.snapshot.clone(), live: Arc::new(self.control.live().clone()) };
        self.retired.push(self.engine.swap(Arc::new(engine)));
        self.retired.retain(|engine| Arc::strong_count(engine) > 1);
        for change in changes {
            let event = self.event(change);
            self.tell(event);
        }
    }

    /// Says at the start what is not as it should be.
    fn announce_start(&self, mut failures: HashMap<CheckId, String>, changes: Vec<Change>) {
        let down: Vec<CheckId> = (0..)
            .map(CheckId)
            .zip(&self.checks)
            .map(|(check, _)| check)
            .filter(|check| self.control.verdict(*check) == Verdict::Down)
            .collect();
        for check in down {
            self.tell_verdict(check, Verdict::Down, failures.remove(&check));
        }
        for change in changes {
            let event = self.event(change);
            self.tell(event);
        }
    }

    fn tell_verdict(&self, check: CheckId, verdict: Verdict, reason: Option<String>) {
        let check = &self.checks[check.0 as usize];
        let (target, monitor) = (check.target.to_string(), check.monitor.name.clone());
        self.tell(Event::Verdict { target, monitor, verdict, reason });
    }

    fn event(&self, change: Change) -> Event {
        let model = &self.control.steering().model;
        match change {
            Change::Pool { pool, is_up } => {
                Event::Pool { pool: model.pool(pool).name.clone(), is_up }
            }
            Change::Panic { records, begun } => {
                let name =
                    |id: &crate::zone::RecordId| model.records[id.0 as usize].owner.to_string();
                Event::Panic { records: records.iter().map(name).collect(), begun }
            }
        }
    }

    fn tell(&self, event: Event) {
        match &event {
            Event::Panic { begun: true, .. } => tracing::error!("{event}"),
            Event::Verdict { verdict: Verdict::Down, .. } | Event::Pool { is_up: false, .. } => {
                tracing::warn!("{event}");
            }
            _ => tracing::info!("{event}"),
        }
        // A listener that does not keep up misses events; the log has them all.
        let _ = self.events.try_send(event);
    }
}
