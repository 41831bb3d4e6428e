//! The control side: verdicts, the operator's word and latency come in, [`Live`] comes out.
//!
//! Pure data, no clock and no task of its own: the server calls it when something changed and
//! publishes what it made.

mod inherit;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread;

use foldhash::fast::RandomState;

use crate::health::{CheckId, Verdict};
use crate::steering::answers::{Answers, Draft, Outcome};
use crate::steering::compile::{Compiled, World, latency_nodes};
use crate::steering::latency::Choice;
use crate::steering::live::{Live, Slot};
use crate::steering::model::{Model, OnAllDown, PoolId, PoolState, Record};
use crate::steering::plan::PlanId;
use crate::steering::resolve::{Ask, Item, Resolved, Ring, Source, View};
use crate::steering::served::Panic;
use crate::steering::spread;
use crate::steering::standing::{Resort, Standing};
use crate::steering::table::Groups;
use crate::wire::Type;
use crate::zone::RecordId;

/// One generation's steering: what was written, compiled.
#[derive(Debug)]
pub struct Steering {
    /// What the operator wrote.
    pub model: Model,
    /// What it means for every client.
    pub compiled: Compiled,
    bindings: Vec<Binding>,
    slots: Arc<[Slot]>,
    bindings_of_pool: Vec<Vec<usize>>,
    pools_of_check: HashMap<CheckId, Vec<PoolId>>,
}

/// Distance between the first counters of two records: odd, and near the golden section of the
/// number of counters, so that few records' counters meet.
const ROTOR_STRIDE: u32 = 10_007;

/// Answers that are worked out by more than one thread, at least: starting it takes as long as a
/// few dozen of them.
const MANY: usize = 512;

/// A target with what a record adds to it. Records that add the same share it, and so do targets
/// that mean the same for every client: a thousand services behind the same regions are worked
/// out once.
#[derive(Debug)]
struct Binding {
    /// Index into the compiled targets: the first of those that share it.
    target: usize,
    ttl: u32,
    on_all_down: OnAllDown,
    types: Vec<Type>,
    has_alias: bool,
    records: Vec<RecordId>,
}

/// Something an operator wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pool came up or went down.
    Pool {
        /// Which.
        pool: PoolId,
        /// Whether it is up now.
        is_up: bool,
    },
    /// Everything a record leads to is down for some clients, or no longer.
    Panic {
        /// The records concerned.
        records: Vec<RecordId>,
        /// Whether it has begun.
        begun: bool,
    },
}

impl Steering {
    /// Compiles a model for a world.
    pub fn new(model: Model, world: World<'_>) -> Steering {
        let compiled = Compiled::new(&model, world);
        let mut bindings: Vec<Binding> = Vec::new();
        let mut numbers = HashMap::<_, usize, RandomState>::default();
        let mut alike = HashMap::<_, usize, RandomState>::default();
        let mut slots = Vec::with_capacity(model.records.len());
        for (index, record) in model.records.iter().enumerate() {
            let key = (record.target, record.ttl, &record.on_all_down);
            let number = *numbers.entry(key).or_insert_with(|| {
                let binding = Binding::new(&model, &compiled, record);
                let target = &compiled.targets[binding.target];
                let table = target.table.as_ref().map(Arc::as_ptr);
                let types = (binding.types.clone(), binding.has_alias);
                let key = (table, &target.classes, types, record.ttl, &record.on_all_down);
                *alike.entry(key).or_insert_with(|| {
                    bindings.push(binding);
                    bindings.len() - 1
                })
            });
            let seed = spread::seed(record.owner.to_lower().as_wire());
            bindings[number].records.push(RecordId(index as u32));
            // Counters of different records lie apart; where they meet, rings turn together.
            slots.push(Slot {
                answers: number as u32,
                seed,
                rotor: (index as u32).wrapping_mul(ROTOR_STRIDE),
            });
        }
        let mut bindings_of_pool = vec![Vec::new(); model.pools.len()];
        for (number, binding) in bindings.iter().enumerate() {
            for pool in model.pools_under(compiled.targets[binding.target].target) {
                bindings_of_pool[pool.0 as usize].push(number);
            }
        }
        let mut pools_of_check: HashMap<CheckId, Vec<PoolId>> = HashMap::new();
        for (index, pool) in (0..).zip(&model.pools) {
            for check in pool.members.iter().filter_map(|member| member.check) {
                pools_of_check.entry(check).or_default().push(PoolId(index));
            }
        }
        let slots = slots.into();
        Steering { model, compiled, bindings, slots, bindings_of_pool, pools_of_check }
    }
}

impl Binding {
    fn new(model: &Model, compiled: &Compiled, record: &Record) -> Binding {
        let (types, has_alias) = model.record_types(record);
        Binding {
            target: compiled.number(record.target),
            ttl: record.ttl,
            on_all_down: record.on_all_down.clone(),
            types,
            has_alias,
            records: Vec::new(),
        }
    }

    fn columns(&self) -> impl Iterator<Item = Option<Type>> {
        self.types.iter().copied().map(Some).chain(self.has_alias.then_some(None))
    }
}

/// The moving state of one generation.
#[derive(Debug)]
pub struct Control {
    steering: Arc<Steering>,
    verdicts: HashMap<CheckId, Verdict>,
    check_ms: HashMap<CheckId, f64>,
    forced: HashMap<PoolId, PoolState>,
    standings: Vec<Standing>,
    server_ms: Vec<f64>,
    choices: HashMap<PlanId, Choice>,
    /// By binding and cell, for records that answer their last known answer.
    last_known: HashMap<(usize, usize), Resolved>,
    panics: Vec<bool>,
    /// One for each compiled target that has a table.
    groups: Vec<Option<Arc<Groups>>>,
    touched: BTreeSet<usize>,
    changes: Vec<Change>,
    live: Live,
}

impl Control {
    /// The start of a generation, with the verdicts known so far.
    pub fn new(
        steering: Arc<Steering>,
        verdicts: impl IntoIterator<Item = (CheckId, Verdict)>,
    ) -> Control {
        Control::after(None, steering, verdicts)
    }

    /// The start of a generation that follows another one: what is not in the files goes on.
    /// Those are the operator's word, latency choices, and last known answers. The first
    /// [`Control::settle`] returns what became otherwise.
    pub fn succeed(
        before: &Control,
        steering: Arc<Steering>,
        verdicts: impl IntoIterator<Item = (CheckId, Verdict)>,
    ) -> Control {
        Control::after(Some(before), steering, verdicts)
    }

    fn after(
        before: Option<&Control>,
        steering: Arc<Steering>,
        verdicts: impl IntoIterator<Item = (CheckId, Verdict)>,
    ) -> Control {
        let pools = steering.model.pools.len();
        let mut control = Control {
            verdicts: verdicts.into_iter().collect(),
            check_ms: HashMap::new(),
            forced: HashMap::new(),
            standings: Vec::new(),
            server_ms: vec![0.0; pools],
            choices: HashMap::new(),
            last_known: HashMap::new(),
            panics: vec![false; steering.bindings.len()],
            groups: Vec::new(),
            touched: (0..steering.bindings.len()).collect(),
            changes: Vec::new(),
            live: Live { slots: steering.slots.clone(), answers: Vec::new() },
            steering,
        };
        for node in latency_nodes(&control.steering.compiled.plans) {
            let choice = Choice::new(&control.view().estimates(node));
            control.choices.insert(node, choice);
        }
        if let Some(before) = before {
            control.inherit(before);
        }
        control.standings =
            (0..pools as u32).map(|pool| control.standing_of(PoolId(pool))).collect();
        for (pool, standing) in (0..).map(PoolId).zip(&control.standings) {
            if !standing.is_up(Resort::Healthy) {
                control.changes.push(Change::Pool { pool, is_up: false });
            }
        }
        control.regroup(|_| true);
        control.resolve_touched();
        if let Some(before) = before {
            control.changes = control.changes_since(before);
        }
        control
    }

    /// The generation it controls.
    pub fn steering(&self) -> &Arc<Steering> {
        &self.steering
    }

    /// What is answered since the last [`Control::settle`].
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The state of a pool.
    pub fn standing(&self, pool: PoolId) -> &Standing {
        &self.standings[pool.0 as usize]
    }

    /// The state that answers are resolved from.
    pub fn view(&self) -> View<'_> {
        View {
            model: &self.steering.model,
            plans: &self.steering.compiled.plans,
            standings: &self.standings,
            choices: &self.choices,
            server_ms: &self.server_ms,
        }
    }

    /// Takes a check's verdict.
    pub fn set_verdict(&mut self, check: CheckId, verdict: Verdict) {
        if self.verdicts.insert(check, verdict) != Some(verdict) {
            for pool in self.steering.clone().pools_of_check.get(&check).into_iter().flatten() {
                self.restand(*pool);
            }
        }
    }

    /// Takes what a check's target needs to answer, in milliseconds beyond the network.
    pub fn set_server_ms(&mut self, check: CheckId, ms: f64) {
        self.check_ms.insert(check, ms);
        for pool in self.steering.clone().pools_of_check.get(&check).into_iter().flatten() {
            let checks = self.steering.model.pool(*pool).members.iter().filter_map(|m| m.check);
            let known: Vec<f64> = checks.filter_map(|c| self.check_ms.get(&c).copied()).collect();
            self.server_ms[pool.0 as usize] = known.iter().sum::<f64>() / known.len() as f64;
        }
    }

    /// Puts a pool into a state over what its file says, or takes that back.
    pub fn force(&mut self, pool: PoolId, state: Option<PoolState>) {
        match state {
            Some(state) => self.forced.insert(pool, state),
            None => self.forced.remove(&pool),
        };
        self.restand(pool);
    }

    /// One evaluation of all latency choices; call at a steady pace, then [`Control::settle`].
    pub fn evaluate_latency(&mut self) {
        self.move_choices(|choice, estimates, up| choice.next(estimates, up));
    }

    /// Whether something changed since the last [`Control::settle`].
    pub fn has_unsettled(&self) -> bool {
        !self.touched.is_empty() || !self.changes.is_empty()
    }

    /// Works out the answers that changes since the last call have touched. Returns what an
    /// operator wants to hear of; the first time also what was so at the start.
    pub fn settle(&mut self) -> Vec<Change> {
        self.resolve_touched();
        std::mem::take(&mut self.changes)
    }

    /// The records for which nothing is up for some clients.
    pub fn panics(&self) -> impl Iterator<Item = RecordId> + '_ {
        let begun = self.panics.iter().zip(&self.steering.bindings).filter(|(panic, _)| **panic);
        begun.flat_map(|(_, binding)| binding.records.iter().copied())
    }

    /// What the checks say of a target.
    pub fn verdict(&self, check: CheckId) -> Verdict {
        self.verdicts.get(&check).copied().unwrap_or_default()
    }

    fn resolve_touched(&mut self) {
        if !self.touched.is_empty() {
            self.move_choices(|choice, estimates, up| choice.settle(estimates, up));
        }
        let touched: Vec<usize> = std::mem::take(&mut self.touched).into_iter().collect();
        for (number, found) in touched.iter().copied().zip(self.work_out(&touched)) {
            let Found { answers, panic, last_known } = found;
            for (cell, resolved) in last_known {
                self.last_known.insert((number, cell), resolved);
            }
            match self.live.answers.get_mut(number) {
                Some(slot) => *slot = answers,
                None => self.live.answers.push(answers),
            }
            if std::mem::replace(&mut self.panics[number], panic) != panic {
                let records = self.steering.bindings[number].records.clone();
                self.changes.push(Change::Panic { records, begun: panic });
            }
        }
    }

    /// The answers of some bindings, in their order, on all cores when they are many.
    fn work_out(&self, numbers: &[usize]) -> Vec<Found> {
        let one_by_one =
            |numbers: &[usize]| numbers.iter().map(|number| self.answers(*number)).collect();
        if numbers.len() < MANY {
            return one_by_one(numbers);
        }
        // Asking reads files of the system: longer than a few answers take.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (own, others) = numbers.split_at(numbers.len().div_ceil(threads));
        thread::scope(|scope| {
            let others: Vec<_> = others
                .chunks(own.len())
                .map(|chunk| scope.spawn(|| -> Vec<Found> { one_by_one(chunk) }))
                .collect();
            let mut found: Vec<Found> = one_by_one(own);
            for thread in others {
                match thread.join() {
                    Ok(others) => found.extend(others),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            found
        })
    }

    fn standing_of(&self, id: PoolId) -> Standing {
        let pool = self.steering.model.pool(id);
        let state = self.forced.get(&id).copied().unwrap_or(pool.state);
        Standing::of(pool, state, |check| self.verdict(check))
    }

    fn restand(&mut self, id: PoolId) {
        let standing = self.standing_of(id);
        let old = std::mem::replace(&mut self.standings[id.0 as usize], standing);
        let new = &self.standings[id.0 as usize];
        if old == *new {
            return;
        }
        let is_up = new.is_up(Resort::Healthy);
        if old.is_up(Resort::Healthy) != is_up {
            self.changes.push(Change::Pool { pool: id, is_up });
        }
        self.touched.extend(&self.steering.bindings_of_pool[id.0 as usize]);
    }

    fn move_choices(
        &mut self,
        step: impl Fn(Choice, &[Option<f64>], &dyn Fn(usize) -> bool) -> Choice,
    ) {
        let view = self.view();
        let mut moved = Vec::new();
        let mut first_moved = false;
        for (node, choice) in &self.choices {
            let up = |index: usize| view.is_candidate_up(*node, index);
            let next = step(*choice, &view.estimates(*node), &up);
            if next != *choice {
                first_moved |= next.first() != choice.first();
                moved.push((*node, next));
            }
        }
        if moved.is_empty() {
            return;
        }
        self.choices.extend(moved);
        let steering = self.steering.clone();
        let dynamic = |number: usize| steering.compiled.targets[number].is_dynamic;
        self.touched
            .extend((0..steering.bindings.len()).filter(|n| dynamic(steering.bindings[*n].target)));
        if first_moved {
            self.regroup(dynamic);
        }
    }

    /// Works out anew which neighbouring clients share a first choice, for some targets.
    fn regroup(&mut self, concerned: impl Fn(usize) -> bool) {
        let compiled = &self.steering.compiled;
        let mut made: HashMap<(*const _, Vec<u32>), Arc<Groups>> = HashMap::new();
        let fastest = |node| self.choices.get(&node).map_or(0, |choice| choice.first());
        let mut groups = Vec::with_capacity(compiled.targets.len());
        for (number, target) in compiled.targets.iter().enumerate() {
            let Some(table) = &target.table else {
                groups.push(None);
                continue;
            };
            if !concerned(number) {
                groups.push(self.groups[number].clone());
                continue;
            }
            let mut numbers: HashMap<Vec<u64>, u32> = HashMap::new();
            let mut group_of_class = Vec::with_capacity(target.classes.len());
            for plan in &target.classes {
                let mut key = Vec::new();
                compiled.plans.first_choice(*plan, &fastest, &mut key);
                let next = numbers.len() as u32;
                group_of_class.push(*numbers.entry(key).or_insert(next));
            }
            let made = made.entry((Arc::as_ptr(table), group_of_class));
            let shared = made.or_insert_with_key(|(_, group_of_class)| {
                Arc::new(table.groups(|class| group_of_class[class as usize]))
            });
            groups.push(Some(shared.clone()));
        }
        self.groups = groups;
    }

    /// The answers of one binding.
    fn answers(&self, number: usize) -> Found {
        let steering = &*self.steering;
        let view = self.view();
        let binding = &steering.bindings[number];
        let target = &steering.compiled.targets[binding.target];
        let mut cells = Vec::with_capacity(target.classes.len() * binding.types.len());
        let mut panics = false;
        let mut known = Vec::new();
        for plan in &target.classes {
            for rtype in binding.columns() {
                let ask = |resort| Ask { rtype, resort };
                let is_first = view.is_first_up(*plan, rtype);
                let found = view
                    .resolve(*plan, ask(Resort::Healthy))
                    .or_else(|| view.resolve(*plan, ask(Resort::Drained)));
                let (outcome, panic) = match found {
                    Some(resolved) => {
                        if binding.on_all_down == OnAllDown::LastKnown {
                            known.push((cells.len(), resolved.clone()));
                        }
                        (Outcome::Resolved(resolved), None)
                    }
                    None => {
                        let last_known = self.last_known.get(&(number, cells.len()));
                        let (outcome, panic) =
                            all_down(&view, *plan, rtype, &binding.on_all_down, last_known);
                        (outcome, Some(panic))
                    }
                };
                panics |= panic.is_some();
                cells.push((outcome, is_first, panic));
            }
        }
        let place = target.table.clone().zip(self.groups[binding.target].clone());
        let answers = Answers::new(Draft {
            model: &steering.model,
            ttl: binding.ttl,
            types: &binding.types,
            has_alias: binding.has_alias,
            place,
            cells,
        });
        Found { answers: Arc::new(answers), panic: panics, last_known: known }
    }
}

/// What was worked out for one binding.
struct Found {
    answers: Arc<Answers>,
    /// Whether nothing is up for some clients.
    panic: bool,
    /// By cell, what is now the last answer that had a member up, for records that answer that.
    last_known: Vec<(usize, Resolved)>,
}

/// What `on_all_down` makes of a plan under which nothing is up.
fn all_down(
    view: &View<'_>,
    plan: PlanId,
    rtype: Option<Type>,
    on_all_down: &OnAllDown,
    last_known: Option<&Resolved>,
) -> (Outcome, Panic) {
    let as_if_up = || {
        let at = |resort| view.resolve(plan, Ask { rtype, resort });
        at(Resort::Unchecked).or_else(|| at(Resort::Everything)).unwrap_or(Resolved::NoData)
    };
    let resolved = match on_all_down {
        OnAllDown::All => as_if_up(),
        OnAllDown::LastKnown => match last_known {
            Some(last_known) => return (Outcome::Resolved(last_known.clone()), Panic::LastKnown),
            None => as_if_up(),
        },
        OnAllDown::NoData => Resolved::NoData,
        OnAllDown::ServFail => return (Outcome::ServFail, Panic::Substitute),
        OnAllDown::Addresses(addresses) => {
            let wanted = addresses.iter().filter(|address| {
                rtype == Some(if address.is_ipv4() { Type::A } else { Type::AAAA })
            });
            let items: Vec<Item> = wanted.map(|address| Item::Address(*address)).collect();
            if items.is_empty() {
                Resolved::NoData
            } else {
                Resolved::Ring(Ring { take: items.len(), items, source: Source::AllDown })
            }
        }
    };
    (Outcome::Resolved(resolved), Panic::Substitute)
}
