//! The additional section: addresses that a client would ask for next.

use crate::zone::Rrset;
use crate::zone::rrset::{BEYOND_POINTERS, Owner, QUESTION};

use super::message::{Full, Message, Section};

/// Adds the addresses of the names that an RRset points to, which was written at `start` under
/// `owner`. What has no room is left out; only when that is glue a referral needs, it is an
/// error (RFC 9471 section 3.1).
pub(super) fn add(
    message: &mut Message<'_>,
    rrset: Rrset<'_>,
    start: usize,
    owner: u16,
) -> Result<(), Full> {
    // Far back in a long message the RRset was written without pointers into itself, and the
    // places of its names are not those of the template.
    let reachable = start + rrset.len() <= BEYOND_POINTERS;
    for additional in rrset.additional() {
        let owner = match additional.owner_at {
            None => Owner::Pointer(owner),
            Some(at) if reachable => Owner::Pointer(0xc000 | (start as u16 + at)),
            Some(_) => Owner::Name(additional.owner),
        };
        // Nothing in the data of these types is compressed: the apex is not used.
        let added = message.rrset(Section::Additional, additional.rrset, owner, QUESTION);
        if added.is_err() && additional.required {
            return Err(Full);
        }
    }
    Ok(())
}
