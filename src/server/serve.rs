//! A server at work: checks, the control task that keeps [`Live`](crate::steering::Live) current,
//! the listeners, and reloads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::admin::{self, History, Inquiry, Line, Override, Overrides, Request, Reread};
use crate::health::{self, Checker, Options, Report, Store};
use crate::server::build::Generation;
use crate::server::counts::counts;
use crate::server::desk::{Desk, Outcomes, Places, Ties};
use crate::server::event::Event;
use crate::server::first::Lineage;
use crate::server::generations::Watch;
use crate::server::hosts::Hosts;
use crate::server::journal::{Journal, Outbox};
use crate::server::notify;
use crate::server::pulse::Pulse;
use crate::server::query_log::QueryLog;
use crate::server::reload::{self, Outlets, ReloadError, Reloaded, Reloader, When};
use crate::server::webhook::{self, Hooks, ledger::Ledger};
use crate::transport::{Bound, Protocol, Running, stream};

/// Reports that may wait for the control task.
const REPORTS: usize = 4096;

/// Requests of operators that may wait.
const REQUESTS: usize = 64;

/// A server that answers. Dropping it stops it at once; [`Server::stop`] does so in order.
#[derive(Debug)]
pub struct Server {
    running: Running,
    checker: Checker,
    control: JoinHandle<()>,
    /// Tells secondaries; ends by itself.
    notify: JoinHandle<()>,
    /// Tells webhooks; likewise.
    webhooks: JoinHandle<()>,
    reloader: Arc<Reloader>,
    /// Looks host names up, and puts their new addresses in force.
    hosts: [JoinHandle<()>; 2],
    requests: mpsc::Sender<Request>,
    journal: Arc<Journal>,
    query_log: Arc<QueryLog>,
    admin: Option<admin::Running>,
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
    /// Looks up members by host name and runs the first round of checks, then answers on `bound`.
    /// Must be called inside a multi-threaded tokio runtime. `state` is the directory for what
    /// survives a restart; events go to `events`, as far as it keeps up, and to `history`.
    /// `lineage` says where the generation comes from.
    ///
    /// # Errors
    ///
    /// When the checks or the listeners cannot be started.
    pub async fn start(
        mut generation: Generation,
        lineage: Lineage,
        bound: Bound,
        limits: stream::Limits,
        state: Option<&Path>,
        history: Arc<History>,
        events: mpsc::Sender<Event>,
    ) -> Result<Server, StartError> {
        let store = state.map(|directory| Arc::new(Store::new(directory)));
        let known = store.as_ref().map(|store| store.load()).unwrap_or_default();
        let (stop, stopped) = watch::channel(false);
        let hosts = Hosts::new(generation.resolver.clone(), state);
        let looking = tokio::spawn(hosts.clone().run(stopped.clone()));
        reload::look_up(&hosts, &generation).await;
        let facts = reload::Facts::of(&generation, &hosts.table());
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
        // Hooks are told of the start too.
        let (list, from) = (generation.hooks.clone(), history.last());
        let ledger = Arc::new(Ledger::open(state, from));
        let (hooks, named) = watch::channel(Hooks { list, from });
        let outbox = Outbox { hooks: named.clone(), ledger: Arc::clone(&ledger) };
        let journal = Arc::new(Journal::new(Arc::clone(&history), events, outbox));
        journal.tell(Event::Start { version: env!("CARGO_PKG_VERSION") });
        let places = Arc::new(Places::of(&mut generation));
        let ties = Ties {
            hosts: hosts.watch(),
            overrides: Overrides::load(state),
            journal: Arc::clone(&journal),
        };
        let desk = Desk::open(&facts, Arc::clone(&places), roster, &numbers, first.outcomes, ties);
        let query_log = Arc::new(QueryLog::start(generation.query_log.clone())?);
        let running = bound.start(desk.engine(), limits)?;
        let (renewals, renewed) = mpsc::channel(1);
        let (requests, requested) = mpsc::channel(REQUESTS);
        let (announcements, announced) = mpsc::unbounded_channel();
        let notify =
            tokio::spawn(notify::run(announced, state.map(Path::to_owned), stopped.clone()));
        let webhooks = tokio::spawn(webhook::run(named, history, ledger, stopped.clone()));
        let control = tokio::spawn(desk.run(reports, renewed, requested, stopped.clone()));
        // Secondaries come for the zones at once, so it is answered before they are told.
        let sources = running.addresses().iter().map(SocketAddr::ip).collect();
        let outlets = Outlets {
            renewals,
            announcements,
            hooks,
            journal: Arc::clone(&journal),
            query_log: Arc::clone(&query_log),
        };
        let watched = hosts.watch();
        let begin = reload::Begin { facts, numbers, places, sources, hosts };
        let reloader = Arc::new(Reloader::new(&generation, lineage, roster, begin, outlets));
        let first = Arc::clone(&reloader);
        // Copies what may be large, while queries are answered.
        tokio::spawn(async move { first.keep_first().await });
        let following = tokio::spawn(reload::follow_hosts(reloader.clone(), watched, stopped));
        let (hosts, admin) = ([looking, following], None);
        Ok(Server {
            running,
            checker,
            control,
            notify,
            webhooks,
            reloader,
            hosts,
            requests,
            journal,
            query_log,
            admin,
            stop,
        })
    }

    /// Lets `admin` look into this server and tell it what to do, from now on. A reload through
    /// it reads `path`; without one there is nothing to read anew.
    pub fn open(&mut self, admin: admin::Running, path: Option<PathBuf>) {
        let (line, requests) = mpsc::channel(REQUESTS);
        let (meter, logged) = (self.running.meter(), self.query_log.counts());
        admin.open(Line::new(line), move || counts(&meter, &logged));
        let (reloader, desk) = (Arc::clone(&self.reloader), self.requests.clone());
        tokio::spawn(dispatch(requests, desk, reloader, path));
        self.admin = Some(admin);
    }

    /// What listens for the operator, when something does.
    pub fn admin(&self) -> Option<&admin::Running> {
        self.admin.as_ref()
    }

    /// Reads, checks and compiles what stands on disk, and puts it in force as a whole: zones,
    /// policies, GeoIP data, limits, secrets, keys and certificates. Queries are answered all the
    /// while, by the old generation until the new one is there: that is after the first results
    /// of checks that are new, which takes 5 s at most. Whoever calls while another call runs
    /// waits for it. Log lines tell what changed; the history says who ordered it. `None` when
    /// only a change was to be put in force and there is none.
    ///
    /// # Errors
    ///
    /// When there is anything wrong; then everything stays as it was.
    pub async fn reload(
        &self,
        path: &Path,
        order: Reread,
        when: When,
    ) -> Result<Option<Reloaded>, ReloadError> {
        self.reloader.reload(path, order, when).await
    }

    /// Tells of changes of the files that were last read from disk.
    pub fn watch(&self) -> Watch {
        self.reloader.watch()
    }

    /// Feels whether it is alive.
    pub fn pulse(&self) -> Pulse {
        Pulse::new(self.running.meter(), self.requests.clone())
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
    pub async fn stop(mut self) {
        if let Some(mut admin) = self.admin.take() {
            // Joins a thread.
            let _ = spawn_blocking(move || admin.stop()).await;
        }
        self.running.stop().await;
        let query_log = self.query_log;
        // Waits for a disk, and for a reader.
        let _ = spawn_blocking(move || query_log.stop()).await;
        self.checker.stop().await;
        // The task may have ended on its own; then nobody listens, and that is all right.
        let _ = self.stop.send(true);
        let _ = self.control.await;
        let _ = self.notify.await;
        for task in self.hosts {
            let _ = task.await;
        }
        let _ = self.webhooks.await;
        let journal = self.journal;
        // Waits for a disk.
        let _ = spawn_blocking(move || journal.history().close()).await;
    }
}

/// Brings requests to whom they concern, until nobody asks any more.
async fn dispatch(
    mut requests: mpsc::Receiver<Request>,
    desk: mpsc::Sender<Request>,
    reloader: Arc<Reloader>,
    path: Option<PathBuf>,
) {
    while let Some(request) = requests.recv().await {
        let (reloader, path) = (Arc::clone(&reloader), path.clone());
        match request {
            // It takes as long as it takes; other requests go on. Whoever asked may have gone; it
            // is done all the same.
            Request::Reload(order, back) => {
                tokio::spawn(async move {
                    let _ = back.send(reloader.report(path.as_deref(), order).await);
                });
            }
            Request::Rollback(order, back) => {
                tokio::spawn(async move {
                    let _ = back.send(reloader.roll_back(path.as_deref(), order).await);
                });
            }
            Request::Generations(back) => {
                tokio::spawn(async move {
                    let _ = back.send(reloader.generations().await);
                });
            }
            Request::Files(back) => {
                tokio::spawn(async move {
                    let _ = back.send(reloader.files(path.as_deref()).await);
                });
            }
            Request::Part(part, back) => {
                tokio::spawn(async move {
                    let _ = back.send(reloader.part(part).await);
                });
            }
            Request::Explain(inquiry @ Inquiry { at: Some(at), .. }, back) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    let words = overrides(&desk).await;
                    let path = path.as_deref();
                    let _ = back.send(reloader.explain_past(path, inquiry, at, words).await);
                });
            }
            // When the desk has gone, so has the request's way back, and whoever asks sees that.
            request => drop(desk.send(request).await),
        }
    }
}

/// The operator's words in force.
async fn overrides(desk: &mpsc::Sender<Request>) -> Vec<Override> {
    let (back, status) = oneshot::channel();
    if desk.send(Request::Status(back)).await.is_err() {
        return Vec::new();
    }
    status.await.map(|status| status.overrides).unwrap_or_default()
}

/// What the first round of checks brought, beside the verdicts in the checker's records.
struct FirstRound {
    /// Checks without a result.
    late: usize,
    outcomes: Outcomes,
}

/// Waits for the first round. Its reports are taken from the channel meanwhile, so that a long
/// list of checks does not fill it.
async fn first_round(checker: &Checker, reports: &mut mpsc::Receiver<Report>) -> FirstRound {
    let round = checker.first_round();
    tokio::pin!(round);
    let mut outcomes = Outcomes::default();
    let late = loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => outcomes.note(&report),
            late = &mut round => break late,
        }
    };
    while let Ok(report) = reports.try_recv() {
        outcomes.note(&report);
    }
    FirstRound { late, outcomes }
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
