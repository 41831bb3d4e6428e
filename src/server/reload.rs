//! One generation after another: read, check and compile the new one beside the old one, then
//! put it in force as a whole or not at all. What is in force is kept, and what was kept can be put
//! in force again.
//!
//! ```text
//! config::load ─► build ─► checks begin ─► their first round ─► Renewal ─► desk swaps
//!    (the old generation answers)                                            └► NOTIFY, log
//! ```

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};

use crate::admin::Refusal;
use crate::admin::line::Rollback;
use crate::admin::message::{Fallback, KeptGeneration, Reload, RolledBack, millis};
use crate::config::{self, Diagnostic};
use crate::engine::Snapshot;
use crate::health::{self, Check, CheckId, Roster};
use crate::server::build::{Generation, Origin, build};
use crate::server::changes::{self, Side};
use crate::server::desk::{Places, Renewal};
use crate::server::event::Event;
use crate::server::first::Lineage;
use crate::server::fixed::Fixed;
use crate::server::generations::{Archive, Inputs, Kept, Watch};
use crate::server::journal::Journal;
use crate::server::notify::Announcement;
use crate::steering::control::Steering;
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
    /// The addresses that are served.
    sources: Vec<IpAddr>,
    /// What encrypted listeners show, when there are any.
    identity: Option<Identity>,
    journal: Arc<Journal>,
    /// Where generations are kept, if they are.
    archive: Option<Archive>,
    /// What was last read from disk.
    on_disk: watch::Sender<Arc<Inputs>>,
    current: Mutex<Current>,
}

/// The generation in force.
#[derive(Debug)]
struct Current {
    number: u64,
    /// The highest number that was given so far.
    last: u64,
    inputs: Arc<Inputs>,
    facts: Facts,
    /// The roster's numbers of its checks.
    numbers: Vec<CheckId>,
    /// Looks after the certificate's files, when there are any, as long as it is not dropped.
    certificate: JoinSet<()>,
}

/// What generations are compared by.
#[derive(Debug, Clone)]
struct Facts {
    snapshot: Arc<Snapshot>,
    steering: Arc<Steering>,
    checks: Vec<Check>,
}

/// Where a [`Reloader`] tells others of a new generation.
#[derive(Debug)]
pub(super) struct Outlets {
    pub(super) renewals: mpsc::Sender<Renewal>,
    pub(super) announcements: mpsc::UnboundedSender<Announcement>,
    pub(super) journal: Arc<Journal>,
}

impl Reloader {
    /// Goes on from the generation that a server started with, of which secondaries are told.
    pub(super) fn new(
        generation: &Generation,
        lineage: Lineage,
        roster: &Roster,
        numbers: Vec<CheckId>,
        sources: Vec<IpAddr>,
        outlets: Outlets,
    ) -> Reloader {
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
            sources,
            journal: outlets.journal,
            identity: generation.encrypted.as_ref().map(|encrypted| encrypted.identity.clone()),
            archive,
            on_disk: watch::Sender::new(on_disk),
            current: Mutex::new(Current {
                number,
                last: kept.map_or(number, |kept| kept.number.max(number)),
                inputs,
                facts: Facts::of(generation),
                numbers,
                certificate,
            }),
        };
        reloader.announce(generation);
        if let Some(mistakes) = mistakes {
            reloader.tell("the start", number, Err(mistakes));
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
        who: &str,
        when: When,
    ) -> Result<Option<Reloaded>, ReloadError> {
        let mut current = self.current.lock().await;
        let inputs = Arc::new(Inputs::disk());
        let outcome = self.follow(&mut current, path, &inputs, when).await;
        match &outcome {
            Ok(None) => {}
            Ok(Some(reloaded)) => {
                self.journal.note(|files| files.fallback = None);
                self.tell(who, current.number, Ok(reloaded));
                self.keep(&current).await;
            }
            Err(error) => self.tell(who, current.number, Err(error.text())),
        }
        outcome
    }

    /// Remembers what became of a reload, and tells it.
    fn tell(&self, who: &str, generation: u64, outcome: Result<&Reloaded, String>) {
        let (error, lints, waiting) = match outcome {
            Ok(reloaded) => (None, reloaded.lints.as_slice(), reloaded.waiting.as_slice()),
            Err(error) => (Some(error), &[][..], &[][..]),
        };
        self.journal.tell_reload(Reload {
            at: millis(SystemTime::now()),
            who: who.to_owned(),
            generation,
            error,
            lints: if lints.is_empty() { String::new() } else { config::render(lints, false) },
            waiting: waiting.iter().map(|key| (*key).to_owned()).collect(),
        });
    }

    /// The same for whoever asks through the control API.
    pub(super) async fn report(&self, path: Option<&Path>, who: &str) -> Result<Reload, Refusal> {
        let path = path.ok_or_else(no_files)?;
        match self.reload(path, who, When::Asked).await {
            // Another reload may have come since; that one is the newer truth.
            Ok(_) => self.journal.files().reload.ok_or(Refusal::Away),
            Err(error) => Err(Refusal::Mistakes(error.text())),
        }
    }

    /// Puts a kept generation in force.
    pub(super) async fn roll_back(
        &self,
        path: Option<&Path>,
        order: Rollback,
    ) -> Result<RolledBack, Refusal> {
        let (Some(path), Some(archive)) = (path, self.archive.clone()) else {
            return Err(no_files());
        };
        let mut current = self.current.lock().await;
        let list = apart(move || archive.list()).await.map_err(defect)?;
        let in_force = self.kept_as(&current);
        let kept = match order.generation {
            Some(number) => list.iter().find(|kept| kept.number == number),
            None => list.iter().rev().find(|kept| kept.number < in_force),
        };
        let kept = kept.cloned().ok_or_else(|| unknown(order.generation, in_force, &list))?;
        let inputs = Arc::new(Inputs::kept(kept.clone()));
        let done = self.follow(&mut current, path, &inputs, When::Asked).await;
        let done = done.map_err(|error| Refusal::Mistakes(error.text()))?;
        let (generation, of, at, who) = (current.number, kept.number, kept.at, order.who);
        let fallback = Fallback { generation: of, at, who: who.clone() };
        self.journal.note(|files| files.fallback = Some(fallback));
        self.journal.tell(Event::Rollback { generation, of, who, reason: order.reason });
        self.keep(&current).await;
        let on_disk = Arc::clone(&self.on_disk.borrow());
        let differing = apart(move || on_disk.differences(&kept)).await.map_err(defect)?;
        let waiting = done.map(|done| done.waiting).unwrap_or_default();
        Ok(RolledBack {
            generation,
            of,
            at,
            differing: differing.iter().map(|path| path.display().to_string()).collect(),
            waiting: waiting.into_iter().map(str::to_owned).collect(),
        })
    }

    /// What is kept, the oldest first.
    pub(super) async fn generations(&self) -> Vec<KeptGeneration> {
        let Some(archive) = self.archive.clone() else { return Vec::new() };
        let current = self.current.lock().await;
        let in_force = self.kept_as(&current);
        drop(current);
        let list = apart(move || archive.list()).await.unwrap_or_default();
        let shown = |kept: Kept| KeptGeneration {
            generation: kept.number,
            at: kept.at,
            files: kept.file_count(),
            octets: kept.octets(),
            in_force: kept.number == in_force,
        };
        list.into_iter().map(shown).collect()
    }

    /// The number under which the generation in force was kept first.
    fn kept_as(&self, current: &Current) -> u64 {
        self.journal.files().fallback.map_or(current.number, |fallback| fallback.generation)
    }

    /// Tells of changes of what was last read from disk.
    pub(super) fn watch(&self) -> Watch {
        Watch::new(self.on_disk.subscribe())
    }

    /// Keeps the generation that the server started with.
    pub(super) async fn keep_first(&self) {
        let current = self.current.lock().await;
        self.keep(&current).await;
    }

    /// Keeps the generation in force. When that fails everything else goes on.
    async fn keep(&self, current: &Current) {
        let Some(archive) = self.archive.clone() else { return };
        let (number, inputs) = (current.number, Arc::clone(&current.inputs));
        let now = millis(SystemTime::now());
        let unkept = match apart(move || archive.keep(number, now, &inputs)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let unkept = unkept.map(|why| format!("generation {number} is not kept: {why}"));
        if let Some(why) = &unkept {
            tracing::warn!("{why}; a start on broken files would find an older one, or none");
        }
        self.journal.note(|files| files.unkept = unkept);
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
        let (roster, checks) = (self.roster.clone(), generation.checks.clone());
        let numbers = apart(move || roster.begin(&checks)).await??;
        let late = self.roster.first_round().await;
        if late > 0 {
            tracing::warn!("{late} checks had no result in their first round");
        }
        let (done, is_done) = oneshot::channel();
        let renewal = Renewal {
            snapshot: generation.snapshot.clone(),
            steering: generation.steering.clone(),
            checks: generation.checks.clone(),
            numbers: numbers.clone(),
            number,
            places: Places {
                databases: std::mem::take(&mut generation.databases),
                networks: std::mem::take(&mut generation.networks),
            },
            done,
        };
        if self.renewals.send(renewal).await.is_err() || is_done.await.is_err() {
            self.roster.keep(&current.numbers);
            return Err(ReloadError::Defect("nobody puts generations in force any more".into()));
        }
        self.roster.keep(&numbers);
        if let (Some(shown), Some(encrypted)) = (&self.identity, &generation.encrypted) {
            current.certificate.abort_all();
            shown.replace(&encrypted.identity);
            if let Some(files) = generation.certificate.take() {
                current.certificate.spawn(files.shown_as(shown).watch());
            }
        }
        self.announce(&generation);
        (current.number, current.last) = (number, number);
        current.inputs = Arc::clone(inputs);
        current.numbers = numbers;
        let facts = Facts::of(&generation);
        let old = std::mem::replace(&mut current.facts, facts.clone());
        let lints = std::mem::take(&mut generation.lints);
        let differences = apart(move || {
            let differences = changes::between(old.side(), facts.side());
            // Freed here: that takes a while for a million names.
            drop((old, facts, generation));
            differences
        });
        let differences = differences.await?;
        tracing::info!("generation {number} is in force");
        for difference in differences {
            tracing::info!("generation {number}, {difference}");
        }
        if !waiting.is_empty() {
            tracing::warn!("waiting for a restart: {}", waiting.join(", "));
        }
        Ok(Some(Reloaded { number, lints, waiting }))
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
    fn of(generation: &Generation) -> Facts {
        Facts {
            snapshot: generation.snapshot.clone(),
            steering: generation.steering.clone(),
            checks: generation.checks.clone(),
        }
    }

    fn side(&self) -> Side<'_> {
        let Facts { snapshot, steering, checks } = self;
        Side { snapshot, model: &steering.model, checks }
    }
}

fn no_files() -> Refusal {
    Refusal::Refused("this server has no files to read anew".to_owned())
}

fn defect(error: ReloadError) -> Refusal {
    Refusal::Refused(error.to_string())
}

/// That there is no such generation, and which there are.
fn unknown(wanted: Option<u64>, in_force: u64, list: &[Kept]) -> Refusal {
    let what = match wanted {
        Some(number) => format!("no generation {number} is kept"),
        None => format!("nothing older than generation {in_force} is kept"),
    };
    let numbers: Vec<String> = list.iter().map(|kept| kept.number.to_string()).collect();
    Refusal::Unknown(match &numbers[..] {
        [] => what,
        numbers => format!("{what}; there are: {}", numbers.join(", ")),
    })
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
