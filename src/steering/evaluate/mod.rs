//! Evaluation: walks the tree of policies for one client and records why.
//!
//! Serves `explain` and the tests. It shares no step with compilation: a property test holds
//! the two equal, so that what is explained is what is served.

mod choice;
mod pool;
mod round_robin;

use std::net::IpAddr;

use self::choice::in_round;
use crate::geo::Location;
use crate::steering::Client;
use crate::steering::answers::Outcome;
use crate::steering::model::{Kind, Model, OnAllDown, Policy, PolicyId, Record, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source, View};
use crate::steering::spread;
use crate::steering::standing::{Few, Resort};
use crate::steering::trace::{Considered, Fate, Trace};
use crate::steering::way::Reason;
use crate::wire::Type;

/// What a client gets, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The answer.
    pub outcome: Outcome,
    /// How far it had to go.
    pub resort: Resort,
    /// Set when nothing was up: what `on_all_down` says.
    pub all_down: Option<&'static str>,
    /// The way from the record's target to the answer.
    pub trace: Trace,
}

/// A client and its question.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its address, unwrapped.
    pub client: Client,
    /// Its place.
    pub location: &'a Location,
    /// The type; for a type that no pool of the record has, aliases still answer.
    pub rtype: Type,
}

/// Evaluates a record for one client. `last_known` is the last answer in which something was up,
/// where that is known.
pub fn evaluate(
    view: View<'_>,
    record: &Record,
    asker: Asker<'_>,
    last_known: Option<&Resolved>,
) -> Evaluation {
    let own = spread::seed(record.owner.to_lower().as_wire());
    let portion = spread::portion(own, spread::client_key(asker.client.address));
    let at = |resort| Walk { view, asker, resort, portion }.target(record.target);
    let done = |outcome: Outcome, resort, all_down: Option<_>, trace| {
        let outcome = match (all_down, resort) {
            (Some(_), _) => outcome.because(Reason::Panic),
            (None, Resort::Healthy) => outcome,
            (None, _) => outcome.because(Reason::Resort),
        };
        Evaluation { outcome, resort, all_down, trace }
    };
    let (found, trace) = at(Resort::Healthy);
    if !has_type(view.model, record, asker.rtype) {
        let outcome = Outcome::Resolved(Resolved::NoData);
        return done(outcome, Resort::Healthy, None, trace);
    }
    if let Some(resolved) = found
        && !leads_nowhere(view.model, &trace)
    {
        return done(Outcome::Resolved(resolved), Resort::Healthy, None, trace);
    }
    if let (Some(resolved), trace) = at(Resort::Whole) {
        let resort =
            if leads_nowhere(view.model, &trace) { Resort::Healthy } else { Resort::Whole };
        return done(Outcome::Resolved(resolved), resort, None, trace);
    }
    if let (Some(resolved), trace) = at(Resort::Drained) {
        return done(Outcome::Resolved(resolved), Resort::Drained, None, trace);
    }
    let as_if_up = || match at(Resort::Unchecked) {
        (Some(resolved), trace) => (Outcome::Resolved(resolved), Resort::Unchecked, trace),
        (None, _) => {
            let (found, trace) = at(Resort::Everything);
            // No host name has an address yet: to say that there is none would be believed for
            // long.
            (found.map_or(Outcome::ServFail, Outcome::Resolved), Resort::Everything, trace)
        }
    };
    match &record.on_all_down {
        OnAllDown::All => {
            let (outcome, resort, trace) = as_if_up();
            done(outcome, resort, Some("all"), trace)
        }
        OnAllDown::LastKnown => match last_known {
            Some(known) => {
                let outcome = Outcome::Resolved(known.clone());
                done(outcome, Resort::Healthy, Some("last-known"), trace)
            }
            None => {
                let (outcome, resort, trace) = as_if_up();
                done(outcome, resort, Some("last-known"), trace)
            }
        },
        OnAllDown::NoData => {
            done(Outcome::Resolved(Resolved::NoData), Resort::Healthy, Some("nodata"), trace)
        }
        OnAllDown::ServFail => done(Outcome::ServFail, Resort::Healthy, Some("servfail"), trace),
        OnAllDown::Addresses(addresses) => {
            let of_type = addresses.iter().filter(|a| address_type(**a) == asker.rtype);
            let items: Few<Item> = of_type.map(|a| Item::Address(*a)).collect();
            let take = items.len();
            let resolved = match take {
                0 => Resolved::NoData,
                _ => {
                    let (source, reason) = (Source::AllDown, Reason::Panic);
                    Resolved::Ring(Ring { items, take, is_fixed: false, source, reason })
                }
            };
            done(Outcome::Resolved(resolved), Resort::Healthy, Some("addresses"), trace)
        }
    }
}

/// Whether the record can answer a type at all; to any other it says NODATA, whatever is up.
fn has_type(model: &Model, record: &Record, rtype: Type) -> bool {
    let in_a_pool = model.pools_under(record.target).into_iter().any(|id| {
        let pool = model.pool(id);
        pool.is_alias() || pool.types().contains(&rtype)
    });
    let in_an_address = match &record.on_all_down {
        OnAllDown::Addresses(list) => list.iter().any(|a| address_type(*a) == rtype),
        _ => false,
    };
    in_a_pool || in_an_address
}

fn address_type(address: IpAddr) -> Type {
    if address.is_ipv4() { Type::A } else { Type::AAAA }
}

/// Whether what was taken in the end is a deliberate NODATA.
fn leads_nowhere(model: &Model, trace: &Trace) -> bool {
    let policy = model.policies.iter().find(|policy| policy.name == trace.name);
    if trace.kind != "pool" && policy.is_some_and(Policy::joins) {
        return false;
    }
    let taken = match (trace.kind, &trace.considered[..]) {
        ("none", _) => return true,
        // One target alone is that target.
        ("weighted", [only]) => Some(only),
        (_, considered) => considered.iter().find(|considered| considered.fate == Fate::Taken),
    };
    taken.is_some_and(|considered| leads_nowhere(model, &considered.trace))
}

/// What a walk found under a target, before round-robin joins it.
type Found = Option<Resolved>;

/// What a policy came to, how, the targets it considered, and which of these it prefers.
type Chosen = (Found, String, Vec<Considered>, usize);

#[derive(Clone, Copy)]
struct Walk<'a> {
    view: View<'a>,
    asker: Asker<'a>,
    resort: Resort,
    /// Which of the 256 parts of the record's clients this one is in.
    portion: u8,
}

impl Walk<'_> {
    fn model(&self) -> &Model {
        self.view.model
    }

    fn target(&self, target: Target) -> (Found, Trace) {
        match target {
            Target::Pool(id) => self.pool(id),
            Target::Policy(id) => self.policy(id),
        }
    }

    fn policy(&self, id: PolicyId) -> (Found, Trace) {
        let policy = self.model().policy(id);
        let (found, note, considered, preferred) = match &policy.kind {
            kind if policy.take > 1 => {
                let (found, considered) = self.joined(id, self.in_order(kind), policy.take);
                let note = format!("the first {} that are up, in rotation", policy.take);
                (found, note, considered, 0)
            }
            Kind::Failover { targets } => {
                let order = targets.iter().enumerate();
                let order = order.map(|(index, t)| (format!("target {}", index + 1), Some(*t)));
                let (found, considered) = self.first(order.collect());
                (found, "the first that is up".to_owned(), considered, 0)
            }
            Kind::RoundRobin { targets, answers } => {
                let (found, considered) = self.joined(id, in_round(targets), usize::MAX);
                let note = format!("all that are up, up to {answers}, in rotation");
                (found, note, considered, 0)
            }
            Kind::Weighted { targets, spread } => self.weighted(targets, *spread),
            Kind::Geo { rules, default, on_down } => {
                self.geo(policy, rules, default.as_ref(), *on_down)
            }
            Kind::Nearest { targets } => {
                let (found, considered) = self.first(self.by_distance(targets));
                let note = match self.asker.location.coordinates {
                    Some(at) => format!("nearest to {:.2}, {:.2}", at.latitude, at.longitude),
                    None => "the client is not located: in the order of the file".to_owned(),
                };
                (found, note, considered, 0)
            }
            Kind::Latency { targets, table, within, .. } => {
                self.latency(id, targets, table, *within)
            }
            Kind::Load { targets } => self.load(id, targets),
        };
        let why_not = considered.get(preferred).map_or(Reason::NoData, |first| first.trace.why_not);
        let trace = Trace {
            name: policy.name.clone(),
            kind: policy.kind_name(),
            site: policy.site.clone(),
            note,
            why_not,
            considered,
            members: Vec::new(),
        };
        (found, trace)
    }

    /// The first of a list that is up; an entry without target is a deliberate NODATA.
    fn first(&self, order: Vec<(String, Option<Target>)>) -> (Found, Vec<Considered>) {
        let mut taken: Found = None;
        let mut considered = Vec::new();
        for (by, target) in order {
            let Some(target) = target else {
                let fate = if taken.is_none() { Fate::Taken } else { Fate::NotNeeded };
                taken = taken.or(Some(Resolved::NoData));
                considered.push(Considered { by, fate, trace: nowhere() });
                continue;
            };
            if taken.is_some() {
                let trace = self.heading(target);
                considered.push(Considered { by, fate: Fate::NotNeeded, trace });
                continue;
            }
            let (found, trace) = self.target(target);
            let fate = match &found {
                Some(_) => Fate::Taken,
                None => Fate::PassedOver(self.passed_over(&trace)),
            };
            taken = match considered.first() {
                Some(Considered { trace, .. }) => found.map(|found| found.because(trace.why_not)),
                None => found,
            };
            considered.push(Considered { by, fate, trace });
        }
        (taken, considered)
    }

    fn passed_over(&self, trace: &Trace) -> String {
        if trace.kind == "pool" { trace.note.clone() } else { "nothing under it is up".to_owned() }
    }

    /// A target that was not looked into.
    fn heading(&self, target: Target) -> Trace {
        let (kind, site) = match target {
            Target::Pool(id) => ("pool", self.model().pool(id).site.clone()),
            Target::Policy(id) => {
                let policy = self.model().policy(id);
                (policy.kind_name(), policy.site.clone())
            }
        };
        Trace {
            name: self.model().target_name(target).to_owned(),
            kind,
            site,
            note: String::new(),
            why_not: Reason::FirstChoice,
            considered: Vec::new(),
            members: Vec::new(),
        }
    }
}

fn nowhere() -> Trace {
    Trace {
        name: "none".to_owned(),
        kind: "none",
        site: String::new(),
        note: "a deliberate NODATA".to_owned(),
        why_not: Reason::NoData,
        considered: Vec::new(),
        members: Vec::new(),
    }
}
