//! What a reply was about, for whoever counts.

use crate::steering::label::{LABELS, LabelId};
use crate::wire::{Rcode, Subnet, Type};
use crate::zone::label::{ZONES, ZoneLabel};

/// What a reply was about: all of it as places in tables of counts, since to look into it for every
/// query would take longer than to count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The type asked for, or the last one there is a count for.
    qtype: u16,
    /// The zone of the name asked for, and the response code as far as zones have counts for it.
    zone: u16,
    /// Label, scope and response code in one number, so that it is one comparison whether there is
    /// any.
    told: u32,
}

/// Counts by type, a power of two: those of the types of lower numbers, and the last of all others
/// together.
pub const TYPES: usize = 512;

/// Counts of a zone by response code, a power of two: the same.
pub const ZONE_RCODES: usize = 8;

/// Where label, scope and response code begin in [`Noted::told`].
const SCOPE_AT: u32 = LABELS.ilog2();
const RCODE_AT: u32 = SCOPE_AT + u8::BITS;

impl Noted {
    pub(super) const NOTHING: Noted = Noted::new(Type(0), Rcode::NOERROR);

    /// Of no zone, nothing of it is steered, and the client has told no subnet. The type is `TYPE0`
    /// when there was no question that could be read.
    #[inline(always)]
    pub const fn new(qtype: Type, rcode: Rcode) -> Noted {
        let last = TYPES as u16 - 1;
        let qtype = if qtype.0 < last { qtype.0 } else { last };
        Noted { qtype, zone: zone_rcode(rcode), told: (rcode.0 as u32) << RCODE_AT }
    }

    /// The same of a type that is known to be below 256.
    #[inline(always)]
    pub(super) const fn usual(qtype: Type, rcode: Rcode) -> Noted {
        Noted { qtype: qtype.0, ..Noted::new(Type(0), rcode) }
    }

    /// The same of a name in the zone that is counted as `zone`.
    #[inline(always)]
    #[must_use]
    pub(super) fn within(self, zone: ZoneLabel) -> Noted {
        Noted { zone: self.zone + zone.number() * ZONE_RCODES as u16, ..self }
    }

    /// The same of an answer that is counted as `label`.
    #[inline(always)]
    #[must_use]
    pub(super) fn steered(self, label: LabelId) -> Noted {
        Noted { told: self.told | u32::from(label.number()), ..self }
    }

    /// The same of an answer with this scope.
    #[inline(always)]
    #[must_use]
    pub(super) fn scoped(self, scoped: Scoped) -> Noted {
        Noted { told: self.told | u32::from(scoped.0) << SCOPE_AT, ..self }
    }

    /// The same with another response code.
    #[must_use]
    pub(super) fn with_rcode(self, rcode: Rcode) -> Noted {
        let told = self.told & ((1 << RCODE_AT) - 1) | u32::from(rcode.0) << RCODE_AT;
        let zone = self.zone & !(ZONE_RCODES as u16 - 1) | zone_rcode(rcode);
        Noted { zone, told, ..self }
    }

    /// Whether it is NOERROR, nothing of it is steered, and the client has told no subnet.
    #[inline(always)]
    pub fn is_plain(self) -> bool {
        self.told == 0
    }

    /// What was said, with the bits that stand in OPT: of 11 bits.
    #[inline(always)]
    pub fn rcode(self) -> Rcode {
        Rcode((self.told >> RCODE_AT) as u16)
    }

    /// Where the count of its type is, below [`TYPES`].
    #[inline(always)]
    pub fn qtype(self) -> usize {
        usize::from(self.qtype) & (TYPES - 1)
    }

    /// Where the count of its zone and response code is, below [`ZONES`] times [`ZONE_RCODES`].
    #[inline(always)]
    pub fn zone(self) -> usize {
        usize::from(self.zone) & (ZONES * ZONE_RCODES - 1)
    }

    /// Where the count of its label is, below [`LABELS`]: of what the first steered record on the
    /// way of the answer is counted as, if there is one and it was told.
    #[inline(always)]
    pub fn label(self) -> usize {
        self.told as usize & (LABELS - 1)
    }

    /// The ECS scope that was told.
    #[inline(always)]
    pub fn scope(self) -> Scoped {
        Scoped((self.told >> SCOPE_AT) as u8)
    }
}

const fn zone_rcode(rcode: Rcode) -> u16 {
    let last = ZONE_RCODES as u16 - 1;
    if rcode.0 < last { rcode.0 } else { last }
}

/// A family and an ECS scope of it, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scoped(u8);

impl Scoped {
    /// No subnet came.
    pub const NONE: Scoped = Scoped(0);

    /// So many values there are.
    pub const COUNT: usize = 1 << u8::BITS;

    /// A scope of family 1 (IPv4, at most 32) or 2 (IPv6, at most 128).
    #[inline(always)]
    pub fn new(family: u8, scope: u8) -> Scoped {
        // Nothing, 33 scopes of IPv4 from 1 on, 129 of IPv6 from 64 on.
        Scoped(family.wrapping_mul(63).wrapping_add(scope).wrapping_sub(62))
    }

    /// The scope of a reply to a query that may have a subnet.
    pub(super) fn of(subnet: Option<&Subnet>, scope: u8) -> Scoped {
        match subnet {
            None => Scoped::NONE,
            Some(subnet) if subnet.address.is_ipv4() => Scoped::new(1, scope.min(32)),
            Some(_) => Scoped::new(2, scope),
        }
    }

    /// Below [`Scoped::COUNT`].
    #[inline(always)]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scope_of_both_families_is_one_of_its_own() {
        let v4 = (0..=32).map(|scope| Scoped::new(1, scope));
        let all: Vec<usize> =
            v4.chain((0..=128).map(|scope| Scoped::new(2, scope))).map(Scoped::index).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 33 + 129);
        assert!(!all.contains(&Scoped::NONE.index()));
        assert_eq!([all[0], all[32], all[33], all[161]], [1, 33, 64, 192]);
    }
}
