//! Working out: what every class of clients is answered now, for some bindings.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Control;
use super::cores::on_all_cores;
use crate::steering::answers::{Answers, Draft, Outcome, Writer};
use crate::steering::census::{self, Outlet};
use crate::steering::explore::Explorers;
use crate::steering::label::Labels;
use crate::steering::model::OnAllDown;
use crate::steering::plan::PlanId;
use crate::steering::resolve::{Ask, Item, Resolved, Ring, Source, View};
use crate::steering::served::Panic;
use crate::steering::share::Share;
use crate::steering::standing::{Few, Resort};
use crate::steering::table::Groups;
use crate::steering::way::Reason;
use crate::wire::Type;
use crate::zone::RecordId;

impl Control {
    /// What each class of a record's clients is answered now for the first of its types, and what
    /// stands in where nothing is up.
    pub fn outcomes(&self, record: RecordId) -> Vec<(Outcome, Option<Panic>)> {
        let number = self.steering.slots[record.0 as usize].answers as usize;
        let bounds = self.bounds(number);
        let binding = &self.steering.bindings[number];
        let rtype = binding.columns().next().flatten();
        let columns = binding.columns().count();
        let classes = &self.steering.compiled.targets[binding.target].classes;
        let decide = |(class, plan): (usize, &PlanId)| {
            self.decide(number, class * columns, *plan, rtype, &bounds)
        };
        classes.iter().enumerate().map(decide).collect()
    }

    /// The class of a record's clients that one is in, and what that prefers.
    pub fn class_of(&self, record: RecordId, address: IpAddr) -> (u32, PlanId) {
        let number = self.steering.slots[record.0 as usize].answers as usize;
        let target = &self.steering.compiled.targets[self.steering.bindings[number].target];
        let class = target.table.as_ref().map_or(0, |table| table.find(address).class);
        (class, target.classes[class as usize])
    }

    /// The last answer that had a member up, for a client and a type of a record that answers
    /// that when nothing is; `None` where there was none.
    pub fn last_known(&self, record: RecordId, rtype: Type, address: IpAddr) -> Option<&Resolved> {
        let number = self.steering.slots[record.0 as usize].answers as usize;
        let binding = &self.steering.bindings[number];
        let column = match binding.types.iter().position(|known| *known == rtype) {
            None if binding.has_alias => binding.types.len(),
            column => column?,
        };
        let (class, _) = self.class_of(record, address);
        self.last_known.get(&(number, class as usize * binding.columns().count() + column))
    }

    /// The answers of some bindings, in their order, on all cores when they are many.
    pub(super) fn work_out(&self, numbers: &[usize]) -> Vec<Found> {
        on_all_cores(numbers, |numbers| {
            let mut writer = Writer::new(&self.steering.model, &self.standings);
            numbers.iter().map(|number| self.answers(*number, &mut writer)).collect()
        })
    }

    /// The bounds of the shares of pools under a binding that keep a part of their clients, and of
    /// the parts that explore.
    fn bounds(&self, number: usize) -> Vec<u16> {
        let binding = &self.steering.bindings[number];
        let shares = binding.pools.iter().map(|pool| self.standing(*pool).share);
        let kept = shares.filter(|share| !share.is_full()).map(Share::bound);
        let view = self.view();
        let explorers = binding.exploring.iter().filter_map(|policy| view.explorers(*policy));
        kept.chain(explorers.flat_map(Explorers::bounds)).collect()
    }

    /// Works out anew which neighbouring clients share a first choice, for some targets.
    pub(super) fn regroup(&mut self, concerned: impl Fn(usize) -> bool) {
        let compiled = &self.steering.compiled;
        let mut made: HashMap<(*const _, Vec<u32>), Arc<Groups>> = HashMap::new();
        let best = |node| self.choices.get(&node).map_or(0, |choice| choice.first());
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
                compiled.plans.first_choice(*plan, &best, &mut key);
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

    /// What one cell of a binding answers, and what stands in where nothing is up.
    fn decide(
        &self,
        number: usize,
        cell: usize,
        plan: PlanId,
        rtype: Option<Type>,
        bounds: &[u16],
    ) -> (Outcome, Option<Panic>) {
        let view = self.view();
        match view.answer(plan, rtype, bounds) {
            Some(resolved) => (Outcome::Resolved(resolved), None),
            None => {
                let last_known = self.last_known.get(&(number, cell));
                let on_all_down = &self.steering.bindings[number].on_all_down;
                let (outcome, panic) = all_down(&view, plan, rtype, on_all_down, last_known);
                (outcome.because(Reason::Panic), Some(panic))
            }
        }
    }

    /// The answers of one binding.
    fn answers<'a>(&'a self, number: usize, writer: &mut Writer<'a>) -> Found {
        let steering = &*self.steering;
        let (view, bounds) = (self.view(), self.bounds(number));
        let binding = &steering.bindings[number];
        let target = &steering.compiled.targets[binding.target];
        let (ttl, _) = self.cut(number);
        writer.begin(Draft {
            ttl,
            types: &binding.types,
            has_alias: binding.has_alias,
            targets: &binding.targets,
            labels: &self.labels[number],
        });
        // Of the others, what each cell comes to is remembered, or where the one class is sent.
        let has_leads = bounds.is_empty()
            && binding.on_all_down != OnAllDown::LastKnown
            && target.table.is_some();
        let mut panics = false;
        let mut known = Vec::new();
        let mut expected = Vec::new();
        for plan in &target.classes {
            for (column, rtype) in (0..).zip(binding.columns()) {
                let lead = if has_leads { view.lead(*plan, rtype) } else { None };
                if let Some(lead) = lead {
                    writer.lead(column, lead, || view.led(lead, rtype));
                    continue;
                }
                let cell = writer.cells();
                let is_first = view.is_first_up(*plan, rtype);
                let (outcome, panic) = self.decide(number, cell, *plan, rtype, &bounds);
                if let (OnAllDown::LastKnown, None, Outcome::Resolved(resolved)) =
                    (&binding.on_all_down, panic, &outcome)
                {
                    known.push((cell, resolved.clone()));
                }
                if target.table.is_none() && cell == 0 {
                    expected = census::outlets(&outcome).into_iter().collect();
                }
                panics |= panic.is_some();
                writer.cell(column, outcome, is_first, panic);
            }
        }
        let place = target.table.clone().zip(self.groups[binding.target].clone());
        let (answers, labels) = writer.finish(place);
        Found {
            answers: Arc::new(answers),
            labels,
            ttl,
            panic: panics,
            last_known: known,
            expected,
        }
    }
}

/// What was worked out for one binding.
pub(super) struct Found {
    pub(super) answers: Arc<Answers>,
    /// What they are counted as, where more is known of it than before.
    pub(super) labels: Option<Labels>,
    /// Their time to live in seconds.
    pub(super) ttl: u32,
    /// Whether nothing is up for some clients.
    pub(super) panic: bool,
    /// By cell, what is now the last answer that had a member up, for records that answer that.
    pub(super) last_known: Vec<(usize, Resolved)>,
    /// The share of answers to the first type that leads to each outlet; empty where they look at
    /// the client's place.
    pub(super) expected: Vec<(Outlet, f64)>,
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
        let at = |resort| view.resolve(plan, Ask { rtype, resort, portion: 0 });
        let found = at(Resort::Unchecked).or_else(|| at(Resort::Everything));
        // No host name has an address yet: to say that there is none would be believed for long.
        let outcome = found.map_or(Outcome::ServFail, Outcome::Resolved);
        (outcome, Panic::Substitute)
    };
    let resolved = match on_all_down {
        OnAllDown::All => return as_if_up(),
        OnAllDown::LastKnown => match last_known {
            Some(last_known) => return (Outcome::Resolved(last_known.clone()), Panic::LastKnown),
            None => return as_if_up(),
        },
        OnAllDown::NoData => Resolved::NoData,
        OnAllDown::ServFail => return (Outcome::ServFail, Panic::Substitute),
        OnAllDown::Addresses(addresses) => {
            let wanted = addresses.iter().filter(|address| {
                rtype == Some(if address.is_ipv4() { Type::A } else { Type::AAAA })
            });
            let items: Few<Item> = wanted.map(|address| Item::Address(*address)).collect();
            if items.is_empty() {
                Resolved::NoData
            } else {
                let (take, source, reason) = (items.len(), Source::AllDown, Reason::Panic);
                Resolved::Ring(Ring { items, take, is_fixed: false, source, reason })
            }
        }
    };
    (Outcome::Resolved(resolved), Panic::Substitute)
}
