//! What a reply was about, for whoever counts.

use crate::steering::label::{LABELS, LabelId};
use crate::wire::{Rcode, Subnet, Type};

/// What a reply was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The type asked for; `TYPE0` when there was no question that could be read.
    pub qtype: Type,
    /// What was said, with the bits that stand in OPT.
    pub rcode: Rcode,
    /// Label and scope in one number, so that it is one comparison whether there is any.
    told: u32,
}

impl Noted {
    pub(super) const NOTHING: Noted = Noted::new(Type(0), Rcode::NOERROR);

    /// Nothing of it is steered, and the client has told no subnet.
    #[inline(always)]
    pub const fn new(qtype: Type, rcode: Rcode) -> Noted {
        Noted { qtype, rcode, told: 0 }
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
        Noted { told: self.told | u32::from(scoped.0) << 16, ..self }
    }

    /// Whether nothing of it is steered, and the client has told no subnet.
    #[inline(always)]
    pub fn is_plain(self) -> bool {
        self.told == 0
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
        Scoped((self.told >> 16) as u8)
    }
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
