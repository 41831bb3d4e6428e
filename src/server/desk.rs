//! The control task: verdicts and orders arrive, answers are published, generations follow one
//! another.

mod calendar;
mod inquiry;
mod insight;
mod orders;
mod reports;
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use calendar::Calendar;
pub(super) use orders::in_force;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::MissedTickBehavior;

use crate::admin::{Overrides, Request};
use crate::engine::{Engine, Snapshot};
use crate::geo::{Database, Network};
use crate::health::{Check, CheckId, Hold, Report, Roster, Verdict};
use crate::server::build::Generation;
use crate::server::event::Event;
use crate::server::hosts::Table;
use crate::server::journal::Journal;
use crate::server::reload::Facts;
use crate::steering::control::{Change, Control, Safety, Steering, Window};
use crate::steering::model::PoolId;
use reports::Awaited;
use world::Census;

/// Time between two evaluations of choices by latency and load: three in a row move one.
const CHOICE_PACE: Duration = Duration::from_secs(10);

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
    outcomes: Outcomes,
    /// What holds targets down, as told last; by the roster's numbers.
    holds: HashMap<CheckId, Hold>,
    /// Checks whose targets are warned of, as told last; by the roster's numbers.
    warned: HashSet<CheckId>,
    /// What host names stand for.
    hosts: watch::Receiver<Arc<Table>>,
    /// What was reported and is on its way through the checks.
    awaited: Vec<Awaited>,
    overrides: Overrides,
    calendar: Calendar,
    journal: Arc<Journal>,
    /// The number of the generation in force.
    generation: u64,
    started: SystemTime,
    places: Arc<Places>,
    /// Of the generation in force.
    census: Arc<Census>,
}

/// Where clients are, for whoever explains.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) databases: Vec<Database>,
    pub(super) networks: Vec<Network>,
}

impl Places {
    /// Takes them out of a generation that is to be in force.
    pub(super) fn of(generation: &mut Generation) -> Places {
        Places {
            databases: std::mem::take(&mut generation.databases),
            networks: std::mem::take(&mut generation.networks),
        }
    }
}

/// What came of the last checks, by the numbers of the roster.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// Why those failed that did.
    failures: HashMap<CheckId, String>,
    /// How long those took that succeeded last.
    took: HashMap<CheckId, Duration>,
}

impl Outcomes {
    pub(super) fn note(&mut self, report: &Report) {
        match &report.outcome {
            Ok(timing) => {
                self.failures.remove(&report.check);
                // Reports and composites take none.
                if !timing.total.is_zero() {
                    self.took.insert(report.check, timing.total);
                }
            }
            Err(failure) => {
                self.failures.insert(report.check, failure.to_string());
            }
        }
    }

    fn failure(&self, check: CheckId) -> Option<&str> {
        self.failures.get(&check).map(String::as_str)
    }

    fn took(&self, check: CheckId) -> Option<Duration> {
        self.took.get(&check).copied()
    }

    /// Forgets all checks but these.
    fn keep(&mut self, checks: &HashMap<CheckId, CheckId>) {
        self.failures.retain(|check, _| checks.contains_key(check));
        self.took.retain(|check, _| checks.contains_key(check));
    }
}

/// What a desk has to do with the others.
#[derive(Debug)]
pub(super) struct Ties {
    /// What host names stand for.
    pub(super) hosts: watch::Receiver<Arc<Table>>,
    pub(super) overrides: Overrides,
    pub(super) journal: Arc<Journal>,
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
    pub(super) safety: Safety,
    pub(super) maintenance: Vec<(PoolId, Window)>,
    pub(super) places: Arc<Places>,
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
    /// Answers with what the checks know now, of which `outcomes` says more.
    pub(super) fn open(
        facts: &Facts,
        places: Arc<Places>,
        roster: &Roster,
        numbers: &[CheckId],
        outcomes: Outcomes,
        ties: Ties,
    ) -> Desk {
        let Ties { hosts, overrides, journal } = ties;
        let numbers = numbers_of(numbers);
        let verdicts = verdicts(roster, &numbers);
        let mut control = Control::new(facts.steering.clone(), verdicts);
        measure(&mut control, roster, &numbers, &facts.checks);
        age(&mut control, &hosts.borrow());
        control.evaluate_choices();
        let engine =
            Engine { snapshot: facts.snapshot.clone(), live: Arc::new(control.live().clone()) };
        let mut desk = Desk {
            engine: Arc::new(ArcSwap::from_pointee(engine)),
            snapshot: facts.snapshot.clone(),
            retired: Retired::default(),
            control,
            checks: facts.checks.clone(),
            roster: roster.clone(),
            numbers,
            outcomes,
            holds: HashMap::new(),
            warned: HashSet::new(),
            hosts,
            awaited: Vec::new(),
            overrides,
            calendar: Calendar::default(),
            journal,
            generation: facts.number,
            started: SystemTime::now(),
            places,
            census: Arc::default(),
        };
        desk.plan(facts.maintenance.clone());
        // What ended while the server was away is not in force for a moment.
        desk.expire();
        desk.enforce();
        desk.control.set_safety(facts.safety, SystemTime::now());
        let begin = desk.control.settle();
        desk.swap();
        for (begun, check) in desk.numbers.clone() {
            if desk.control.verdict(check) == Verdict::Down {
                let why = desk.outcomes.failure(begun).map(str::to_owned);
                desk.tell_verdict(check, Verdict::Down, why);
            }
            desk.tell_record(begun, check);
        }
        desk.tell_changes(begin);
        desk.tell_maintenance();
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
        let mut pace = tokio::time::interval(CHOICE_PACE);
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
                // The sender lives as long as this does.
                Ok(()) = self.hosts.changed() => {
                    let table = self.hosts.borrow_and_update().clone();
                    age(&mut self.control, &table);
                }
                _ = pace.tick() => self.control.evaluate_choices(),
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
            self.answer_reported();
        }
    }

    fn take_all(&mut self, reports: &mut mpsc::Receiver<Report>) {
        while let Ok(report) = reports.try_recv() {
            self.take(report);
        }
    }

    fn take(&mut self, report: Report) {
        self.outcomes.note(&report);
        self.hear(&report);
        let Some(check) = self.numbers.get(&report.check).copied() else { return };
        let is_news = self.control.verdict(check) != report.verdict;
        self.control.set_verdict(check, report.verdict);
        if let Some(ms) = report.server_ms {
            self.control.set_server_ms(check, f64::from(ms));
        }
        self.control.set_load(check, report.load.unwrap_or(f32::NAN));
        if is_news {
            let why = self.outcomes.failure(report.check).map(str::to_owned);
            self.tell_verdict(check, report.verdict, why);
        }
        self.control.set_change(check, report.change_within);
        let rules = self.checks[check.0 as usize].monitor.rules;
        self.control.set_left(check, rules.left(report.is_warned));
        if self.warned.contains(&report.check) != report.is_warned {
            let timing = report.outcome.ok();
            let strain = timing.and_then(|timing| rules.strain(&timing, report.load));
            self.tell_warning(report.check, check, strain.map(|strain| strain.to_string()));
        }
        self.tell_hold(report.check, check, report.hold);
    }

    /// Puts a generation in force, with what the checks know now.
    fn renew(&mut self, renewal: Renewal) {
        let Renewal { snapshot, steering, checks, numbers, number, .. } = renewal;
        let Renewal { safety, maintenance, places, done, .. } = renewal;
        let numbers = numbers_of(&numbers);
        let verdicts = verdicts(&self.roster, &numbers);
        let mut control = Control::succeed(&self.control, steering, verdicts);
        measure(&mut control, &self.roster, &numbers, &checks);
        age(&mut control, &self.hosts.borrow());
        let before = std::mem::replace(&mut self.numbers, numbers);
        self.control = control;
        self.plan(maintenance);
        self.expire();
        // Also about pools that were in no file before.
        self.enforce();
        self.control.set_safety(safety, SystemTime::now());
        let changes = self.control.settle();
        (self.generation, self.places) = (number, places);
        self.census = Arc::default();
        self.checks = checks;
        let before_it = std::mem::replace(&mut self.snapshot, snapshot);
        // New addresses alone leave it as it is.
        if !Arc::ptr_eq(&before_it, &self.snapshot) {
            self.retired.snapshots.push(before_it);
        }
        self.swap();
        self.outcomes.keep(&self.numbers);
        for (begun, check) in self.numbers.clone() {
            if !before.contains_key(&begun) && self.control.verdict(check) == Verdict::Down {
                let why = self.outcomes.failure(begun).map(str::to_owned);
                self.tell_verdict(check, Verdict::Down, why);
            }
            self.tell_record(begun, check);
        }
        self.holds.retain(|begun, _| self.numbers.contains_key(begun));
        self.warned.retain(|begun| self.numbers.contains_key(begun));
        self.await_only_what_is_checked();
        self.tell_changes(changes);
        // Whoever asked may have gone; it is in force all the same.
        let _ = done.send(());
    }

    fn publish(&mut self) {
        self.tell_maintenance();
        self.control.guard(SystemTime::now());
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
        self.publish_insight();
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
            Change::Held { pool, held } => Event::Held {
                pool: model.pool(pool).name.clone(),
                held: held.map(|held| held.to_string()),
                share: self.control.kept(pool),
            },
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

/// Takes until when the addresses of host names are fresh.
fn age(control: &mut Control, table: &Table) {
    for (name, known) in &table.of {
        control.set_fresh_until(name, known.until);
    }
    if !table.of.is_empty() {
        control.tick(SystemTime::now());
    }
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
        let monitor = &checks[check.0 as usize].monitor;
        control.set_left(*check, monitor.rules.left(record.state.is_warned));
        control.set_change(*check, monitor.change_within(&record.state));
    }
}
