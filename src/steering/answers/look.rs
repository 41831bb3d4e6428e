//! Looking into finished answers: the same way that a query goes, told step by step.

use std::net::IpAddr;

use super::{Answers, Choice, hashed_scope};
use crate::steering::served::{Client, Panic};
use crate::wire::Type;

/// Where a client stands in finished answers, and what is ready for it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look<'a> {
    /// Its row of the prefix table; `None` where the target looks at no place.
    pub row: Option<Row>,
    /// Its cell, by number: the row of its class, the column of the type. `None` where there are
    /// no answers of the type.
    pub cell: Option<usize>,
    /// Whether the first choices of the class are up: then the scope is that of the first choice.
    pub is_first: bool,
    /// Whether a hash of the client's network decides.
    pub is_hashed: bool,
    /// What stands in where nothing is up.
    pub panic: Option<Panic>,
    /// The ECS scope prefix length that is told.
    pub scope: u8,
    /// Whether the answer is SERVFAIL.
    pub is_failure: bool,
    /// The records that may be told this client, each once: formed as those of
    /// [`Answer`](crate::steering::Answer).
    pub records: Vec<&'a [u8]>,
}

/// A row of a prefix table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The first address.
    pub first: IpAddr,
    /// The last one.
    pub last: IpAddr,
    /// What its clients are.
    pub class: u32,
    /// The widest prefix around the client with its class throughout.
    pub class_scope: u8,
    /// The widest prefix around the client with its first choice throughout.
    pub group_scope: u8,
}

impl Answers {
    /// What [`Answers::serve`] goes through.
    pub fn look(&self, qtype: Type, client: Client, seed: u64) -> Look<'_> {
        let address = client.address;
        let row = self.place.as_ref().map(|(table, groups)| {
            let place = table.find(address);
            let (first, last) = table.row(address, place);
            Row {
                first,
                last,
                class: place.class,
                class_scope: table.class_scope(address, place),
                group_scope: table.group_scope(groups, address, place),
            }
        });
        let column = match self.types.iter().position(|rtype| *rtype == qtype) {
            None if self.has_alias => Some(self.types.len()),
            column => column,
        };
        let class = row.map_or(0, |row| row.class as usize);
        let number = column.map(|column| class * self.columns + column);
        let mut look = Look {
            row,
            cell: number,
            is_first: true,
            is_hashed: false,
            panic: None,
            scope: 0,
            is_failure: false,
            records: Vec::new(),
        };
        let Some(cell) = number.map(|number| &self.cells[number]) else { return look };
        (look.is_first, look.is_hashed, look.panic) = (cell.is_first, cell.is_hashed, cell.panic);
        if let Some(row) = row {
            let scope = if cell.is_first { row.group_scope } else { row.class_scope };
            look.scope = scope + client.offset;
        }
        if cell.is_hashed {
            look.scope = look.scope.max(hashed_scope(address) + client.offset);
        }
        look.is_failure = matches!(cell.choice, Choice::ServFail { .. });
        self.records(&cell.choice, client, seed, &mut look.records);
        look
    }

    fn records<'a>(
        &'a self,
        choice: &Choice,
        client: Client,
        seed: u64,
        found: &mut Vec<&'a [u8]>,
    ) {
        let range = |first: u32, count: u32| first as usize..(first + count) as usize;
        let mut add = |record: &'a [u8]| {
            if !found.contains(&record) {
                found.push(record);
            }
        };
        match *choice {
            Choice::NoData { .. } | Choice::ServFail { .. } => {}
            Choice::Lone { start, end, .. } => add(&self.bytes[start as usize..end as usize]),
            Choice::Ring { first, count, take, .. } => {
                for record in &self.records[range(first, count.max(take))] {
                    add(&self.bytes[record.start as usize..record.end as usize]);
                }
            }
            Choice::Draw { first, count } => {
                for (_, branch) in &self.draws[range(first, count)] {
                    self.records(branch, client, seed, found);
                }
            }
            Choice::Hash { first, count } => {
                let branch = self.hashed(range(first, count), client, seed);
                self.records(branch, client, seed, found);
            }
            Choice::Split { first, count } => {
                let part = self.split(range(first, count), client, seed);
                self.records(part, client, seed, found);
            }
        }
    }
}
