//! Going from name to name: where the name asked for now stands in the reply, and the names that
//! DNAME makes.

use crate::wire::header::HEADER;
use crate::wire::{LowerName, Type};
use crate::zone::Rrset;
use crate::zone::rrset::{Owner, QUESTION};

use super::message::{Full, Message, Section};

/// The most aliases one answer follows. A resolver goes on by itself from there. The CNAME
/// records of such a chain, each with a DNAME, take fewer than 10,000 octets: pointers reach all of
/// them.
pub(super) const MAX_CHAIN: usize = 16;

/// Where the name asked for now stands in the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: usize,
    /// Octets of the name when it is written in full.
    len: usize,
}

impl Place {
    /// The name of the question.
    #[inline]
    pub(super) fn of_question(name: &LowerName) -> Place {
        Place { at: HEADER, len: name.as_wire().len() }
    }

    /// The data of a CNAME record that begins at `record`, with a pointer as its owner.
    pub(super) fn of_target(message: &Message<'_>, record: usize, name: &LowerName) -> Place {
        let len = name.as_wire().len();
        let at = target_suffix(message.written(), record + 12, 0);
        Place { at, len }
    }

    /// A pointer to the whole name.
    #[inline]
    pub(super) fn pointer(self) -> u16 {
        // Below 0x4000, as MAX_CHAIN says.
        0xc000 | self.at as u16
    }

    /// A pointer to the suffix of so many octets.
    #[inline]
    pub(super) fn suffix(self, message: &Message<'_>, len: usize) -> u16 {
        if self.at == HEADER {
            return QUESTION + (self.len - len) as u16; // at most 254
        }
        0xc000 | target_suffix(message.written(), self.at, self.len - len) as u16
    }
}

/// Where the name at `at` goes on after its first `skip` octets. It was compressed when it was
/// written: labels, then perhaps a pointer, which is followed.
fn target_suffix(written: &[u8], mut at: usize, mut skip: usize) -> usize {
    loop {
        match written.get(at..) {
            // Pointers only go back.
            Some([high, low, ..]) if *high >= 0xc0 => {
                at = usize::from(u16::from_be_bytes([*high, *low]) & 0x3fff);
            }
            Some([length, ..]) if skip > 0 => {
                at += 1 + usize::from(*length);
                skip = skip.saturating_sub(1 + usize::from(*length));
            }
            _ => return at,
        }
    }
}

/// What a DNAME made of a name.
pub(super) enum Substituted {
    /// The CNAME was written; its target is the name to ask for now.
    To(Place),
    /// The new name would be longer than 255 octets (RFC 6672 section 2.2).
    TooLong,
}

/// Writes a DNAME, which is owned by the suffix of `owner_len` octets of `name`, and the CNAME it
/// means for `name` (RFC 6672 section 3.1).
pub(super) fn substitute(
    message: &mut Message<'_>,
    dname: Rrset<'_>,
    owner_len: usize,
    name: &mut LowerName,
    place: Place,
) -> Result<Substituted, Full> {
    let owner = place.suffix(message, owner_len);
    // The target of a DNAME is not compressed: the pointer to the apex is not used.
    message.rrset(Section::Answer, dname, Owner::Pointer(owner), owner)?;
    let target = dname.first_data();
    let whole = name.as_wire();
    let kept_len = whole.len() - owner_len;
    let mut kept = [0_u8; 255];
    kept[..kept_len].copy_from_slice(&whole[..kept_len]);
    let kept = &kept[..kept_len];
    if name.join(kept, target).is_err() {
        return Ok(Substituted::TooLong);
    }
    let record = message.at();
    let [t0, t1] = Type::CNAME.0.to_be_bytes();
    let [a, b, c, d] = dname.ttl().to_be_bytes();
    let fixed = [t0, t1, 0, 1, a, b, c, d];
    message.record(Section::Answer, place.pointer(), fixed, [kept, target])?;
    Ok(Substituted::To(Place::of_target(message, record, name)))
}
