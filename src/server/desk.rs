//! The control task: verdicts and orders arrive, answers are published, generations follow one
//! another.

mod inquiry;
mod orders;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::MissedTickBehavior;

use crate::admin::{Overrides, Request};
use crate::engine::{Engine, Snapshot};
use crate::geo::{Database, Network};
use crate::health::{Check, CheckId, Hold, Report, Roster, Verdict};
use crate::server::build::Generation;
use crate::server::event::Event;
use crate::server::journal::Journal;
use crate::steering::control::{Change, Control, Steering};

/// Time between two evaluations of latency choices: three in a row move one.
const LATENCY_PACE: Duration = Duration::from_secs(10);

/// Time between two steps of shares that move.
const SHARE_PACE: Duration = Duration::from_secs(1);

/// Time between two looks at what was replaced, while there is any.
const SWEEP_PACE: Duration = Duration::from_millis(250);

/// The longest sleep until an override ends: the clock may be set meanwhile.
const EXPIRY_PACE: Duration = Duration::from_secs(1);

/// Where verdicts arrive and answers are published.
pub(super) struct Desk {
    engine: Arc<ArcSwap<Engine>>,
    snapshot: Arc<Snapshot>,
    retired: Retired,
    control: Control,
    checks: Vec<Check>,
    roster: Roster,
    /// What the generation calls the checks of the roster; others are not its own.
    numbers: HashMap<CheckId, CheckId>,
    /// Why the last checks failed, by the numbers of the roster.
    failures: HashMap<CheckId, String>,
    /// What holds targets down, as told last; by the roster's numbers.
    holds: HashMap<CheckId, Hold>,
    /// Checks whose targets are warned of, as told last; by the roster's numbers.
    warned: HashSet<CheckId>,
    overrides: Overrides,
    journal: Arc<Journal>,
    /// The number of the generation in force.
    generation: u64,
    started: SystemTime,
    places: Places,
}

/// Where clients are, for whoever explains.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) databases: Vec<Database>,
    pub(super) networks: Vec<Network>,
}

/// A generation that is to be in force.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) steering: Arc<Steering>,
    pub(super) checks: Vec<Check>,
    /// The roster's numbers of `checks`.
    pub(super) numbers: Vec<CheckId>,
    pub(super) number: u64,
    pub(super) places: Places,
    /// Told when it is in force.
    pub(super) done: oneshot::Sender<()>,
}

/// What a worker or a connection may still read. It is freed here and never by a worker.
#[derive(Debug, Default)]
struct Retired {
    engines: Vec<Arc<Engine>>,
    snapshots: Vec<Arc<Snapshot>>,
}

impl Desk {
    /// Answers with what the checks know now; `failures` say why some failed.
    pub(super) fn open(
        generation: &Generation,
        places: Places,
        roster: &Roster,
        numbers: &[CheckId],
        failures: HashMap<CheckId, String>,
        overrides: Overrides,
        journal: Arc<Journal>,
    ) -> Desk {
        let numbers = numbers_of(numbers);
        let verdicts = verdicts(roster, &numbers);
        let mut control = Control::new(generation.steering.clone(), verdicts);
        measure(&mut control, roster, &numbers, &generation.checks);
        control.evaluate_latency();
        let engine = Engine {
            snapshot: generation.snapshot.clone(),
            live: Arc::new(control.live().clone()),
        };
        let mut desk = Desk {
            engine: Arc::new(ArcSwap::from_pointee(engine)),
            snapshot: generation.snapshot.clone(),
            retired: Retired::default(),
            control,
            checks: generation.checks.clone(),
            roster: roster.clone(),
            numbers,
            failures,
            holds: HashMap::new(),
            warned: HashSet::new(),
            overrides,
            journal,
            generation: generation.number,
            started: SystemTime::now(),
            places,
        };
        // What ended while the server was away is not in force for a moment.
        desk.expire();
        desk.enforce();
        let begin = desk.control.settle();
        desk.swap();
        for (begun, check) in desk.numbers.clone() {
            if desk.control.verdict(check) == Verdict::Down {
                desk.tell_verdict(check, Verdict::Down, desk.failures.get(&begun).cloned());
            }
            desk.tell_record(begun, check);
        }
        desk.tell_changes(begin);
        desk
    }

    /// What answers at each moment.
    pub(super) fn engine(&self) -> &Arc<ArcSwap<Engine>> {
        &self.engine
    }

    /// Works until told to stop, or until nothing reports any more.
    pub(super) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut renewals: mpsc::Receiver<Renewal>,
        mut requests: mpsc::Receiver<Request>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut pace = tokio::time::interval(LATENCY_PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shares = tokio::time::interval(SHARE_PACE);
        shares.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(SWEEP_PACE);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // `false` came before; only `true`, or the sender's end, comes after.
                _ = stop.changed() => return,
                report = reports.recv() => match report {
                    None => return,
                    Some(report) => {
                        self.take(report);
                        // What has gathered is settled together.
                        self.take_all(&mut reports);
                    }
                },
                Some(renewal) = renewals.recv() => {
                    self.take_all(&mut reports);
                    block_in_place(|| self.renew(renewal));
                }
                Some(request) = requests.recv() => {
                    self.take_all(&mut reports);
                    block_in_place(|| self.answer(request));
                }
                () = until(self.overrides.next_end()) => self.expire(),
                _ = pace.tick() => self.control.evaluate_latency(),
                _ = shares.tick(), if self.control.is_moving() => {
                    self.control.tick(SystemTime::now());
                }
                _ = sweep.tick(), if !self.retired.is_empty() => {
                    let free = self.retired.unread();
                    // A million names take their time to be freed.
                    spawn_blocking(move || drop(free));
                }
            }
            self.publish();
        }
    }

    fn take_all(&mut self, reports: &mut mpsc::Receiver<Report>) {
        while let Ok(report) = reports.try_recv() {
            self.take(report);
        }
    }

    fn take(&mut self, report: Report) {
        let reason = report.outcome.as_ref().err().map(ToString::to_string);
        match &reason {
            Some(reason) => drop(self.failures.insert(report.check, reason.clone())),
            None => drop(self.failures.remove(&report.check)),
        }
        let Some(check) = self.numbers.get(&report.check).copied() else { return };
        let is_news = self.control.verdict(check) != report.verdict;
        self.control.set_verdict(check, report.verdict);
        if let Some(ms) = report.server_ms {
            self.control.set_server_ms(check, f64::from(ms));
        }
        self.control.set_load(check, report.load.unwrap_or(f32::NAN));
        if is_news {
            self.tell_verdict(check, report.verdict, reason);
        }
        let rules = self.checks[check.0 as usize].monitor.rules;
        self.control.set_left(check, rules.left(report.is_warned));
        if self.warned.contains(&report.check) != report.is_warned {
            let strain = report.outcome.ok().and_then(|timing| rules.strain(&timing));
            self.tell_warning(report.check, check, strain.map(|strain| strain.to_string()));
        }
        self.tell_hold(report.check, check, report.hold);
    }

    /// Puts a generation in force, with what the checks know now.
    fn renew(&mut self, renewal: Renewal) {
        let Renewal { snapshot, steering, checks, numbers, number, places, done } = renewal;
        let numbers = numbers_of(&numbers);
        let verdicts = verdicts(&self.roster, &numbers);
        let mut control = Control::succeed(&self.control, steering, verdicts);
        measure(&mut control, &self.roster, &numbers, &checks);
        let before = std::mem::replace(&mut self.numbers, numbers);
        self.control = control;
        self.expire();
        // Also about pools that were in no file before.
        self.enforce();
        let changes = self.control.settle();
        (self.generation, self.places) = (number, places);
        self.checks = checks;
        self.retired.snapshots.push(std::mem::replace(&mut self.snapshot, snapshot));
        self.swap();
        let numbers = &self.numbers;
        self.failures.retain(|begun, _| numbers.contains_key(begun));
        for (begun, check) in self.numbers.clone() {
            if !before.contains_key(&begun) && self.control.verdict(check) == Verdict::Down {
                self.tell_verdict(check, Verdict::Down, self.failures.get(&begun).cloned());
            }
            self.tell_record(begun, check);
        }
        self.holds.retain(|begun, _| self.numbers.contains_key(begun));
        self.warned.retain(|begun| self.numbers.contains_key(begun));
        self.tell_changes(changes);
        // Whoever asked may have gone; it is in force all the same.
        let _ = done.send(());
    }

    fn publish(&mut self) {
        if self.control.has_unsettled() {
            let changes = self.control.settle();
            self.swap();
            self.tell_changes(changes);
        }
    }

    /// Answers from what is there now.
    fn swap(&mut self) {
        let engine =
            Engine { snapshot: self.snapshot.clone(), live: Arc::new(self.control.live().clone()) };
        self.retired.engines.push(self.engine.swap(Arc::new(engine)));
    }

    fn tell_changes(&self, changes: Vec<Change>) {
        for change in changes {
            self.journal.tell(self.event(change));
        }
    }

    fn tell_verdict(&self, check: CheckId, verdict: Verdict, reason: Option<String>) {
        let (target, monitor) = self.named(check);
        self.journal.tell(Event::Verdict { target, monitor, verdict, reason });
    }

    /// Tells what is otherwise about a target than was told of it, as its record has it.
    fn tell_record(&mut self, begun: CheckId, check: CheckId) {
        let Some(record) = self.roster.record(begun) else { return };
        let rules = self.checks[check.0 as usize].monitor.rules;
        if self.warned.contains(&begun) != record.state.is_warned {
            self.tell_warning(begun, check, None);
        }
        self.tell_hold(begun, check, record.state.hold(&rules, SystemTime::now()));
    }

    /// Tells what holds a target down when that is another thing than before.
    fn tell_hold(&mut self, begun: CheckId, check: CheckId, hold: Option<Hold>) {
        let Some(hold) = hold else {
            self.holds.remove(&begun);
            return;
        };
        if self.holds.insert(begun, hold).is_some_and(|before| before.is_like(&hold)) {
            return;
        }
        let (target, monitor) = self.named(check);
        self.journal.tell(Event::Hold { target, monitor, hold: hold.told(SystemTime::now()) });
    }

    /// Tells that a target is warned of, or no longer: the other thing than before.
    fn tell_warning(&mut self, begun: CheckId, check: CheckId, strain: Option<String>) {
        let has_begun = self.warned.insert(begun);
        if !has_begun {
            self.warned.remove(&begun);
        }
        let (target, monitor) = self.named(check);
        self.journal.tell(Event::Warning { target, monitor, strain, begun: has_begun });
    }

    /// Target and monitor of a check.
    fn named(&self, check: CheckId) -> (String, String) {
        let check = &self.checks[check.0 as usize];
        (check.target.to_string(), check.monitor.name.clone())
    }

    fn event(&self, change: Change) -> Event {
        let model = &self.control.steering().model;
        match change {
            Change::Pool { pool, is_up } => {
                Event::Pool { pool: model.pool(pool).name.clone(), is_up }
            }
            Change::Share { pool, cause, share } => {
                Event::Share { pool: model.pool(pool).name.clone(), cause, share }
            }
            Change::Panic { records, begun } => {
                let name =
                    |id: &crate::zone::RecordId| model.records[id.0 as usize].owner.to_string();
                Event::Panic { records: records.iter().map(name).collect(), begun }
            }
        }
    }
}

impl Retired {
    fn is_empty(&self) -> bool {
        self.engines.is_empty() && self.snapshots.is_empty()
    }

    /// Takes out what nobody else reads. Nobody can begin to: it is published no more.
    fn unread(&mut self) -> (Vec<Arc<Engine>>, Vec<Arc<Snapshot>>) {
        // An engine holds its snapshot, which is seen as unread at the next look.
        let engines = self.engines.extract_if(.., |engine| Arc::strong_count(engine) == 1);
        let snapshots = self.snapshots.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1);
        (engines.collect(), snapshots.collect())
    }
}

/// Waits for an end that may be; a second at most, because the clock may be set.
async fn until(end: Option<SystemTime>) {
    match end {
        None => std::future::pending().await,
        Some(end) => {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            tokio::time::sleep(left.min(EXPIRY_PACE)).await;
        }
    }
}

/// From the roster's numbers to the generation's.
fn numbers_of(numbers: &[CheckId]) -> HashMap<CheckId, CheckId> {
    numbers.iter().copied().zip((0..).map(CheckId)).collect()
}

fn verdicts(roster: &Roster, numbers: &HashMap<CheckId, CheckId>) -> Vec<(CheckId, Verdict)> {
    let known =
        |(begun, check): (&CheckId, &CheckId)| Some((*check, roster.record(*begun)?.state.verdict));
    numbers.iter().filter_map(known).collect()
}

/// What the checks measured of their targets, and warn of.
fn measure(
    control: &mut Control,
    roster: &Roster,
    numbers: &HashMap<CheckId, CheckId>,
    checks: &[Check],
) {
    for (begun, check) in numbers {
        let Some(record) = roster.record(*begun) else { continue };
        if let Some(ms) = record.server_ms {
            control.set_server_ms(*check, f64::from(ms));
        }
        control.set_load(*check, record.load.unwrap_or(f32::NAN));
        let rules = &checks[check.0 as usize].monitor.rules;
        control.set_left(*check, rules.left(record.state.is_warned));
    }
}
