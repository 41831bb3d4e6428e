//! A server at work: checks, the control task that keeps [`Live`](crate::steering::Live) current,
//! the listeners, and reloads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::health::{self, CheckId, Checker, Options, Report, Store};
use crate::server::build::Generation;
use crate::server::desk::Desk;
use crate::server::event::Event;
use crate::server::fixed::Fixed;
use crate::server::hosts::Hosts;
use crate::server::notify;
use crate::server::reload::{self, Outlets, ReloadError, Reloaded, Reloader};
use crate::transport::{Bound, Protocol, Running, stream};

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
    reloader: Arc<Reloader>,
    /// Looks host names up, and puts their new addresses in force.
    hosts: [JoinHandle<()>; 2],
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
    /// Looks up members by host name and runs the first round of checks, then answers on `bound`. Must be called inside a
    /// multi-threaded tokio runtime. `state` is the directory for what survives a restart; events
    /// go to `events`, as far as it keeps up. `fixed` is what reloads leave as it is.
    ///
    /// # Errors
    ///
    /// When the checks or the listeners cannot be started.
    pub async fn start(
        generation: &Generation,
        fixed: Fixed,
        bound: Bound,
        limits: stream::Limits,
        state: Option<&Path>,
        events: mpsc::Sender<Event>,
    ) -> Result<Server, StartError> {
        let store = state.map(|directory| Arc::new(Store::new(directory)));
        let known = store.as_ref().map(|store| store.load()).unwrap_or_default();
        let (stop, stopped) = watch::channel(false);
        let hosts = Hosts::new(generation.resolver.clone(), state);
        let looking = tokio::spawn(hosts.clone().run(stopped.clone()));
        reload::look_up(&hosts, generation).await;
        let facts = reload::Facts::of(generation, &hosts.table());
        let (sender, mut reports) = mpsc::channel(REPORTS);
        let options = Options { in_flight: 0, seed: seed(), store };
        let checker = Checker::start(facts.checks.clone(), &known, sender, options)?;
        let roster = checker.roster();
        let first = first_round(&checker, &mut reports).await;
        if first.late > 0 {
            tracing::warn!("{} checks had no result in the first round", first.late);
        }
        // All are under way: this gives their numbers.
        let numbers = roster.begin(&facts.checks)?;
        let desk = Desk::open(&facts, roster, &numbers, first.failures, hosts.watch(), events);
        let running = bound.start(desk.engine(), limits)?;
        let (renewals, renewed) = mpsc::channel(1);
        let (announcements, announced) = mpsc::unbounded_channel();
        let notify =
            tokio::spawn(notify::run(announced, state.map(Path::to_owned), stopped.clone()));
        let control = tokio::spawn(desk.run(reports, renewed, stopped.clone()));
        // Secondaries come for the zones at once, so it is answered before they are told.
        let sources = running.addresses().iter().map(SocketAddr::ip).collect();
        let outlets = Outlets { renewals, announcements };
        let watched = hosts.watch();
        let begin = reload::Begin { facts, numbers, sources, hosts };
        let reloader = Arc::new(Reloader::new(generation, fixed, roster, begin, outlets));
        let following = tokio::spawn(reload::follow(reloader.clone(), watched, stopped));
        let hosts = [looking, following];
        Ok(Server { running, checker, control, notify, reloader, hosts, stop })
    }

    /// Reads, checks and compiles what stands on disk, and puts it in force as a whole: zones,
    /// policies, GeoIP data, limits, secrets, keys and certificates. Queries are answered all the
    /// while, by the old generation until the new one is there: that is after the first results
    /// of checks that are new, which takes 5 s at most. Whoever calls while another call runs
    /// waits for it. Log lines tell what changed.
    ///
    /// # Errors
    ///
    /// When there is anything wrong; then everything stays as it was.
    pub async fn reload(&self, path: &Path) -> Result<Reloaded, ReloadError> {
        self.reloader.reload(path).await
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
        for task in self.hosts {
            let _ = task.await;
        }
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
