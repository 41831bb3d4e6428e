//! Finished answers: what one bound target says to each class of clients, ready to copy.

mod look;
mod writer;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

pub use look::{Look, Row};
pub use writer::{Draft, Writer};

use crate::steering::label::{LabelId, LabelList};
use crate::steering::live::Slot;
use crate::steering::resolve::Resolved;
use crate::steering::served::{Answer, Client, Panic, Served, Spin};
use crate::steering::spread::{self, Candidate};
use crate::steering::table::{ClassTable, Groups};
use crate::steering::way::Reason;
use crate::wire::Type;
use crate::zone::RecordId;

/// Distance between the first rotation counters of two records: odd, and near the golden section of
/// the number of counters, so that few records' counters meet.
const ROTOR_STRIDE: u32 = 10_007;

/// The answers now in force for one target at one TTL. Immutable.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Types with answers of their own.
    types: Arc<[Type]>,
    /// Whether there is a further column, for all other types: some pool has aliases.
    has_alias: bool,
    /// How many columns that is.
    columns: usize,
    place: Option<(Arc<ClassTable>, Arc<Groups>)>,
    /// A row for each class, a column for each type.
    cells: Vec<Cell>,
    draws: Vec<(u32, Choice)>,
    hashes: Vec<(Candidate, Choice)>,
    splits: Vec<(u16, Choice)>,
    /// Those of rings.
    records: Vec<Record>,
    bytes: Vec<u8>,
    /// For each way, what it is counted as, one after the other for each target that has these
    /// answers.
    labels: LabelList,
}

/// A finished record of a ring.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// Where it begins in the octets.
    start: u32,
    /// Where it ends.
    end: u32,
    /// The way of an answer that begins with it: where its labels begin.
    way: u32,
}

/// What one class gets for one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    choice: Choice,
    /// The first choices are up: the scope is that of the first choice, else that of the order.
    pub is_first: bool,
    /// The answer depends on a hash of the client's network.
    is_hashed: bool,
    panic: Option<Panic>,
}

/// What is answered. In the cell itself: a query finds a lone record one step sooner, and a flip
/// has a list less to allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Answers {
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
        if let Choice::Lone { start, end, label, .. } = cell.choice
            && slot.target == 0
            && cell.panic.is_none()
        {
            return Served { answer: self.lone(start, end), scope, panic: None, label };
        }
        let (answer, way) = self.answer(&cell.choice, (client, record, slot), spin);
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
    fn answer<'a>(
        &'a self,
        mut choice: &'a Choice,
        (client, record, slot): (Client, RecordId, &Slot),
        spin: &mut Spin,
    ) -> (Answer<'a>, u32) {
        let Slot { seed, .. } = *slot;
        // Counters of different records lie apart; where they meet, rings turn together.
        let rotor = record.0.wrapping_mul(ROTOR_STRIDE);
        loop {
            match *choice {
                Choice::NoData { way } => return (Answer::NoData, way),
                Choice::ServFail { way } => return (Answer::ServFail, way),
                Choice::Lone { start, end, way, .. } => return (self.lone(start, end), way),
                Choice::Ring { first, count, take, rotor: own, is_alias } => {
                    let turn = match count {
                        1 => 0,
                        _ => spin.turn(rotor.wrapping_add(own)) % count,
                    };
                    let from = first + turn;
                    let Record { start, way, .. } = self.records[from as usize];
                    let end = self.records[(from + take) as usize - 1].end;
                    let bytes = &self.bytes[start as usize..end as usize];
                    if is_alias {
                        return (Answer::Alias { bytes, target: &bytes[RECORD_HEAD..] }, way);
                    }
                    return (Answer::Records { bytes, count: take as u16 }, way);
                }
                Choice::Draw { first, count } => {
                    let branches = &self.draws[first as usize..(first + count) as usize];
                    let total = branches[branches.len() - 1].0;
                    let point = spin.random.below(total);
                    choice = &branches[branches.partition_point(|(sum, _)| *sum <= point)].1;
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
    fn hashed(&self, branches: Range<usize>, client: Client, seed: u64) -> &Choice {
        let branches = &self.hashes[branches];
        let key = spread::client_key(client.address);
        let candidates = branches.iter().map(|(candidate, _)| *candidate);
        &branches[spread::rendezvous(seed, key, candidates)].1
    }

    #[inline(never)]
    fn split(&self, parts: Range<usize>, client: Client, seed: u64) -> &Choice {
        let portion = spread::portion(seed, spread::client_key(client.address));
        &part(&self.splits[parts], portion).1
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
