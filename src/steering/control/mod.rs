//! The control side: verdicts, the operator's word and latency come in, [`Live`] comes out.
//!
//! Pure data, no clock and no task of its own: the server calls it when something changed and
//! publishes what it made.

mod answers;
mod cores;
mod generation;
mod guard;
mod inherit;
mod load;
mod maintenance;
mod safety;
mod touched;
mod transition;
mod ttl;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::fast::RandomState;

pub use generation::Steering;
pub use maintenance::{Phase, Window};
pub use safety::{Held, MaxShift, Safety};
pub use transition::{LastTarget, Override, Slope};
pub use ttl::Cut;

use answers::Found;
use guard::Guard;
use touched::Touched;
use transition::Transitions;
use ttl::Ends;

use crate::health::{CheckId, Verdict};
use crate::steering::census::Outlet;
use crate::steering::choice::{Choice, Ratings};
use crate::steering::compile::choosing_nodes;
use crate::steering::explore::Hour;
use crate::steering::label::Labels;
use crate::steering::live::Live;
use crate::steering::model::{PolicyId, PoolId, Target};
use crate::steering::plan::PlanId;
use crate::steering::resolve::{Resolved, View};
use crate::steering::share::Share;
use crate::steering::standing::{Resort, Standing};
use crate::steering::table::Groups;
use crate::zone::RecordId;

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
    /// A pool begins or ends to keep only a part of its clients; a load's steps are each told.
    Share {
        /// Which.
        pool: PoolId,
        /// Why.
        cause: Cause,
        /// The part it keeps now.
        share: Share,
    },
    /// A safety rule holds clients of a pool back that it would have lost, or no longer.
    Held {
        /// Which.
        pool: PoolId,
        /// The rule.
        held: Option<Held>,
    },
}

/// Why a pool keeps only a part of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The operator drains it.
    Drain,
    /// The operator restores it.
    Restore,
    /// It came back up, and `ramp` lets its clients return slowly.
    Ramp,
    /// It is full, or has room again.
    Load,
}

impl Cause {
    /// `drain`, `restore`, `ramp` or `load`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Drain => "drain",
            Cause::Restore => "restore",
            Cause::Ramp => "ramp",
            Cause::Load => "load",
        }
    }
}

/// The moving state of one generation.
#[derive(Debug, Clone)]
pub struct Control {
    steering: Arc<Steering>,
    verdicts: HashMap<CheckId, Verdict, RandomState>,
    /// What is left of the weight of members that are warned of, in percent; of the others, nothing
    /// is in it.
    left: HashMap<CheckId, u8, RandomState>,
    check_ms: HashMap<CheckId, f64, RandomState>,
    transitions: Transitions,
    ends: Ends,
    /// By binding, the time to live of its answers in seconds.
    ttls: Vec<u32>,
    /// What is granted, and answers are resolved from.
    standings: Vec<Standing>,
    /// Holds back what safety rules forbid, when there are any.
    guard: Option<Guard>,
    server_ms: Vec<f64>,
    choices: HashMap<PlanId, Choice>,
    /// The hour that clients explore in; `None` before the first tick.
    hour: Option<Hour>,
    /// By binding and cell, for records that answer their last known answer.
    last_known: HashMap<(usize, usize), Resolved>,
    panics: Vec<bool>,
    /// By binding, the share of answers that leads to each outlet, where all clients are alike.
    expected: Vec<Vec<(Outlet, f64)>>,
    /// One for each compiled target that has a table.
    groups: Vec<Option<Arc<Groups>>>,
    /// Pools whose checks say another thing than their standing does.
    stale: Touched,
    /// Bindings whose answers may have become otherwise.
    touched: Touched,
    changes: Vec<Change>,
    /// By binding, what its answers are counted as.
    labels: Vec<Labels>,
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
    /// Those are the operator's word, choices of latency and load policies, and last known answers. The first
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
            left: HashMap::default(),
            check_ms: HashMap::default(),
            transitions: Transitions::new(),
            ends: Ends::default(),
            ttls: vec![0; steering.bindings.len()],
            standings: Vec::new(),
            guard: None,
            server_ms: vec![0.0; pools],
            choices: HashMap::new(),
            hour: None,
            last_known: HashMap::new(),
            panics: vec![false; steering.bindings.len()],
            expected: vec![Vec::new(); steering.bindings.len()],
            groups: Vec::new(),
            stale: Touched::none(pools),
            touched: Touched::all(steering.bindings.len()),
            changes: Vec::new(),
            labels: vec![Labels::default(); steering.bindings.len()],
            live: Live { slots: steering.slots.clone(), answers: Vec::new() },
            steering,
        };
        control.restand_all();
        for node in choosing_nodes(&control.steering.compiled.plans) {
            let choice = Choice::new(&control.view().ratings(node));
            control.choices.insert(node, choice);
        }
        if let Some(before) = before {
            control.inherit(before);
            control.restand_all();
        }
        if let Some(before) = before {
            control.inherit_guard(before);
        }
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

    /// The state of a pool, as of the last [`Control::settle`] or [`Control::guard`].
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
            loads: &self.transitions.loads.of_check,
            hour: self.hour,
        }
    }

    /// Takes a check's verdict.
    pub fn set_verdict(&mut self, check: CheckId, verdict: Verdict) {
        if self.verdicts.insert(check, verdict) != Some(verdict) {
            self.mark_stale(check);
        }
    }

    /// Takes what is left of the weight of a check's members, in percent: 100 when they are not
    /// warned of.
    pub fn set_left(&mut self, check: CheckId, left: u8) {
        let before = match left {
            100 => self.left.remove(&check),
            _ => self.left.insert(check, left),
        };
        if before.unwrap_or(100) != left {
            self.mark_stale(check);
        }
    }

    /// The pools of a check are looked at once, however many of their checks have news.
    fn mark_stale(&mut self, check: CheckId) {
        let pools = self.steering.pools_of_check.get(&check).into_iter().flatten();
        pools.for_each(|pool| self.stale.insert(pool.0 as usize));
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

    /// One evaluation of all choices of latency and load policies; call at a steady pace, then
    /// [`Control::settle`].
    pub fn evaluate_choices(&mut self) {
        self.restand_stale();
        self.move_choices(|choice, ratings, up| choice.next(ratings, up));
    }

    /// Lets the clients explore whose turn it is at `now`, where policies explore; a tick does so
    /// too.
    pub fn explore(&mut self, now: SystemTime) {
        let hour = Some(Hour::of(now));
        if std::mem::replace(&mut self.hour, hour) != hour {
            self.touched.extend(&self.steering.exploring);
        }
    }

    /// Whether something changed since the last [`Control::settle`].
    pub fn has_unsettled(&self) -> bool {
        let is_due = self.guard.as_ref().is_some_and(Guard::is_due);
        is_due || !self.stale.is_empty() || !self.touched.is_empty() || !self.changes.is_empty()
    }

    /// Works out the answers that changes since the last call have touched. Returns what an
    /// operator wants to hear of; the first time also what was so at the start.
    pub fn settle(&mut self) -> Vec<Change> {
        self.restand_stale();
        self.resolve_touched();
        std::mem::take(&mut self.changes)
    }

    /// The records for which nothing is up for some clients.
    pub fn panics(&self) -> impl Iterator<Item = RecordId> + '_ {
        let begun = self.panics.iter().zip(&self.steering.bindings).filter(|(panic, _)| **panic);
        begun.flat_map(|(_, binding)| binding.records.iter().copied())
    }

    /// For each policy that a record uses and that treats all clients alike, the share of its
    /// answers that leads to each of its pools now, and to what stands in for them: of a record's
    /// first type, and of the first record where several are answered otherwise.
    pub fn expected(&self) -> Vec<(PolicyId, Vec<(Outlet, f64)>)> {
        let model = &self.steering.model;
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (binding, expected) in self.steering.bindings.iter().zip(&self.expected) {
            if expected.is_empty() {
                continue;
            }
            for target in &binding.targets {
                let Target::Policy(policy) = *target else { continue };
                if !seen.insert(policy) {
                    continue;
                }
                let pools = model.pools_under(*target).into_iter().map(Outlet::Pool);
                let mut shares: Vec<(Outlet, f64)> = pools.map(|outlet| (outlet, 0.0)).collect();
                for (outlet, share) in expected {
                    match shares.iter_mut().find(|(known, _)| known == outlet) {
                        Some((_, known)) => *known = *share,
                        None => shares.push((*outlet, *share)),
                    }
                }
                found.push((policy, shares));
            }
        }
        found
    }

    /// What the checks say of a target.
    pub fn verdict(&self, check: CheckId) -> Verdict {
        self.verdicts.get(&check).copied().unwrap_or_default()
    }

    fn resolve_touched(&mut self) {
        if !self.touched.is_empty() {
            self.move_choices(|choice, ratings, up| choice.settle(ratings, up));
        }
        let touched = self.touched.take();
        for (number, found) in touched.iter().copied().zip(self.work_out(&touched)) {
            let Found { answers, labels, ttl, panic, last_known, expected } = found;
            self.expected[number] = expected;
            if let Some(labels) = labels {
                self.labels[number] = labels;
            }
            self.ttls[number] = ttl;
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

    fn move_choices(&mut self, step: impl Fn(Choice, &Ratings, &dyn Fn(usize) -> bool) -> Choice) {
        let view = self.view();
        let mut moved = Vec::new();
        let mut first_moved = false;
        for (node, choice) in &self.choices {
            let up = |index: usize| view.is_candidate_up(*node, index);
            let next = step(*choice, &view.ratings(*node), &up);
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
        for (number, binding) in steering.bindings.iter().enumerate() {
            if dynamic(binding.target) {
                self.touched.insert(number);
            }
        }
        if first_moved {
            self.regroup(dynamic);
        }
    }
}
