//! What zones are built from, and what is wrong with it.

use crate::wire::{Name, Type};

use super::pack::Pack;
use super::{Record, RecordId, Site};

/// A zone to serve.
#[derive(Debug, Clone)]
pub struct ZoneSource {
    /// Its name.
    pub apex: Name,
    pub(super) records: Pack,
}

impl ZoneSource {
    /// The zone `apex` with its records, in any order.
    pub fn new(apex: Name, records: &[Record]) -> ZoneSource {
        ZoneSource { apex, records: Pack::new(records) }
    }
}

/// A name that steering answers for.
#[derive(Debug, Clone)]
pub struct Steered {
    /// The name: new or existing, the apex, or a wildcard.
    pub owner: Name,
    /// What answers.
    pub record: RecordId,
    /// The types it answers; the zone must not have them at this name.
    pub types: Vec<Type>,
    /// Whether it may answer with a CNAME; the zone must then have nothing at this name.
    pub cname: bool,
}

/// What keeps zones from being served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Two sources have one apex.
    #[error("the zone {apex} is defined twice; keep one of its files")]
    ZoneTwice {
        /// The zone.
        apex: Name,
    },
    /// Negative answers need the SOA.
    #[error("the zone {apex} has no SOA record; add one at its apex")]
    NoSoa {
        /// The zone.
        apex: Name,
    },
    /// A record is not within its zone.
    #[error("{owner} is not within the zone {apex}")]
    RecordOutside {
        /// The record's owner.
        owner: Name,
        /// The zone it was given in.
        apex: Name,
        /// Where the record stands.
        site: Site,
    },
    /// An RRset is larger than any message.
    #[error("the {rtype} records of {owner} are more than a DNS message can carry; remove some")]
    SetTooLarge {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: Type,
    },
    /// The tables hold at most 4 GiB of each kind.
    #[error("the zones are larger than the 4 GiB that one server holds")]
    TooMuchData,
    /// A steered name is in no served zone.
    #[error("{owner} is within no zone that is served; add the zone, or correct the name")]
    SteeredOutside {
        /// The steered name.
        owner: Name,
    },
    /// Two steered records have one owner.
    #[error("two steered records are bound to {owner}; keep one")]
    SteeredTwice {
        /// The steered name.
        owner: Name,
    },
    /// A steered name is at or below a delegation, where this server does not answer.
    #[error("{owner} is at or below {cut}, which the zone delegates; no client would be answered")]
    SteeredBelowCut {
        /// The steered name.
        owner: Name,
        /// The delegated name.
        cut: Name,
    },
    /// A steered name is below a DNAME.
    #[error("{owner} is below {dname}, whose DNAME record answers for all names under it")]
    SteeredBelowDname {
        /// The steered name.
        owner: Name,
        /// The DNAME's owner.
        dname: Name,
    },
    /// A type is defined both ways.
    #[error("{owner} has {rtype} in the zone file and in a steered record; remove one of them")]
    TypeTwice {
        /// The name.
        owner: Name,
        /// The type.
        rtype: Type,
        /// Where the zone file has it.
        site: Site,
    },
    /// A steered name owns a CNAME, which stands alone (RFC 1034 section 3.6.2).
    #[error("{owner} is a CNAME in the zone file, and a CNAME stands alone; remove one of them")]
    SteeredBesideCname {
        /// The name.
        owner: Name,
        /// Where the CNAME stands.
        site: Site,
    },
    /// A steered record with CNAME members is at a name that has other data.
    #[error(
        "{owner} has {rtype} in the zone file, and a steered record with CNAME members stands \
         alone; remove one of them"
    )]
    SteeredCnameBesideData {
        /// The name.
        owner: Name,
        /// The type of the other data.
        rtype: Type,
        /// Where the other data stands.
        site: Site,
    },
    /// A steered record with CNAME members is at an apex, where SOA and NS are.
    #[error("{owner} is the apex of a zone, which cannot be a CNAME; use members with addresses")]
    SteeredCnameAtApex {
        /// The apex.
        owner: Name,
    },
}
