//! One generation after another: read, check and compile the new one beside the old one, then
//! put it in force as a whole or not at all. What is in force is kept, and what was kept can be put
//! in force again.
//!
//! ```text
//! config::load ─► build ─► hosts looked up ─► checks begin ─► their first round ─► Renewal ─► desk swaps
//!    (the old generation answers)       ▲                                              └► NOTIFY, log
//!              other addresses of hosts ┘
//! ```

mod addresses;
mod files;
mod kept;
mod past;

pub(super) use addresses::{follow_hosts, look_up};

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};

use crate::admin::message::{Reload, millis};
use crate::admin::{Refusal, Reread};
use crate::config::{self, Diagnostic};
use crate::engine::Snapshot;
use crate::health::{self, Check, CheckId, Roster};
use crate::server::build::{Blueprint, Generation, Origin, build};
use crate::server::changes::{self, Side};
use crate::server::desk::{Places, Renewal};
use crate::server::event::Event;
use crate::server::first::Lineage;
use crate::server::fixed::Fixed;
use crate::server::generations::{Archive, Inputs, Watch};
use crate::server::hosts::{Hosts, Table};
use crate::server::journal::Journal;
use crate::server::notify::Announcement;
use crate::server::query_log::QueryLog;
use crate::server::systemd::Reloading;
use crate::server::webhook::Hooks;
use crate::steering::control::{Safety, Steering, Window};
use crate::steering::model::PoolId;
use crate::transport::Identity;

/// A generation that is in force.
#[derive(Debug)]
pub struct Reloaded {
    /// Its number: one more than any before.
    pub number: u64,
    /// What is probably not meant.
    pub lints: Vec<Diagnostic>,
    /// Keys whose new values wait for a restart, as `server.listen`.
    pub waiting: Vec<&'static str>,
}

/// What is put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// What stands on disk, changed or not.
    Asked,
    /// What stands on disk when that is not what was last read there.
    Changed,
}

/// The old generation stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The files have mistakes. All of them, with all lints.
    #[error("the configuration has errors")]
    Refused(Vec<Diagnostic>),
    /// A check could not be made ready.
    #[error(transparent)]
    Checks(#[from] health::StartError),
    /// A defect of the program.
    #[error("a defect: {0}")]
    Defect(String),
}

impl ReloadError {
    /// What `meridian check` would print.
    pub fn text(&self) -> String {
        match self {
            ReloadError::Refused(diagnostics) => config::render(diagnostics, false),
            other => other.to_string(),
        }
    }
}

/// Puts generations in force, one at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    fixed: Fixed,
    roster: Roster,
    renewals: mpsc::Sender<Renewal>,
    announcements: mpsc::UnboundedSender<Announcement>,
    hooks: watch::Sender<Hooks>,
    /// The addresses that are served.
    sources: Vec<IpAddr>,
    /// What encrypted listeners show, when there are any.
    identity: Option<Identity>,
    hosts: Hosts,
    journal: Arc<Journal>,
    query_log: Arc<QueryLog>,
    /// Where generations are kept, if they are.
    archive: Option<Archive>,
    /// What was last read from disk.
    on_disk: watch::Sender<Arc<Inputs>>,
    current: Mutex<Current>,
}

/// The generation in force.
#[derive(Debug)]
struct Current {
    /// The highest number that was given so far.
    last: u64,
    /// The number that its files came into force with. Since then host names may have got other
    /// addresses, under numbers of their own.
    files: u64,
    inputs: Arc<Inputs>,
    facts: Facts,
    /// The roster's numbers of its checks.
    numbers: Vec<CheckId>,
    /// What pools are made of when host names have other addresses.
    blueprint: Option<Arc<Blueprint>>,
    /// The addresses in force.
    table: Arc<Table>,
    places: Arc<Places>,
    /// Looks after the certificate's files, when there are any, as long as it is not dropped.
    certificate: JoinSet<()>,
}

/// What is in force in a generation, and what generations are compared by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The generation's number.
    pub(super) number: u64,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) steering: Arc<Steering>,
    pub(super) checks: Vec<Check>,
    pub(super) safety: Safety,
    pub(super) maintenance: Vec<(PoolId, Window)>,
}

/// What a server began with.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) facts: Facts,
    /// The roster's numbers of its checks.
    pub(super) numbers: Vec<CheckId>,
    pub(super) places: Arc<Places>,
    /// The addresses that are served.
    pub(super) sources: Vec<IpAddr>,
    pub(super) hosts: Hosts,
}

/// Where a [`Reloader`] tells others of a new generation.
#[derive(Debug)]
pub(super) struct Outlets {
    pub(super) renewals: mpsc::Sender<Renewal>,
    pub(super) announcements: mpsc::UnboundedSender<Announcement>,
    pub(super) hooks: watch::Sender<Hooks>,
    pub(super) journal: Arc<Journal>,
    pub(super) query_log: Arc<QueryLog>,
}

impl Reloader {
    /// Goes on from the generation that a server started with, of which secondaries are told.
    pub(super) fn new(
        generation: &Generation,
        lineage: Lineage,
        roster: &Roster,
        begin: Begin,
        outlets: Outlets,
    ) -> Reloader {
        let Begin { facts, numbers, places, sources, hosts } = begin;
        let mut certificate = JoinSet::new();
        if let Some(files) = generation.certificate.clone() {
            certificate.spawn(files.watch());
        }
        let Lineage { fixed, archive, inputs, on_disk, fallback, mistakes } = lineage;
        let kept = archive.as_ref().and_then(|archive| archive.list().pop());
        let number = generation.number;
        let reloader = Reloader {
            fixed,
            roster: roster.clone(),
            renewals: outlets.renewals,
            announcements: outlets.announcements,
            hooks: outlets.hooks,
            sources,
            journal: outlets.journal,
            query_log: outlets.query_log,
            identity: generation.encrypted.as_ref().map(|encrypted| encrypted.identity.clone()),
            archive,
            on_disk: watch::Sender::new(on_disk),
            current: Mutex::new(Current {
                last: kept.map_or(number, |kept| kept.number.max(number)),
                files: number,
                inputs,
                facts,
                numbers,
                blueprint: generation.blueprint.clone(),
                table: hosts.table(),
                places,
                certificate,
            }),
            hosts,
        };
        reloader.announce(generation);
        if let Some(mistakes) = mistakes {
            let order = Reread { who: "the start".to_owned(), reason: None };
            reloader.tell(order, number, Err(mistakes));
        }
        if let Some(fallback) = fallback {
            let (of, who) = (fallback.generation, fallback.who.clone());
            reloader.journal.note(|files| files.fallback = Some(fallback));
            let (generation, reason) = (number, None);
            reloader.journal.tell(Event::Rollback { generation, of, who, reason });
        }
        reloader
    }

    /// Puts what stands on disk in force; see [`Server::reload`](super::Server::reload).
    pub(super) async fn reload(
        &self,
        path: &Path,
        order: Reread,
        when: When,
    ) -> Result<Option<Reloaded>, ReloadError> {
        let mut current = self.current.lock().await;
        let reloading = Reloading::begin();
        let inputs = Arc::new(Inputs::disk());
        let outcome = self.follow(&mut current, path, &inputs, when).await;
        match &outcome {
            Ok(None) => {}
            Ok(Some(reloaded)) => {
                self.journal.note(|files| files.fallback = None);
                self.tell(order, current.facts.number, Ok(reloaded));
                self.keep(&current).await;
            }
            Err(error) => self.tell(order, current.facts.number, Err(error.text())),
        }
        reloading.end(current.facts.number, outcome.is_ok());
        outcome
    }

    /// Remembers what became of a reload, and tells it.
    fn tell(&self, order: Reread, generation: u64, outcome: Result<&Reloaded, String>) {
        let Reread { who, reason } = order;
        let (error, lints, waiting) = match outcome {
            Ok(reloaded) => (None, reloaded.lints.as_slice(), reloaded.waiting.as_slice()),
            Err(error) => (Some(error), &[][..], &[][..]),
        };
        let waiting = waiting.iter().map(|key| (*key).to_owned()).collect();
        let reload = Reload {
            at: millis(SystemTime::now()),
            who,
            generation,
            error,
            lints: if lints.is_empty() { String::new() } else { config::render(lints, false) },
            waiting,
        };
        self.journal.tell_reload(reload, reason);
    }

    /// The same for whoever asks through the control API.
    pub(super) async fn report(
        &self,
        path: Option<&Path>,
        order: Reread,
    ) -> Result<Reload, Refusal> {
        let path = path.ok_or_else(no_files)?;
        match self.reload(path, order, When::Asked).await {
            // Another reload may have come since; that one is the newer truth.
            Ok(_) => self.journal.files().reload.ok_or(Refusal::Away),
            Err(error) => Err(Refusal::Mistakes(error.text())),
        }
    }

    /// Tells of changes of what was last read from disk.
    pub(super) fn watch(&self) -> Watch {
        Watch::new(self.on_disk.subscribe())
    }

    /// The next generation, or none.
    async fn follow(
        &self,
        current: &mut Current,
        path: &Path,
        inputs: &Arc<Inputs>,
        when: When,
    ) -> Result<Option<Reloaded>, ReloadError> {
        let (fixed, slots_of) = (self.fixed.clone(), current.facts.snapshot.clone());
        let (path, number, source) = (path.to_owned(), current.last + 1, Arc::clone(inputs));
        let outcome = apart(move || read(path, &source, number, &fixed, &slots_of)).await?;
        if !inputs.are_kept() {
            let is_known = inputs.is_same(&self.on_disk.borrow());
            self.on_disk.send_replace(Arc::clone(inputs));
            if is_known && when == When::Changed {
                return Ok(None);
            }
        }
        let (mut generation, waiting) = outcome?;
        look_up(&self.hosts, &generation).await;
        let table = self.hosts.table();
        let facts = Facts::of(&generation, &table);
        let places = Arc::new(Places::of(&mut generation));
        let put = self.put_in_force(current, facts.clone(), places).await;
        if put.is_ok() {
            (current.files, current.inputs) = (number, Arc::clone(inputs));
            current.blueprint = generation.blueprint.clone();
            current.table = table;
        }
        let names = current.blueprint.as_ref().map_or(&[][..], |blueprint| blueprint.names());
        self.hosts.keep(names);
        let old = put?;
        if let (Some(shown), Some(encrypted)) = (&self.identity, &generation.encrypted) {
            current.certificate.abort_all();
            shown.replace(&encrypted.identity);
            if let Some(files) = generation.certificate.take() {
                current.certificate.spawn(files.shown_as(shown).watch());
            }
        }
        self.announce(&generation);
        // Nothing waits for it.
        drop(self.query_log.set(generation.query_log.clone()));
        // New ones are told of this reload too.
        let (list, from) = (generation.hooks.clone(), self.journal.history().last());
        self.hooks.send_replace(Hooks { list, from });
        let lints = std::mem::take(&mut generation.lints);
        let differences = apart(move || {
            let differences = changes::between(old.side(), facts.side());
            // Freed here: that takes a while for a million names.
            drop((old, facts, generation));
            differences
        });
        let differences = differences.await?;
        for difference in differences {
            tracing::info!("generation {number}, {difference}");
        }
        if !waiting.is_empty() {
            tracing::warn!("waiting for a restart: {}", waiting.join(", "));
        }
        Ok(Some(Reloaded { number, lints, waiting }))
    }

    /// Begins the checks, and has the desk answer from it after their first round; gives what was
    /// in force before.
    async fn put_in_force(
        &self,
        current: &mut Current,
        facts: Facts,
        places: Arc<Places>,
    ) -> Result<Facts, ReloadError> {
        let (roster, checks) = (self.roster.clone(), facts.checks.clone());
        let numbers = apart(move || roster.begin(&checks)).await??;
        let late = self.roster.first_round().await;
        if late > 0 {
            tracing::warn!("{late} checks had no result in their first round");
        }
        let (done, is_done) = oneshot::channel();
        let renewal = Renewal {
            snapshot: facts.snapshot.clone(),
            steering: facts.steering.clone(),
            checks: facts.checks.clone(),
            safety: facts.safety,
            maintenance: facts.maintenance.clone(),
            numbers: numbers.clone(),
            number: facts.number,
            places: places.clone(),
            done,
        };
        if self.renewals.send(renewal).await.is_err() || is_done.await.is_err() {
            self.roster.keep(&current.numbers);
            return Err(ReloadError::Defect("nobody puts generations in force any more".into()));
        }
        self.roster.keep(&numbers);
        (current.numbers, current.places) = (numbers, places);
        current.last = facts.number;
        Ok(std::mem::replace(&mut current.facts, facts))
    }

    fn announce(&self, generation: &Generation) {
        let announcement = Announcement {
            snapshot: generation.snapshot.clone(),
            secondaries: generation.secondaries.clone(),
            sources: self.sources.clone(),
        };
        // Nobody listens any more when the server stops.
        let _ = self.announcements.send(announcement);
    }
}

impl Facts {
    /// A generation with these addresses of its host names.
    pub(super) fn of(generation: &Generation, table: &Table) -> Facts {
        let (steering, checks) = match &generation.blueprint {
            None => (generation.steering.clone(), generation.checks.clone()),
            Some(blueprint) => {
                let (steering, checks) = blueprint.fill(&generation.steering, table);
                (Arc::new(steering), checks)
            }
        };
        Facts {
            number: generation.number,
            snapshot: generation.snapshot.clone(),
            steering,
            checks,
            safety: generation.safety,
            maintenance: generation.maintenance.clone(),
        }
    }

    fn side(&self) -> Side<'_> {
        let Facts { snapshot, steering, checks, .. } = self;
        Side { snapshot, model: &steering.model, checks }
    }
}

fn no_files() -> Refusal {
    Refusal::Refused("this server has no files: all that it serves is in the program".to_owned())
}

fn defect(error: ReloadError) -> Refusal {
    Refusal::Refused(error.to_string())
}

/// Does what takes long where nothing waits for it.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReloadError> {
    spawn_blocking(work).await.map_err(|error| ReloadError::Defect(error.to_string()))
}

/// Reads and compiles everything; with the keys that wait for a restart.
fn read(
    path: PathBuf,
    inputs: &Inputs,
    number: u64,
    fixed: &Fixed,
    before: &Snapshot,
) -> Result<(Generation, Vec<&'static str>), ReloadError> {
    let mut loaded = config::read(inputs, &path).map_err(ReloadError::Refused)?;
    let waiting = fixed.waiting(&loaded.config);
    fixed.put_back(&mut loaded.config);
    let mut generation = build(loaded, Origin::Files(inputs)).map_err(ReloadError::Refused)?;
    generation.number(number);
    // Serving does not need it, and whoever explains looks into the databases.
    generation.atlas = Default::default();
    if let Some(snapshot) = Arc::get_mut(&mut generation.snapshot) {
        snapshot.transfer.slots.follow(&before.transfer.slots);
    }
    Ok((generation, waiting))
}
