//! Zone transfers: who may have a zone, and the answer to AXFR (RFC 5936) and IXFR (RFC 1995).
//!
//! Knows access lists, serial numbers and the messages of a transfer. Does not know what carries
//! them: whoever drives a [`Transfer`] asks it for one message after another, and may let any
//! time go by in between.

mod access;
mod messages;
mod slots;

use std::sync::Arc;

use crate::steering::fixed::FixedRecord;
use crate::wire::header::HEADER;
use crate::wire::tsig::Key;
use crate::wire::{Class, Query, Rcode, Type, message};
use crate::zone::rrset::{Owner, QUESTION};
use crate::zone::{RecordId, ZoneId};

use super::message::{Message, Section};
use super::options::{ExtendedError, Extras};
use super::{Engine, Reply, Request, Scratch, Settings, Transport};

pub use access::{Access, Allow};
pub use messages::{Transfer, Unfit};
pub use slots::{Slot, Slots};

/// What one generation gives away: to whom, and what steered names are to them.
#[derive(Debug, Default)]
pub struct Transfers {
    /// All keys; [`Allow::key`] is a place here.
    pub keys: Vec<Arc<Key>>,
    /// Who may have each zone; the index is the [`ZoneId`]. A zone without an entry is nobody's.
    pub access: Vec<Access>,
    /// The records of each steered name; the index is the [`RecordId`].
    pub fixed: Vec<Vec<FixedRecord>>,
    /// How many transfers may run.
    pub slots: Slots,
}

impl Transfers {
    fn may_have(&self, zone: ZoneId, request: &Request<'_>, key: Option<&Key>) -> bool {
        let access = self.access.get(zone.0 as usize);
        access.is_some_and(|access| access.allows(request.client.ip(), key, &self.keys))
    }

    /// The records of a steered name.
    pub fn fixed(&self, record: RecordId) -> &[FixedRecord] {
        self.fixed.get(record.0 as usize).map_or(&[], |records| records)
    }
}

/// Answers AXFR or IXFR; `key` is what the request was signed with. The name asked for is in
/// `scratch`.
///
/// NOTAUTH: no served zone begins there. REFUSED: it is not for this client. NOTIMP: not over
/// this transport; a whole zone goes over TCP and TLS alone (RFC 5936 section 4.2, RFC 9103), and
/// the serial that answers IXFR over UDP too (RFC 1995 section 2). SERVFAIL: too many transfers
/// run.
#[cold]
pub(super) fn reply<S>(
    engine: &Engine<S>,
    query: &Query,
    extras: Option<&Extras>,
    request: &Request<'_>,
    key: Option<&Key>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let snapshot = &engine.snapshot;
    let settings = &snapshot.settings;
    let zone = snapshot.zones.zone_at(&scratch.name);
    let verdict = match zone {
        _ if query.question.qclass != Class::IN => Err(Rcode::REFUSED),
        None => Err(Rcode::NOTAUTH),
        Some(zone) => {
            if snapshot.transfer.may_have(zone, request, key) {
                Ok(zone)
            } else {
                Err(Rcode::REFUSED)
            }
        }
    };
    if let Some(zone) = zone {
        scratch.noted = scratch.noted.within(snapshot.zones.zone(zone).label());
    }
    let whole = verdict.and_then(|zone| {
        let serial = snapshot.zones.zone(zone).serial();
        match wanted(query, request, serial)? {
            Wanted::Serial => Ok((zone, None)),
            Wanted::Zone => {
                let slot = snapshot.transfer.slots.take().ok_or(Rcode::SERVFAIL)?;
                Ok((zone, Some(slot)))
            }
        }
    });
    match whole {
        Ok((zone, Some(slot))) => {
            Reply::Transfer(Box::new(Transfer::new(snapshot, zone, query, request, slot)))
        }
        Ok((zone, None)) => soa_alone(engine, zone, query, extras, request, settings, out),
        Err(rcode) => refuse(rcode, query, extras, request, settings, out),
    }
}

/// What a client that may have the zone is to get.
enum Wanted {
    /// The SOA: it has the zone already, or must ask again over a stream.
    Serial,
    /// Everything.
    Zone,
}

fn wanted(query: &Query, request: &Request<'_>, serial: u32) -> Result<Wanted, Rcode> {
    let is_stream = match request.transport {
        Transport::Tcp | Transport::Tls => true,
        Transport::Udp => false,
        Transport::Https | Transport::Quic => return Err(Rcode::NOTIMP),
    };
    if query.question.qtype == Type::AXFR {
        return if is_stream { Ok(Wanted::Zone) } else { Err(Rcode::NOTIMP) };
    }
    let theirs = message::authority_serial(request.message, query).ok_or(Rcode::FORMERR)?;
    Ok(if is_stream && is_newer(serial, theirs) { Wanted::Zone } else { Wanted::Serial })
}

/// Whether a serial comes after another one (RFC 1982 section 3.2).
pub fn is_newer(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

fn soa_alone<S>(
    engine: &Engine<S>,
    zone: ZoneId,
    query: &Query,
    extras: Option<&Extras>,
    request: &Request<'_>,
    settings: &Settings,
    out: &mut [u8],
) -> Reply {
    let edns = query.edns.as_ref();
    let Some(mut message) =
        Message::begin(request, Some(query.question), edns, extras, settings, out)
    else {
        return Reply::Drop;
    };
    message.authoritative();
    let soa = engine.snapshot.zones.zone(zone).soa();
    let written =
        soa.map(|soa| message.rrset(Section::Answer, soa, Owner::Pointer(QUESTION), QUESTION));
    if written.is_none_or(|written| written.is_err()) {
        message.truncated();
    }
    message.finish(query.header, edns, settings, Rcode::NOERROR, 0)
}

fn refuse(
    rcode: Rcode,
    query: &Query,
    extras: Option<&Extras>,
    request: &Request<'_>,
    settings: &Settings,
    out: &mut [u8],
) -> Reply {
    let edns = query.edns.as_ref();
    match Message::begin(request, Some(query.question), edns, extras, settings, out) {
        Some(mut message) => {
            match rcode {
                Rcode::REFUSED => message.explain(ExtendedError::Prohibited),
                Rcode::NOTAUTH => message.explain(ExtendedError::NotAuthoritative),
                _ => {}
            }
            message.finish(query.header, edns, settings, rcode, 0)
        }
        None => Reply::Drop,
    }
}

/// The front of a request that its answers repeat: header and question.
fn front(request: &Request<'_>, query: &Query) -> Box<[u8]> {
    debug_assert!(query.question.end > HEADER);
    request.message[..query.question.end].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_compared_around_the_circle() {
        assert!(is_newer(2, 1));
        assert!(is_newer(0, u32::MAX));
        assert!(is_newer(0x7fff_ffff, 0));
        for (serial, than) in [(1, 1), (1, 2), (u32::MAX, 0), (0x8000_0000, 0), (0, 0x8000_0000)] {
            assert!(!is_newer(serial, than), "{serial} {than}");
        }
    }
}
