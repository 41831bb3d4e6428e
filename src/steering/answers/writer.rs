//! Finishing answers: from what is resolved for each class to octets that can be copied.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Answers, Cell, Choice, Outcome, Record};
use crate::steering::census::Outlet;
use crate::steering::label::{LabelList, Labels};
use crate::steering::lead::Lead;
use crate::steering::model::{MemberData, Model, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::served::Panic;
use crate::steering::standing::Standing;
use crate::steering::table::{ClassTable, Groups};
use crate::steering::way::Way;
use crate::wire::{Class, Type};

/// What [`Answers`] are made of, beside their cells.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// Time to live in seconds.
    pub ttl: u32,
    /// Types with answers of their own.
    pub types: &'a Arc<[Type]>,
    /// Whether a further column stands for all other types.
    pub has_alias: bool,
    /// The targets of records that have these answers.
    pub targets: &'a [Target],
    /// What those before them were counted as.
    pub labels: &'a Labels,
}

/// Writes answers, one after the other, in working memory that it keeps: what it hands out is
/// copied out of it, in as many allocations as there are parts.
#[derive(Debug)]
pub struct Writer<'a> {
    /// Members are looked up here.
    model: &'a Model,
    /// One for each pool: hints that are down are left out.
    standings: &'a [Standing],
    ttl: u32,
    targets: &'a [Target],
    /// What they are counted as, with what is new.
    labels: Cow<'a, Labels>,
    /// Those in the making.
    answers: Answers,
    /// The choices made so far, by column, outcome, and what it is when there is nothing.
    known: HashMap<(u32, Outcome, Way), Choice, RandomState>,
    /// The cells made so far of which the lead is known, by column.
    leads: HashMap<(u32, Lead), Cell, RandomState>,
}

impl<'a> Writer<'a> {
    /// Writes answers of these pools as they stand.
    pub fn new(model: &'a Model, standings: &'a [Standing]) -> Writer<'a> {
        Writer {
            model,
            standings,
            ttl: 0,
            targets: &[],
            labels: Cow::Owned(Labels::default()),
            answers: Answers::default(),
            known: HashMap::default(),
            leads: HashMap::default(),
        }
    }

    /// Begins with answers that have no cells yet.
    pub fn begin(&mut self, draft: Draft<'a>) {
        let Draft { ttl, types, has_alias, targets, labels } = draft;
        self.ttl = ttl;
        self.targets = targets;
        self.labels = Cow::Borrowed(labels);
        self.known.clear();
        self.leads.clear();
        self.answers.clear();
        self.answers.types = types.clone();
        self.answers.has_alias = has_alias;
        self.answers.columns = types.len() + usize::from(has_alias);
        // What a type has that nothing here answers comes first.
        self.way(Way::NO_DATA);
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.answers.cells.len()
    }

    /// Adds a cell; there is a row for each class, and in it a column for each type, all in turn:
    /// `column` is that of this one. `is_first` says whether first choices are up, and `panic`
    /// whether nothing is.
    pub fn cell(&mut self, column: u32, outcome: Outcome, is_first: bool, panic: Option<Panic>) {
        let is_hashed = match &outcome {
            Outcome::Resolved(resolved) => resolved.is_hashed(),
            Outcome::ServFail => false,
        };
        let nothing = if panic.is_some() { Way::FAILED } else { Way::NO_DATA };
        let choice = self.choice(outcome, column, nothing);
        self.answers.cells.push(Cell { choice, is_first, is_hashed, panic });
    }

    /// Adds a cell that a pool answers alone, in the same way. `resolve` says what, when the column
    /// has no cell with this lead yet.
    pub fn lead(&mut self, column: u32, lead: Lead, resolve: impl FnOnce() -> Resolved) {
        let known = self.leads.get(&(column, lead)).copied();
        let cell = known.unwrap_or_else(|| {
            let resolved = resolve();
            let is_hashed = resolved.is_hashed();
            let choice = match resolved {
                // In all likelihood new, since this lead is.
                Resolved::Ring(ring) => self.ring(&ring, column),
                _ => self.choice(Outcome::Resolved(resolved), column, Way::NO_DATA),
            };
            let cell = Cell { choice, is_first: lead.instead.is_none(), is_hashed, panic: None };
            self.leads.insert((column, lead), cell);
            cell
        });
        self.answers.cells.push(cell);
    }

    /// Hands the answers out, and what they are counted as where that is more than the draft says.
    /// `place` is the class of every client; `None` for a target that does not look at the place.
    pub fn finish(
        &mut self,
        place: Option<(Arc<ClassTable>, Arc<Groups>)>,
    ) -> (Answers, Option<Labels>) {
        let labels = LabelList::from_slice(self.labels.list());
        let answers = Answers { place, labels, ..self.answers.clone() };
        let more = match std::mem::replace(&mut self.labels, Cow::Owned(Labels::default())) {
            Cow::Owned(labels) => Some(labels),
            Cow::Borrowed(_) => None,
        };
        (answers, more)
    }

    fn choice(&mut self, outcome: Outcome, column: u32, nothing: Way) -> Choice {
        let key = (column, outcome, nothing);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let choice = match &key.1 {
            Outcome::ServFail => Choice::ServFail { way: self.way(Way::FAILED) },
            Outcome::Resolved(Resolved::NoData) => Choice::NoData { way: self.way(nothing) },
            Outcome::Resolved(Resolved::Ring(ring)) => self.ring(ring, column),
            Outcome::Resolved(Resolved::Draw(list)) => {
                let mut sum = 0u32;
                let mut branches = Vec::with_capacity(list.len());
                for (weight, branch) in list {
                    sum = sum.saturating_add(*weight);
                    let branch = Outcome::Resolved(branch.clone());
                    branches.push((sum, self.choice(branch, column, nothing)));
                }
                let first = self.answers.draws.len() as u32;
                self.answers.draws.extend(branches);
                Choice::Draw { first, count: list.len() as u32 }
            }
            Outcome::Resolved(Resolved::Hash(list)) => {
                let mut branches = Vec::with_capacity(list.len());
                for (candidate, branch) in list {
                    let branch = Outcome::Resolved(branch.clone());
                    branches.push((*candidate, self.choice(branch, column, nothing)));
                }
                let first = self.answers.hashes.len() as u32;
                self.answers.hashes.extend(branches);
                Choice::Hash { first, count: list.len() as u32 }
            }
            Outcome::Resolved(Resolved::Split(list)) => {
                let mut parts = Vec::with_capacity(list.len());
                for (bound, part) in list {
                    let part = Outcome::Resolved(part.clone());
                    parts.push((*bound, self.choice(part, column, nothing)));
                }
                let first = self.answers.splits.len() as u32;
                self.answers.splits.extend(parts);
                Choice::Split { first, count: list.len() as u32 }
            }
        };
        self.known.insert(key, choice);
        choice
    }

    fn ring(&mut self, ring: &Ring, column: u32) -> Choice {
        if let [item] = &ring.items[..]
            && ring.take > 0
            && item.alias(self.model).is_none()
        {
            let Record { start, end, way } = self.record(ring, *item);
            return Choice::Lone { start, end, way, label: self.labels.list()[way as usize] };
        }
        let first = self.answers.records.len() as u32;
        let is_alias = ring.items.iter().any(|item| item.alias(self.model).is_some());
        let again = if ring.is_fixed { &[][..] } else { &ring.items };
        for item in ring.items.iter().chain(again) {
            let record = self.record(ring, *item);
            self.answers.records.push(record);
        }
        let all = ring.items.len() as u32;
        let count = if ring.is_fixed { 1 } else { all };
        let take = (ring.take as u32).min(all);
        let pools = self.model.pools.len() as u32;
        let source = match ring.source {
            Source::Pool(id) => id.0,
            Source::Policy(id) => pools + id.0,
            Source::AllDown => pools + self.model.policies.len() as u32,
        };
        Choice::Ring {
            first,
            count,
            take,
            rotor: source * self.answers.columns as u32 + column,
            is_alias,
        }
    }

    /// Where the labels of a way begin.
    fn way(&mut self, way: Way) -> u32 {
        let known = self.labels.find(way, self.targets.len());
        known.unwrap_or_else(|| self.labels.to_mut().add(way, self.model, self.targets))
    }

    /// Writes one record of a ring. Its way is that of answers that begin with it: clients take the
    /// first.
    fn record(&mut self, ring: &Ring, item: Item) -> Record {
        let way = self.way(Way { outlet: Outlet::of(item), reason: ring.reason });
        let data = item.data(self.model, self.standings);
        let rtype = data.rtype().unwrap_or(Type::CNAME);
        let v4;
        let v6;
        let rdata: &[u8] = match &*data {
            MemberData::Address(IpAddr::V4(address)) => {
                v4 = address.octets();
                &v4
            }
            MemberData::Address(IpAddr::V6(address)) => {
                v6 = address.octets();
                &v6
            }
            MemberData::Alias(name) => name.as_wire(),
            MemberData::Data { rdata, .. } => rdata,
        };
        let bytes = &mut self.answers.bytes;
        let start = bytes.len() as u32;
        bytes.extend_from_slice(&[0xc0, 0x0c]);
        bytes.extend_from_slice(&rtype.0.to_be_bytes());
        bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
        bytes.extend_from_slice(&self.ttl.to_be_bytes());
        bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rdata);
        Record { start, end: bytes.len() as u32, way }
    }
}

impl Answers {
    /// Takes everything out, and keeps the memory.
    fn clear(&mut self) {
        self.cells.clear();
        self.draws.clear();
        self.hashes.clear();
        self.splits.clear();
        self.records.clear();
        self.bytes.clear();
    }
}
