//! What can be wrong with the records of a zone together.

use std::fmt;

use crate::wire::{Name, Type};
use crate::zone::Site;

/// A mistake, and the record it was found at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record's place; `None` where a record is missing.
    pub site: Option<Site>,
    /// What is wrong.
    pub mistake: Mistake,
}

impl fmt::Display for Finding {
    /// `file:line:column: what is wrong, what to do`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "{site}: {}", self.mistake),
            None => self.mistake.fmt(f),
        }
    }
}

/// What is wrong with the records of a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No SOA record at the apex (RFC 1035 section 5.2).
    #[error("the zone {0} has no SOA record: add one at {0}")]
    NoSoa(Name),
    /// No NS record at the apex (RFC 1034 section 4.2.1).
    #[error("the zone {0} has no NS record: add its name servers at {0}")]
    NoNs(Name),
    /// An owner that is not in the zone (RFC 1035 section 5.2).
    #[error(
        "{owner} is not in the zone {apex}: move the record to its zone, or end a relative name \
         without a dot"
    )]
    OutsideZone {
        /// The owner.
        owner: Name,
        /// The zone.
        apex: Name,
    },
    /// An SOA record below the apex.
    #[error("{owner} has an SOA record, but the zone is {apex}: one file holds one zone")]
    SoaBelowApex {
        /// The owner.
        owner: Name,
        /// The zone.
        apex: Name,
    },
    /// Several different SOA, CNAME or DNAME records at one name.
    #[error("{0} has more than one {1} record: keep one")]
    Twice(Name, Type),
    /// Other data beside a CNAME record (RFC 1034 section 3.6.2).
    #[error("{0} has CNAME and {1} records: a CNAME record stands alone, remove one of them")]
    BesideAlias(Name, Type),
    /// A DNAME record at a delegation (RFC 6672 section 2.3).
    #[error("{0} has a DNAME record and is delegated by NS records: remove one of them")]
    DnameAtCut(Name),
    /// A record below a DNAME record (RFC 6672 section 2.4).
    #[error("{owner} stands below the DNAME record at {dname}: nothing may, remove one of them")]
    BelowDname {
        /// The owner.
        owner: Name,
        /// The owner of the DNAME record.
        dname: Name,
    },
    /// A name server that cannot be reached without an address that is not there.
    #[error("the name server {target} of {owner} has no address here: add its A or AAAA record")]
    NoGlue {
        /// What it serves.
        owner: Name,
        /// The name server.
        target: Name,
    },
    /// Warning: a target in this zone without an address.
    #[error("the {rtype} record of {owner} points to {target}, which has no address")]
    TargetWithoutAddress {
        /// The owner.
        owner: Name,
        /// Which type.
        rtype: Type,
        /// The target.
        target: Name,
    },
    /// Warning: a target that is an alias (RFC 2181 section 10.3).
    #[error("the {rtype} record of {owner} points to {target}, an alias: point to its target")]
    TargetIsAlias {
        /// The owner.
        owner: Name,
        /// Which type.
        rtype: Type,
        /// The target.
        target: Name,
    },
    /// Warning: a record that is never served, because its name is delegated.
    #[error("the {rtype} record of {owner} is never served: {cut} is delegated by NS records")]
    Occluded {
        /// The owner.
        owner: Name,
        /// Which type.
        rtype: Type,
        /// Where the delegation is.
        cut: Name,
    },
    /// Warning: TTLs of one RRset differ (RFC 2181 section 5.2).
    #[error("the {1} records of {0} have different TTLs: the lowest is used for all")]
    TtlsDiffer(Name, Type),
    /// Warning: a record stands twice.
    #[error("this {1} record of {0} stands twice: it is served once")]
    Duplicate(Name, Type),
}
