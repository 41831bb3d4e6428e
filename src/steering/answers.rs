//! Finished answers: what one bound target says to each class of clients, ready to copy.

mod look;

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;

pub use look::{Look, Row};

use crate::steering::census::Outlet;
use crate::steering::label::LabelId;
use crate::steering::live::Slot;
use crate::steering::model::{MemberData, Model, Target};
use crate::steering::resolve::{Item, Resolved, Ring, Source};
use crate::steering::served::{Answer, Client, Panic, Served, Spin};
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::Standing;
use crate::steering::table::{ClassTable, Groups};
use crate::steering::way::{Reason, Way};
use crate::wire::{Class, Type};
use crate::zone::RecordId;

/// Distance between the first rotation counters of two records: odd, and near the golden section of
/// the number of counters, so that few records' counters meet.
const ROTOR_STRIDE: u32 = 10_007;

/// The answers now in force for one target at one TTL. Immutable.
#[derive(Debug)]
pub struct Answers {
    /// Types with answers of their own.
    types: Vec<Type>,
    /// Whether there is a further column, for all other types: some pool has aliases.
    has_alias: bool,
    /// How many columns that is.
    columns: usize,
    place: Option<(Arc<ClassTable>, Arc<Groups>)>,
    /// A row for each class, a column for each type.
    cells: Vec<Cell>,
    choices: Vec<Choice>,
    draws: Vec<(u32, u32)>,
    hashes: Vec<(Candidate, u32)>,
    splits: Vec<(u16, u32)>,
    /// Ends of the records in `bytes`; the record of number `n` starts at the end of `n - 1`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
    /// For each record, the way of an answer that begins with it: where its labels begin.
    ways_of_records: Vec<u32>,
    /// Where answers send clients, and why.
    ways: Vec<Way>,
    /// For each way, what it is counted as, one after the other for each target that has these
    /// answers.
    labels: Vec<LabelId>,
}

/// What one class gets for one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Index of the choice.
    choice: u32,
    /// The first choices are up: the scope is that of the first choice, else that of the order.
    pub is_first: bool,
    /// The answer depends on a hash of the client's network.
    is_hashed: bool,
    panic: Option<Panic>,
}

#[derive(Debug, Clone, Copy)]
enum Choice {
    /// `way` is where the labels of its way begin, here and below.
    NoData {
        way: u32,
    },
    ServFail {
        way: u32,
    },
    /// One record, octets `start` to `end` of `bytes`: a ring that has nothing to turn.
    Lone {
        start: u32,
        end: u32,
        way: u32,
        /// The first of them.
        label: LabelId,
    },
    /// Records `first` to `first + 2 * count`: each of the ring's twice, so that `take` in a row
    /// from any start are in one piece. One that never turns is a single piece of `take`.
    Ring {
        first: u32,
        count: u32,
        take: u32,
        rotor: u32,
        is_alias: bool,
    },
    /// Entries of `draws`: running sums of weights, and choices.
    Draw {
        first: u32,
        count: u32,
    },
    /// Entries of `hashes`.
    Hash {
        first: u32,
        count: u32,
    },
    /// Entries of `splits`.
    Split {
        first: u32,
        count: u32,
    },
}

/// What a cell says: something resolved, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// What is up, or stands in for it.
    Resolved(Resolved),
    /// SERVFAIL, as `on_all_down` says.
    ServFail,
}

impl Outcome {
    /// The same for another reason.
    #[must_use]
    pub fn because(self, reason: Reason) -> Outcome {
        match self {
            Outcome::Resolved(resolved) => Outcome::Resolved(resolved.because(reason)),
            Outcome::ServFail => Outcome::ServFail,
        }
    }
}

/// Everything that [`Answers`] are made of.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Members are looked up here.
    pub model: &'a Model,
    /// One for each pool: hints that are down are left out.
    pub standings: &'a [Standing],
    /// Time to live in seconds.
    pub ttl: u32,
    /// Types with answers of their own.
    pub types: &'a [Type],
    /// Whether a further column stands for all other types.
    pub has_alias: bool,
    /// The class of every client; `None` for a target that does not look at the place.
    pub place: Option<(Arc<ClassTable>, Arc<Groups>)>,
    /// How many targets of records have these answers.
    pub targets: usize,
    /// A row for each class, a column for each type: outcome, whether first choices are up, and
    /// whether nothing is.
    pub cells: Vec<(Outcome, bool, Option<Panic>)>,
}

impl Answers {
    /// Finishes a draft.
    pub fn new(draft: Draft<'_>) -> Answers {
        let columns = draft.types.len() + usize::from(draft.has_alias);
        let mut answers = Answers {
            types: draft.types.to_vec(),
            has_alias: draft.has_alias,
            columns,
            place: draft.place,
            cells: Vec::with_capacity(draft.cells.len()),
            choices: Vec::new(),
            draws: Vec::new(),
            hashes: Vec::new(),
            splits: Vec::new(),
            ends: Vec::new(),
            bytes: Vec::new(),
            ways_of_records: Vec::new(),
            ways: Vec::new(),
            labels: Vec::new(),
        };
        let mut writer = Writer {
            model: draft.model,
            standings: draft.standings,
            ttl: draft.ttl,
            columns: columns as u32,
            targets: draft.targets,
            known: HashMap::default(),
        };
        // What a type has that nothing here answers comes first.
        writer.way(&mut answers, Way::NO_DATA);
        for (index, (outcome, is_first, panic)) in draft.cells.into_iter().enumerate() {
            let is_hashed = match &outcome {
                Outcome::Resolved(resolved) => resolved.is_hashed(),
                Outcome::ServFail => false,
            };
            let column = (index % columns) as u32;
            let nothing = if panic.is_some() { Way::FAILED } else { Way::NO_DATA };
            let choice = writer.choice(&mut answers, outcome, column, nothing);
            answers.cells.push(Cell { choice, is_first, is_hashed, panic });
        }
        answers
    }

    /// Says what answers are counted as: each way, for each of the targets that have them.
    pub fn label(&mut self, targets: &[Target], mut label: impl FnMut(Target, Way) -> LabelId) {
        let of_way = |way: &Way| targets.iter().map(|target| label(*target, *way)).collect();
        self.labels = self.ways.iter().flat_map::<Vec<_>, _>(of_way).collect();
        for choice in &mut self.choices {
            if let Choice::Lone { way, label, .. } = choice {
                *label = self.labels[*way as usize];
            }
        }
    }

    /// The answer to `qtype` from `client` for a record and its slot.
    #[inline(always)]
    pub fn serve(
        &self,
        qtype: Type,
        client: Client,
        (record, slot): (RecordId, &Slot),
        spin: &mut Spin,
    ) -> Served<'_> {
        let column = match self.types.iter().position(|rtype| *rtype == qtype) {
            Some(column) => column,
            None if self.has_alias => self.types.len(),
            None => {
                let (answer, label) = (Answer::NoData, self.labels[slot.target as usize]);
                return Served { answer, scope: 0, panic: None, label };
            }
        };
        let (cell, scope) = match &self.place {
            None => (&self.cells[column], 0),
            Some((table, groups)) => {
                let place = table.find(client.address);
                let cell = &self.cells[place.class as usize * self.columns + column];
                let scope = match cell.is_first {
                    true => table.group_scope(groups, client.address, place),
                    false => table.class_scope(client.address, place),
                };
                (cell, scope + client.offset)
            }
        };
        let scope = if cell.is_hashed { scope_of_hash(scope, client) } else { scope };
        // Said as a whole, so that nobody asks again what it is that is answered.
        if let Choice::Lone { start, end, label, .. } = self.choices[cell.choice as usize]
            && slot.target == 0
            && cell.panic.is_none()
        {
            return Served { answer: self.lone(start, end), scope, panic: None, label };
        }
        let (answer, way) = self.answer(cell.choice, (client, record, slot), spin);
        let label = self.labels[(way + slot.target) as usize];
        Served { answer, scope, panic: cell.panic, label }
    }

    #[inline(always)]
    fn lone(&self, start: u32, end: u32) -> Answer<'_> {
        Answer::Records { bytes: &self.bytes[start as usize..end as usize], count: 1 }
    }

    /// The answer of a choice that may have others behind it, and its way.
    // The client goes together with the slot: alone, it would be written to memory for those too
    // that have no need of this.
    #[inline(never)]
    fn answer(
        &self,
        mut choice: u32,
        (client, record, slot): (Client, RecordId, &Slot),
        spin: &mut Spin,
    ) -> (Answer<'_>, u32) {
        let Slot { seed, .. } = *slot;
        // Counters of different records lie apart; where they meet, rings turn together.
        let rotor = record.0.wrapping_mul(ROTOR_STRIDE);
        loop {
            match self.choices[choice as usize] {
                Choice::NoData { way } => return (Answer::NoData, way),
                Choice::ServFail { way } => return (Answer::ServFail, way),
                Choice::Lone { start, end, way, .. } => return (self.lone(start, end), way),
                Choice::Ring { first, count, take, rotor: own, is_alias } => {
                    let turn = match count {
                        1 => 0,
                        _ => spin.turn(rotor.wrapping_add(own)) % count,
                    };
                    let from = first + turn;
                    let start = if from == 0 { 0 } else { self.ends[from as usize - 1] };
                    let bytes =
                        &self.bytes[start as usize..self.ends[(from + take) as usize - 1] as usize];
                    let way = self.ways_of_records[from as usize];
                    if is_alias {
                        return (Answer::Alias { bytes, target: &bytes[RECORD_HEAD..] }, way);
                    }
                    return (Answer::Records { bytes, count: take as u16 }, way);
                }
                Choice::Draw { first, count } => {
                    let branches = &self.draws[first as usize..(first + count) as usize];
                    let total = branches[branches.len() - 1].0;
                    let point = spin.random.below(total);
                    choice = branches[branches.partition_point(|(sum, _)| *sum <= point)].1;
                }
                Choice::Hash { first, count } => {
                    choice = self.hashed(first as usize..(first + count) as usize, client, seed);
                }
                Choice::Split { first, count } => {
                    choice = self.split(first as usize..(first + count) as usize, client, seed);
                }
            }
        }
    }

    // Both work with hashes, which would take registers from the answers that need none.

    #[inline(never)]
    fn hashed(&self, branches: Range<usize>, client: Client, seed: u64) -> u32 {
        let branches = &self.hashes[branches];
        let key = spread::client_key(client.address);
        let candidates = branches.iter().map(|(candidate, _)| *candidate);
        branches[spread::rendezvous(seed, key, candidates)].1
    }

    #[inline(never)]
    fn split(&self, parts: Range<usize>, client: Client, seed: u64) -> u32 {
        let portion = spread::portion(seed, spread::client_key(client.address));
        part(&self.splits[parts], portion).1
    }
}

/// The part that a client is in; the last bound is above every portion.
fn part<T>(parts: &[(u16, T)], portion: u8) -> &(u16, T) {
    &parts[parts.partition_point(|(bound, _)| *bound <= u16::from(portion))]
}

/// The scope of an answer that also depends on a hash of the client's network.
#[cold]
fn scope_of_hash(scope: u8, client: Client) -> u8 {
    scope.max(hashed_scope(client.address) + client.offset)
}

/// The narrowest network that hashing tells apart, as a prefix length.
fn hashed_scope(address: IpAddr) -> u8 {
    if address.is_ipv4() { 24 } else { 56 }
}

/// Octets of a record before its data: owner pointer, type, class, TTL, length.
const RECORD_HEAD: usize = 12;

struct Writer<'a> {
    model: &'a Model,
    standings: &'a [Standing],
    ttl: u32,
    columns: u32,
    targets: usize,
    /// The choices made so far, by column, outcome, and what it is when there is nothing.
    known: HashMap<(u32, Outcome, Way), u32, RandomState>,
}

impl Writer<'_> {
    fn choice(
        &mut self,
        answers: &mut Answers,
        outcome: Outcome,
        column: u32,
        nothing: Way,
    ) -> u32 {
        let key = (column, outcome, nothing);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let choice = match &key.1 {
            Outcome::ServFail => Choice::ServFail { way: self.way(answers, Way::FAILED) },
            Outcome::Resolved(Resolved::NoData) => {
                Choice::NoData { way: self.way(answers, nothing) }
            }
            Outcome::Resolved(Resolved::Ring(ring)) => self.ring(answers, ring, column),
            Outcome::Resolved(Resolved::Draw(list)) => {
                let mut sum = 0u32;
                let mut branches = Vec::with_capacity(list.len());
                for (weight, branch) in list {
                    sum = sum.saturating_add(*weight);
                    let branch = Outcome::Resolved(branch.clone());
                    branches.push((sum, self.choice(answers, branch, column, nothing)));
                }
                let first = answers.draws.len() as u32;
                answers.draws.extend(branches);
                Choice::Draw { first, count: list.len() as u32 }
            }
            Outcome::Resolved(Resolved::Hash(list)) => {
                let mut branches = Vec::with_capacity(list.len());
                for (candidate, branch) in list {
                    let branch = Outcome::Resolved(branch.clone());
                    branches.push((*candidate, self.choice(answers, branch, column, nothing)));
                }
                let first = answers.hashes.len() as u32;
                answers.hashes.extend(branches);
                Choice::Hash { first, count: list.len() as u32 }
            }
            Outcome::Resolved(Resolved::Split(list)) => {
                let mut parts = Vec::with_capacity(list.len());
                for (bound, part) in list {
                    let part = Outcome::Resolved(part.clone());
                    parts.push((*bound, self.choice(answers, part, column, nothing)));
                }
                let first = answers.splits.len() as u32;
                answers.splits.extend(parts);
                Choice::Split { first, count: list.len() as u32 }
            }
        };
        answers.choices.push(choice);
        let number = answers.choices.len() as u32 - 1;
        self.known.insert(key, number);
        number
    }

    fn ring(&self, answers: &mut Answers, ring: &Ring, column: u32) -> Choice {
        if let [item] = &ring.items[..]
            && ring.take > 0
        {
            let start = answers.bytes.len() as u32;
            let is_alias = self.record(&mut answers.bytes, *item);
            let end = answers.bytes.len() as u32;
            if !is_alias {
                let way = self.way_of(answers, ring, *item);
                // A ring that follows begins at the last end before it.
                answers.ends.push(end);
                answers.ways_of_records.push(way);
                return Choice::Lone { start, end, way, label: LabelId::NONE };
            }
            answers.bytes.truncate(start as usize);
        }
        let first = answers.ends.len() as u32;
        let mut is_alias = false;
        let again = if ring.is_fixed { &[][..] } else { &ring.items };
        for item in ring.items.iter().chain(again) {
            is_alias |= self.record(&mut answers.bytes, *item);
            answers.ends.push(answers.bytes.len() as u32);
            let way = self.way_of(answers, ring, *item);
            answers.ways_of_records.push(way);
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
        Choice::Ring { first, count, take, rotor: source * self.columns + column, is_alias }
    }

    /// Where the labels begin of an answer of `ring` whose first record is `item`: clients take
    /// the first.
    fn way_of(&self, answers: &mut Answers, ring: &Ring, item: Item) -> u32 {
        self.way(answers, Way { outlet: Outlet::of(item), reason: ring.reason })
    }

    /// Where the labels of a way begin.
    fn way(&self, answers: &mut Answers, way: Way) -> u32 {
        let known = answers.ways.iter().position(|known| *known == way);
        let number = known.unwrap_or_else(|| {
            answers.ways.push(way);
            answers.labels.extend(std::iter::repeat_n(LabelId::NONE, self.targets));
            answers.ways.len() - 1
        });
        (number * self.targets) as u32
    }

    /// Appends one record; true when it is an alias.
    fn record(&self, bytes: &mut Vec<u8>, item: Item) -> bool {
        let data = item.data(self.model, self.standings);
        let rtype = data.rtype().unwrap_or(Type::CNAME);
        let v4;
        let v6;
        let rdata: &[u8] = match &data {
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
        bytes.extend_from_slice(&[0xc0, 0x0c]);
        bytes.extend_from_slice(&rtype.0.to_be_bytes());
        bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
        bytes.extend_from_slice(&self.ttl.to_be_bytes());
        bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rdata);
        matches!(data, MemberData::Alias(_))
    }
}

impl Resolved {
    /// Whether the outcome depends on a hash of the client's network.
    pub fn is_hashed(&self) -> bool {
        match self {
            Resolved::NoData | Resolved::Ring(_) => false,
            Resolved::Draw(list) => list.iter().any(|(_, resolved)| resolved.is_hashed()),
            Resolved::Hash(_) => true,
            // Parts may differ in why they are sent to the same place.
            Resolved::Split(list) => {
                let is_other = |part: &Resolved| part.is_hashed() || !part.is_like(&list[0].1);
                list.iter().any(|(_, part)| is_other(part))
            }
        }
    }
}
