//! The records of a zone in few octets.
//!
//! Those of all zones stand in memory until the tables are made; as they are read, each would take
//! three allocations and three times the room, most of which no other part of the program could use
//! again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::wire::{Name, Type};

use super::{Record, Site};

/// Records one after the other: lengths of owner and data (1 and 2 octets), owner, data, and the
/// numbers of fixed size.
#[derive(Debug, Clone, Default)]
pub(super) struct Pack {
    octets: Vec<u8>,
    /// The files that they stand in.
    files: Vec<Arc<PathBuf>>,
}

/// A record in a [`Pack`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'p> {
    /// Where it begins.
    pub(super) at: usize,
    /// The owner name in wire form, in the case of the file.
    pub(super) owner: &'p [u8],
    pub(super) ttl: u32,
    pub(super) rtype: Type,
    pub(super) rdata: &'p [u8],
    file: &'p Arc<PathBuf>,
    line: u32,
    column: u32,
}

/// Octets of the lengths, and of TTL, type, file, line and column.
const LENGTHS: usize = 1 + 2;
const FIXED: usize = 4 + 2 + 4 + 4 + 4;

impl Pack {
    pub(super) fn new(records: &[Record]) -> Pack {
        let size = |record: &Record| record.owner.as_wire().len() + record.rdata.len();
        let octets = records.iter().map(|record| LENGTHS + size(record) + FIXED).sum();
        let mut pack = Pack { octets: Vec::with_capacity(octets), files: Vec::new() };
        for record in records {
            pack.push(record);
        }
        pack
    }

    fn push(&mut self, Record { owner, ttl, rtype, rdata, site }: &Record) {
        let Site { file, line, column } = site;
        // Nearly always the one of the record before.
        let number = self.files.iter().rposition(|known| known == file).unwrap_or_else(|| {
            self.files.push(file.clone());
            self.files.len() - 1
        });
        let owner = owner.as_wire();
        self.octets.push(owner.len() as u8); // at most 255
        self.octets.extend((rdata.len() as u16).to_ne_bytes()); // at most 65,535
        self.octets.extend_from_slice(owner);
        self.octets.extend_from_slice(rdata);
        self.octets.extend(ttl.to_ne_bytes());
        self.octets.extend(rtype.0.to_ne_bytes());
        for number in [number as u32, *line, *column] {
            self.octets.extend(number.to_ne_bytes());
        }
    }

    /// All of them, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Packed<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let packed = self.read(at)?;
            at += LENGTHS + packed.owner.len() + packed.rdata.len() + FIXED;
            Some(packed)
        })
    }

    /// The record that begins at `at`.
    pub(super) fn at(&self, at: usize) -> Packed<'_> {
        self.read(at).expect("whoever asks has it from a record of this pack")
    }

    fn read(&self, at: usize) -> Option<Packed<'_>> {
        let (lengths, rest) = self.octets.get(at..)?.split_first_chunk::<LENGTHS>()?;
        let (owner, rest) = rest.split_at_checked(usize::from(lengths[0]))?;
        let length = u16::from_ne_bytes([lengths[1], lengths[2]]);
        let (rdata, rest) = rest.split_at_checked(usize::from(length))?;
        let (ttl, rest) = rest.split_first_chunk()?;
        let (rtype, rest) = rest.split_first_chunk()?;
        let (file, rest) = rest.split_first_chunk()?;
        let (line, rest) = rest.split_first_chunk()?;
        let column = rest.first_chunk()?;
        Some(Packed {
            at,
            owner,
            ttl: u32::from_ne_bytes(*ttl),
            rtype: Type(u16::from_ne_bytes(*rtype)),
            rdata,
            file: self.files.get(u32::from_ne_bytes(*file) as usize)?,
            line: u32::from_ne_bytes(*line),
            column: u32::from_ne_bytes(*column),
        })
    }
}

impl Packed<'_> {
    pub(super) fn owner(&self) -> Name {
        Name::from_wire(self.owner).expect("it was a name when it was packed")
    }

    /// Where it stands.
    pub(super) fn site(&self) -> Site {
        Site { file: self.file.clone(), line: self.line, column: self.column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_there_again_and_found_by_where_it_begins() {
        let site = |file: &str, line| Site { file: Arc::new(file.into()), line, column: 7 };
        let record = |owner: &str, ttl, rtype, rdata: &[u8], site| Record {
            owner: owner.parse().unwrap(),
            ttl,
            rtype,
            rdata: rdata.into(),
            site,
        };
        let records = [
            record("WWW.example.com.", 300, Type::A, &[192, 0, 2, 1], site("a.zone", 3)),
            record(".", u32::MAX, Type::TXT, &[0; 65_535], site("b.zone", u32::MAX)),
            record("example.com.", 0, Type(65_280), &[], site("a.zone", 9)),
        ];
        let pack = Pack::new(&records);
        assert_eq!(pack.iter().count(), records.len());
        for (packed, record) in pack.iter().zip(&records) {
            for packed in [packed, pack.at(packed.at)] {
                assert_eq!(packed.owner, record.owner.as_wire());
                assert_eq!((packed.ttl, packed.rtype), (record.ttl, record.rtype));
                assert_eq!(packed.rdata, &record.rdata[..]);
                assert_eq!(packed.site(), record.site);
            }
        }
    }
}
