//! The additional section: addresses that a client would ask for next.

use crate::zone::Rrset;
use crate::zone::rrset::{BEYOND_POINTERS, NamePlace, Owner};

use super::message::{Full, Message, Section};

/// Adds the addresses of the names that an RRset points to, which was written at `start` under
/// `owner` in the zone of `apex`. What has no room is left out; only when that is glue a referral needs, it is an
/// error (RFC 9471 section 3.1).
pub(super) fn add(
    message: &mut Message<'_>,
    rrset: Rrset<'_>,
    start: usize,
    owner: u16,
    apex: u16,
) -> Result<(), Full> {
    for additional in rrset.additional() {
        let owner = match additional.place {
            NamePlace::Owner => Owner::Pointer(owner),
            NamePlace::Apex => Owner::Pointer(apex),
            NamePlace::Data(at) => match start + usize::from(at) {
                reached @ ..BEYOND_POINTERS => Owner::Pointer(0xc000 | reached as u16),
                _ => Owner::Name(additional.owner),
            },
        };
        // Nothing in the data of these types is compressed: no pointer to an apex is written.
        let added = message.rrset(Section::Additional, additional.rrset, owner, apex);
        if added.is_err() && additional.required {
            return Err(Full);
        }
    }
    Ok(())
}
