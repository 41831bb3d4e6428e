//! Finishing answers: from what is resolved for each class to octets that can be copied.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Answers, Cell, Choice, Outcome, Record};
use crate::steering::census::Outlet;
use crate::steering::label::LabelId;
use crate::steering::model::{MemberData, Model, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::served::Panic;
use crate::steering::standing::Standing;
use crate::steering::table::{ClassTable, Groups};
use crate::steering::way::Way;
use crate::wire::{Class, Type};

/// What answers are counted as, by target and way.
pub type Labels = HashMap<(Target, Way), LabelId, RandomState>;

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
}

/// Writes answers, one after the other, in working memory that it keeps: what it hands out is
/// copied out of it, in as many allocations as there are parts.
#[derive(Debug)]
pub struct Writer<'a> {
    /// Members are looked up here.
    model: &'a Model,
    /// One for each pool: hints that are down are left out.
    standings: &'a [Standing],
    /// What answers are counted as, as far as it was asked for before.
    labels: &'a Labels,
    /// The others.
    fresh: Vec<((Target, Way), LabelId)>,
    ttl: u32,
    targets: Vec<Target>,
    /// Those in the making.
    answers: Answers,
    /// Where they send clients, and why.
    ways: Vec<Way>,
    /// The choices made so far, by column, outcome, and what it is when there is nothing.
    known: HashMap<(u32, Outcome, Way), u32, RandomState>,
}

impl<'a> Writer<'a> {
    /// Writes answers of these pools as they stand.
    pub fn new(model: &'a Model, standings: &'a [Standing], labels: &'a Labels) -> Writer<'a> {
        Writer {
            model,
            standings,
            labels,
            fresh: Vec::new(),
            ttl: 0,
            targets: Vec::new(),
            answers: Answers::default(),
            ways: Vec::new(),
            known: HashMap::default(),
        }
    }

    /// Begins with answers that have no cells yet.
    pub fn begin(&mut self, draft: Draft<'_>) {
        let Draft { ttl, types, has_alias, targets } = draft;
        self.ttl = ttl;
        self.targets.clear();
        self.targets.extend_from_slice(targets);
        self.known.clear();
        self.ways.clear();
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

    /// Adds a cell; there is a row for each class, and in it a column for each type. `is_first`
    /// says whether first choices are up, and `panic` whether nothing is.
    pub fn cell(&mut self, outcome: Outcome, is_first: bool, panic: Option<Panic>) {
        let is_hashed = match &outcome {
            Outcome::Resolved(resolved) => resolved.is_hashed(),
            Outcome::ServFail => false,
        };
        let column = (self.cells() % self.answers.columns) as u32;
        let nothing = if panic.is_some() { Way::FAILED } else { Way::NO_DATA };
        let choice = self.choice(outcome, column, nothing);
        self.answers.cells.push(Cell { choice, is_first, is_hashed, panic });
    }

    /// Hands the answers out. `place` is the class of every client; `None` for a target that does
    /// not look at the place.
    pub fn finish(&mut self, place: Option<(Arc<ClassTable>, Arc<Groups>)>) -> Answers {
        Answers { place, ..self.answers.clone() }
    }

    /// What it asked for that was not known yet, since the last call.
    pub fn fresh(&mut self) -> Vec<((Target, Way), LabelId)> {
        std::mem::take(&mut self.fresh)
    }

    fn choice(&mut self, outcome: Outcome, column: u32, nothing: Way) -> u32 {
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
        self.answers.choices.push(choice);
        let number = self.answers.choices.len() as u32 - 1;
        self.known.insert(key, number);
        number
    }

    fn ring(&mut self, ring: &Ring, column: u32) -> Choice {
        if let [item] = &ring.items[..]
            && ring.take > 0
        {
            let start = self.answers.bytes.len() as u32;
            let is_alias = self.record(*item);
            let end = self.answers.bytes.len() as u32;
            if !is_alias {
                let way = self.way_of(ring, *item);
                // A ring that follows begins at the last end before it.
                self.answers.records.push(Record { end, way });
                return Choice::Lone { start, end, way, label: self.answers.labels[way as usize] };
            }
            self.answers.bytes.truncate(start as usize);
        }
        let first = self.answers.records.len() as u32;
        let mut is_alias = false;
        let again = if ring.is_fixed { &[][..] } else { &ring.items };
        for item in ring.items.iter().chain(again) {
            is_alias |= self.record(*item);
            let (end, way) = (self.answers.bytes.len() as u32, self.way_of(ring, *item));
            self.answers.records.push(Record { end, way });
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

    /// Where the labels begin of an answer of `ring` whose first record is `item`: clients take
    /// the first.
    fn way_of(&mut self, ring: &Ring, item: Item) -> u32 {
        self.way(Way { outlet: Outlet::of(item), reason: ring.reason })
    }

    /// Where the labels of a way begin.
    fn way(&mut self, way: Way) -> u32 {
        if let Some(known) = self.ways.iter().position(|known| *known == way) {
            return (known * self.targets.len()) as u32;
        }
        self.ways.push(way);
        let begin = self.answers.labels.len() as u32;
        for target in &self.targets {
            let key = (*target, way);
            let label = self.labels.get(&key).copied().unwrap_or_else(|| {
                let label = LabelId::of(self.model, *target, way);
                self.fresh.push((key, label));
                label
            });
            self.answers.labels.push(label);
        }
        begin
    }

    /// Appends one record; true when it is an alias.
    fn record(&mut self, item: Item) -> bool {
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
        bytes.extend_from_slice(&[0xc0, 0x0c]);
        bytes.extend_from_slice(&rtype.0.to_be_bytes());
        bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
        bytes.extend_from_slice(&self.ttl.to_be_bytes());
        bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rdata);
        matches!(*data, MemberData::Alias(_))
    }
}

impl Answers {
    /// Takes everything out, and keeps the memory.
    fn clear(&mut self) {
        self.cells.clear();
        self.choices.clear();
        self.draws.clear();
        self.hashes.clear();
        self.splits.clear();
        self.records.clear();
        self.bytes.clear();
        self.labels.clear();
    }
}
