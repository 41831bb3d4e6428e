//! Whether records make a zone: one SOA record, name servers, aliases alone, glue.
//!
//! Knows RFC 1034 section 4.2, RFC 2181 sections 5 and 10, RFC 6672 and what they ask of the
//! records of one zone together. Each record's own data was checked when it was read.

mod index;
mod mistake;

pub use mistake::{Finding, Mistake};

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use self::index::{Index, NodeId};
use super::Record;
use super::rdata::name_positions;
use crate::wire::{Name, Type};

/// So many errors and so many warnings are listed; the rest is counted.
const MAX_LISTED: usize = 20;

/// What the checks made of a zone's records.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The records without exact duplicates, every RRset with one TTL.
    pub records: Vec<Record>,
    /// Why the zone cannot be served; at most 20.
    pub errors: Vec<Finding>,
    /// What is probably not meant; at most 20.
    pub warnings: Vec<Finding>,
    /// How many errors and warnings are not listed.
    pub unlisted: usize,
}

/// Checks the records of the zone `apex`.
///
/// `steered` are the names, wildcards among them, at which steered records answer: they count as
/// names with addresses.
pub fn check(apex: &Name, mut records: Vec<Record>, steered: &HashSet<Name>) -> Checked {
    let mut check = Check {
        index: Index::new(apex, &records, steered),
        apex,
        records: &records,
        duplicates: HashSet::new(),
        ttls: HashMap::default(),
        reported: HashSet::new(),
        found: Checked::default(),
    };
    check.run();
    let lowered = check.lowered();
    let Check { duplicates, mut found, .. } = check;
    for (number, ttl) in lowered {
        records[number].ttl = ttl;
    }
    let mut number = 0;
    records.retain(|_| {
        number += 1;
        !duplicates.contains(&(number - 1))
    });
    found.records = records;
    found
}

/// A check on its way through the records.
struct Check<'a> {
    apex: &'a Name,
    records: &'a [Record],
    index: Index<'a>,
    /// Numbers of the records that repeat an earlier one.
    duplicates: HashSet<usize>,
    ttls: HashMap<(NodeId, Type), RrsetTtl, RandomState>,
    /// What is said once for each name.
    reported: HashSet<(NodeId, Type)>,
    found: Checked,
}

/// The TTLs of an RRset.
struct RrsetTtl {
    lowest: u32,
    differ: bool,
}

impl Check<'_> {
    fn run(&mut self) {
        let mut seen = HashSet::<_, RandomState>::default();
        for (number, record) in self.records.iter().enumerate() {
            let Some(node) = self.index.node_of_record(number) else {
                let mistake =
                    Mistake::OutsideZone { owner: record.owner.clone(), apex: self.apex.clone() };
                self.error(record, mistake);
                continue;
            };
            // A name with a single record has nothing that could repeat or differ.
            if self.index.records_at(node) > 1 {
                if !seen.insert((node, record.rtype, canonical(record))) {
                    self.duplicates.insert(number);
                    self.warn(record, Mistake::Duplicate(record.owner.clone(), record.rtype));
                    continue;
                }
                self.one_ttl(record, node);
                self.alone(record, node);
            }
            self.place(record, node);
            self.targets(record);
        }
        let apex = self.index.node_of(self.apex.as_wire());
        let has = |rtype| apex.is_some_and(|node| self.index.has(node, rtype));
        let (soa, ns) = (has(Type::SOA), has(Type::NS));
        if !soa {
            self.list_error(None, Mistake::NoSoa(self.apex.clone()));
        }
        if !ns {
            self.list_error(None, Mistake::NoNs(self.apex.clone()));
        }
    }

    /// RRsets have one TTL (RFC 2181 section 5.2). Signatures at one name are no RRset
    /// (RFC 4034 section 3).
    fn one_ttl(&mut self, record: &Record, node: NodeId) {
        if matches!(record.rtype, Type::RRSIG | Type::SIG) {
            return;
        }
        let rrset = self
            .ttls
            .entry((node, record.rtype))
            .or_insert(RrsetTtl { lowest: record.ttl, differ: false });
        let first = !rrset.differ && rrset.lowest != record.ttl;
        rrset.differ |= first;
        rrset.lowest = rrset.lowest.min(record.ttl);
        if first {
            self.warn(record, Mistake::TtlsDiffer(record.owner.clone(), record.rtype));
        }
    }

    /// The records whose TTL is not that of their RRset, and what it is.
    fn lowered(&self) -> Vec<(usize, u32)> {
        if !self.ttls.values().any(|rrset| rrset.differ) {
            return Vec::new();
        }
        let lower = |(number, record): (usize, &Record)| {
            let node = self.index.node_of_record(number)?;
            let rrset = self.ttls.get(&(node, record.rtype))?;
            (record.ttl > rrset.lowest).then_some((number, rrset.lowest))
        };
        self.records.iter().enumerate().filter_map(lower).collect()
    }

    /// Aliases stand alone, and some types once (RFC 1034 section 3.6.2, RFC 2181 section 10.1,
    /// RFC 6672 section 2.4).
    fn alone(&mut self, record: &Record, node: NodeId) {
        let owner = || record.owner.clone();
        let once = matches!(record.rtype, Type::SOA | Type::CNAME | Type::DNAME);
        if once && !self.reported.insert((node, record.rtype)) {
            self.error(record, Mistake::Twice(owner(), record.rtype));
        }
        let beside_alias = !matches!(
            record.rtype,
            Type::CNAME | Type::RRSIG | Type::NSEC | Type::KEY | Type::SIG | Type::NXT
        );
        if beside_alias
            && self.index.has(node, Type::CNAME)
            // Said once for each name: type 0 stands for that.
            && self.reported.insert((node, Type(0)))
        {
            self.error(record, Mistake::BesideAlias(owner(), record.rtype));
        }
        if record.rtype == Type::DNAME
            && record.owner != *self.apex
            && self.index.has(node, Type::NS)
        {
            self.error(record, Mistake::DnameAtCut(owner()));
        }
    }

    /// Where in the zone a record stands: at the apex, below a cut, below a DNAME.
    fn place(&mut self, record: &Record, node: NodeId) {
        let owner = || record.owner.clone();
        if record.rtype == Type::SOA && record.owner != *self.apex {
            let apex = self.apex.clone();
            self.error(record, Mistake::SoaBelowApex { owner: owner(), apex });
        }
        let wire = record.owner.as_wire();
        // The names of NSEC3 records are hashes below the apex, whatever stands there.
        let hashed = matches!(record.rtype, Type::NSEC3 | Type::RRSIG);
        if !hashed && let Some(dname) = self.index.dname_above(wire) {
            let mistake = Mistake::BelowDname { owner: owner(), dname };
            self.error(record, mistake);
            return;
        }
        let at_cut = record.owner != *self.apex && self.index.has(node, Type::NS);
        let above = self.index.cut_above(wire);
        let belongs = match (&above, at_cut) {
            (None, false) => true,
            (None, true) => {
                matches!(record.rtype, Type::NS | Type::DS | Type::NSEC | Type::NSEC3 | Type::RRSIG)
            }
            (Some(_), _) => false,
        };
        let glue = matches!(record.rtype, Type::A | Type::AAAA) && self.index.is_server(node);
        if !belongs && !glue {
            let cut = above.unwrap_or_else(owner);
            self.warn(record, Mistake::Occluded { owner: owner(), rtype: record.rtype, cut });
        }
    }

    /// What a record points to has addresses, and is no alias (RFC 2181 section 10.3).
    fn targets(&mut self, record: &Record) {
        if !matches!(record.rtype, Type::NS | Type::MX | Type::SRV) {
            return;
        }
        let position = name_positions(record.rtype, &record.rdata).next();
        let target = position.and_then(|(at, _)| Name::from_wire(&record.rdata[at..]).ok());
        let Some(target) = target.filter(|target| target.is_within(self.apex)) else { return };
        let wire = target.as_wire();
        let (owner, rtype) = (record.owner.clone(), record.rtype);
        if self.index.node_of(wire).is_some_and(|node| self.index.has(node, Type::CNAME)) {
            self.warn(record, Mistake::TargetIsAlias { owner, rtype, target });
            return;
        }
        if self.index.has_address(&target) {
            return;
        }
        let apex = record.owner == *self.apex;
        if rtype == Type::NS && (apex || target.is_within(&record.owner)) {
            self.error(record, Mistake::NoGlue { owner, target });
        } else if self.index.cut_at_or_above(wire).is_none() {
            self.warn(record, Mistake::TargetWithoutAddress { owner, rtype, target });
        }
    }

    fn error(&mut self, record: &Record, mistake: Mistake) {
        self.list_error(Some(record), mistake);
    }

    fn list_error(&mut self, record: Option<&Record>, mistake: Mistake) {
        let site = record.map(|record| record.site.clone());
        list(&mut self.found.errors, &mut self.found.unlisted, Finding { site, mistake });
    }

    fn warn(&mut self, record: &Record, mistake: Mistake) {
        let site = Some(record.site.clone());
        list(&mut self.found.warnings, &mut self.found.unlisted, Finding { site, mistake });
    }
}

fn list(findings: &mut Vec<Finding>, unlisted: &mut usize, finding: Finding) {
    if findings.len() < MAX_LISTED {
        findings.push(finding);
    } else {
        *unlisted += 1;
    }
}

/// The data with the names in it in lower case: names that differ in case are the same.
fn canonical(record: &Record) -> Cow<'_, [u8]> {
    let mut data = Cow::Borrowed(&record.rdata[..]);
    for (at, _) in name_positions(record.rtype, &record.rdata) {
        let end = record.rdata.len();
        let Some(len) = super::rdata::name_len(&record.rdata[at..]) else { break };
        let name = at..end.min(at + len);
        if record.rdata[name.clone()].iter().any(u8::is_ascii_uppercase) {
            // Length octets are at most 63 and so never in A to Z.
            data.to_mut()[name].make_ascii_lowercase();
        }
    }
    data
}
