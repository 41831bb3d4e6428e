//! The usual query, answered in one go.
//!
//! Knows the queries of [`Usual`], and the answers that are one RRset: of the zone, of a steered
//! record, or the SOA of a negative answer. Everything else (aliases, referrals, options, limits,
//! what is longer than 512 octets) is left to the full way, which would answer the usual query alike: a test
//! holds the two equal, octet for octet.
//!
//! The reply is the query with records in between: its header and question stay, and its OPT record
//! stands behind them. Both are the right length already.
//!
//! Nothing on the way of an answer of one or two records is a call, so the compiler keeps what it
//! knows in registers: a static name takes half the instructions of a way with seven calls.

use crate::steering::{Answer, Client, Served};
use crate::wire::copy::copy;
use crate::wire::edns::{MIN_UDP_SIZE, OPT};
use crate::wire::{Rcode, Usual, header};
use crate::zone::rrset::{Owner, QUESTION};
use crate::zone::{Found, Outcome, Zone};

use super::message::udp_size;
use super::{Engine, Request, Scratch, Snapshot, Steer};

/// What came of a query.
pub(super) enum Tried<'a> {
    /// The reply, so many octets.
    Reply(usize),
    /// The full way has to answer.
    Unfinished(Known<'a>),
}

/// What is known of the name asked for before the full way begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known<'a> {
    /// What stands at the name.
    pub(super) found: Option<Found<'a>>,
    /// What steering said, if it was asked: asking it again would turn its rings once more than
    /// clients asked.
    pub(super) served: Option<Served<'a>>,
}

/// What every client takes over every transport, in octets, and what a pointer reaches. Larger
/// replies are left to the full way, so nobody has to ask here how much room there is.
const REPLY: usize = MIN_UDP_SIZE as usize;

/// Room for the OPT record of a reply: 11 octets, and 24 for a client's subnet.
const OPT_ROOM: usize = 40;

/// Where the records end, how many are in the answer and in the authority section, and the code.
type Sections = (usize, u16, u16, Rcode);

/// Answers a query if it is a usual one.
#[inline(always)]
pub(super) fn reply<'e, S: Steer>(
    engine: &'e Engine<S>,
    request: &Request<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Tried<'e> {
    let nothing = || Tried::Unfinished(Known::default());
    let Snapshot { zones, settings, .. } = &*engine.snapshot;
    let Some(out) = out.first_chunk_mut::<REPLY>() else { return nothing() };
    if settings.limits.are_on() {
        return nothing();
    }
    let message = request.message;
    let Some(query) = Usual::parse(message, settings.ecs_enabled) else { return nothing() };
    // Written twice, so that what was found for a name that exists stays in registers.
    match zones.lookup_at(query.name, query.qtype) {
        Some(found) => write(engine, request, &query, found, scratch, out),
        None => reply_above(engine, request, &query, scratch, out),
    }
}

/// Answers for a name that does not exist.
#[inline(never)]
fn reply_above<'e, S: Steer>(
    engine: &'e Engine<S>,
    request: &Request<'_>,
    query: &Usual<'_>,
    scratch: &mut Scratch,
    out: &mut [u8; REPLY],
) -> Tried<'e> {
    match engine.snapshot.zones.lookup_above(query.name, query.qtype) {
        Some(found) => write(engine, request, query, found, scratch, out),
        None => Tried::Unfinished(Known::default()),
    }
}

/// Writes the reply for what was found.
#[inline(always)]
fn write<'e, S: Steer>(
    engine: &'e Engine<S>,
    request: &Request<'_>,
    query: &Usual<'_>,
    found: Found<'e>,
    scratch: &mut Scratch,
    out: &mut [u8; REPLY],
) -> Tried<'e> {
    let nothing = || Tried::Unfinished(Known::default());
    let message = request.message;
    let (records, mut scope) = (&mut out[..REPLY - OPT_ROOM], 0);
    let sections = match found.outcome {
        Outcome::Answer(rrset) if !rrset.has_additional() => {
            let apex = if rrset.has_pointers() { apex(query, found.zone) } else { QUESTION };
            rrset
                .write(records, query.end(), Owner::Pointer(QUESTION), apex)
                .map(|end| (end, rrset.count(), 0, Rcode::NOERROR))
        }
        Outcome::Steered(record) => {
            let client = query.subnet(message).unwrap_or_else(|| request.client.ip());
            let (live, spin) = (&engine.live, &mut scratch.spin);
            let served = live.serve(record, query.qtype, Client::new(client), spin);
            scope = served.scope;
            let sections = steered(&served, query, found.zone, records);
            if sections.is_none() {
                return Tried::Unfinished(Known { found: Some(found), served: Some(served) });
            }
            sections
        }
        Outcome::NoData => negative(query, found.zone, records, Rcode::NOERROR),
        Outcome::NxDomain => negative(query, found.zone, records, Rcode::NXDOMAIN),
        _ => return Tried::Unfinished(Known { found: Some(found), served: None }),
    };
    // What does not fit is rare enough to be looked for again.
    let Some((end, answers, authorities, rcode)) = sections else { return nothing() };
    let (Some(question), Some(place)) = (message.get(..query.end()), out.get_mut(..query.end()))
    else {
        return nothing();
    };
    copy(question, place);
    let flags = u16::from_be_bytes([message[2], message[3]]);
    let flags = header::QR | header::AA | (flags & header::RD) | rcode.0;
    let [f0, f1] = flags.to_be_bytes();
    let ([a0, a1], [n0, n1]) = (answers.to_be_bytes(), authorities.to_be_bytes());
    // ID, QDCOUNT and ARCOUNT are those of the query.
    out[2..4].copy_from_slice(&[f0, f1]);
    out[6..10].copy_from_slice(&[a0, a1, n0, n1]);
    if query.opt_len() == 0 {
        return Tried::Reply(end);
    }
    match write_opt(message, query, udp_size(&engine.snapshot.settings), scope, out, end) {
        Some(end) => Tried::Reply(end),
        None => nothing(),
    }
}

/// A pointer to the apex of the zone, which the name asked for is in.
#[inline(always)]
fn apex(query: &Usual<'_>, zone: Zone<'_>) -> u16 {
    QUESTION + (query.name.len() - zone.apex_len()) as u16
}

/// Writes what steering says, when that is records or that there are none.
#[inline(always)]
fn steered(
    served: &Served<'_>,
    query: &Usual<'_>,
    zone: Zone<'_>,
    out: &mut [u8],
) -> Option<Sections> {
    match *served {
        Served { answer: Answer::Records { bytes, count }, panic: None, .. } => {
            let end = query.end() + bytes.len();
            copy(bytes, out.get_mut(query.end()..end)?);
            Some((end, count, 0, Rcode::NOERROR))
        }
        Served { answer: Answer::NoData, panic: None, .. } => {
            negative(query, zone, out, Rcode::NOERROR)
        }
        _ => None,
    }
}

/// Writes the SOA of a negative answer (RFC 2308 section 3).
#[inline(always)]
fn negative(query: &Usual<'_>, zone: Zone<'_>, out: &mut [u8], rcode: Rcode) -> Option<Sections> {
    let apex = apex(query, zone);
    let end = write_negative(zone, query.end(), apex, out)?;
    Some((end, 0, 1, rcode))
}

#[inline(never)]
fn write_negative(zone: Zone<'_>, at: usize, apex: u16, out: &mut [u8]) -> Option<usize> {
    zone.negative().write(out, at, Owner::Pointer(apex), apex)
}

/// Writes the OPT record at `at`, which is that of the query, from its end: it has the same length,
/// and its last octets are the client's address. Says where it ends.
#[inline(always)]
fn write_opt(
    message: &[u8],
    query: &Usual<'_>,
    udp_size: u16,
    scope: u8,
    out: &mut [u8; REPLY],
    at: usize,
) -> Option<usize> {
    let opt = message.get(query.end()..)?;
    let len = query.opt_len();
    let place: &mut [u8; OPT_ROOM] = out.get_mut(at..)?.first_chunk_mut()?;
    if query.has_subnet() {
        // Of an option of 9 to 24 octets behind a record of 11, the last 16 and the first 8 are all.
        *place.get_mut(..len)?.last_chunk_mut::<16>()? = *opt.last_chunk()?;
        let option = place[OPT..].first_chunk_mut::<8>()?;
        *option = *opt.get(OPT..)?.first_chunk()?;
        option[7] = scope;
    }
    let [s0, s1] = udp_size.to_be_bytes();
    let options = (len - OPT) as u8; // at most 24
    // No extended code, version 0, and of the flags only DO.
    let (front, rest) = place.split_first_chunk_mut::<8>()?;
    *front = [0, 0, 41, s0, s1, 0, 0, *opt.get(7)? & 0x80];
    *rest.first_chunk_mut()? = [0, 0, options];
    Some(at + len)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Clock, Reply, Settings, Transport};
    use crate::steering::{Panic, Spin};
    use crate::wire::{Name, Type};
    use crate::zone::{RecordId, Steered, ZoneSource, Zones, master};

    const ZONE: &str = "\
$ORIGIN example.com.
$TTL 60
@      SOA ns hostmaster 1 7200 900 1209600 300
@      NS  ns
ns     A   192.0.2.53
www    A   192.0.2.1
www    A   192.0.2.2
www    AAAA 2001:db8::1
mail   MX  10 www
alias  CNAME www
*.wild TXT \"found\"
sub    NS  ns.sub
ns.sub A   192.0.2.54
old    DNAME new
a.b.c  A   192.0.2.3
";

    /// Answers of each kind, the same each time; the scope tells the client.
    #[derive(Debug)]
    struct Table;

    const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x09";

    impl Steer for Table {
        fn serve(&self, record: RecordId, qtype: Type, client: Client, _: &mut Spin) -> Served<'_> {
            let scope = if client.address.is_ipv4() { 22 } else { 45 };
            let panic = (record.0 == 1).then_some(Panic::Substitute);
            let answer = match (record.0, qtype) {
                (2, _) => Answer::ServFail,
                (_, Type::A) => Answer::Records { bytes: RECORD, count: 1 },
                _ => Answer::NoData,
            };
            Served { answer, scope, panic }
        }
    }

    fn engine(settings: Settings) -> Engine<Table> {
        let file = master::parse_text(ZONE.as_bytes(), Path::new("zone"), Name::root()).unwrap();
        let source = ZoneSource { apex: file.apex, records: file.records };
        let steered = ["steer", "panic", "fail"].iter().zip(0..).map(|(label, record)| Steered {
            owner: format!("{label}.example.com.").parse().unwrap(),
            record: RecordId(record),
            types: vec![Type::A],
            cname: false,
        });
        let zones = Zones::build(vec![source], steered.collect()).unwrap();
        let snapshot = Snapshot { zones, settings, ..Snapshot::default() };
        Engine { snapshot: Arc::new(snapshot), live: Arc::new(Table) }
    }

    /// A query for an owner and a type; `size` is that of its OPT record, `subnet` its option.
    fn query(owner: &str, qtype: u16, flags: u16, size: Option<u16>, subnet: &[u8]) -> Vec<u8> {
        let mut message = vec![0x5a, 0xa5];
        message.extend(flags.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())]);
        message.extend(owner.parse::<Name>().unwrap().as_wire());
        message.extend(qtype.to_be_bytes());
        message.extend([0, 1]);
        if let Some(size) = size {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, 0, 0x80, 0, 0, subnet.len() as u8]);
            message.extend(subnet);
        }
        message
    }

    proptest! {
        /// What is answered here, the full way answers alike.
        #[test]
        fn both_ways_give_the_same_reply(
            owner in prop::sample::select(vec![
                "example.com.", "www.example.com.", "WwW.eXample.com.", "mail.example.com.",
                "alias.example.com.", "any.wild.example.com.", "wild.example.com.",
                "x.sub.example.com.", "old.example.com.", "x.old.example.com.",
                "b.c.example.com.", "none.example.com.", "steer.example.com.",
                "panic.example.com.", "fail.example.com.", "x.steer.example.com.",
                "other.test.", ".", "many.example.com.", "a.b.c.d.e.f.g.h.i.example.com.",
            ]),
            qtype in prop::sample::select(vec![0, 1, 2, 5, 6, 15, 16, 28, 43, 65, 251, 252, 255]),
            flags in prop::sample::select(vec![0_u16, 0x0100, 0x0130]),
            size in prop::sample::select(vec![None, Some(0), Some(512), Some(1232), Some(4096)]),
            subnet in prop::sample::select(vec![
                &b""[..],
                b"\0\x08\0\x07\0\x01\x18\0\xc0\0\x02",
                b"\0\x08\0\x05\0\x01\x07\0\xc0",
                b"\0\x08\0\x05\0\x01\x08\x08\xc0",
                b"\0\x08\0\x04\0\x01\0\0",
                b"\0\x08\0\x0b\0\x02\x38\0\x20\x01\x0d\xb8\0\0\0",
                b"\0\x03\0\0",
            ]),
            ecs_enabled in any::<bool>(),
            room in prop::sample::select(vec![40_usize, 60, 80, 512, 1232, 65_535]),
            transport in prop::sample::select(vec![Transport::Udp, Transport::Tcp]),
        ) {
            let engine = engine(Settings { ecs_enabled, ..Settings::default() });
            let message = query(owner, qtype, flags, size, subnet);
            let request = Request {
                message: &message,
                client: "[2001:db8::7]:5353".parse().unwrap(),
                local: None,
                transport,
                clock: &Clock::new(),
            };
            let (mut scratch, mut out, mut full) =
                (Scratch::new(1), vec![0xaa; room], vec![0xaa; room]);
            let tried = reply(&engine, &request, &mut scratch, &mut out);
            if let Tried::Reply(len) = tried {
                let in_full = engine.respond_in_full(&request, Known::default(), &mut scratch, &mut full);
                prop_assert!(matches!(in_full, Reply::Message(other) if other == len));
                prop_assert_eq!(&out[..len], &full[..len]);
            }
        }
    }

    #[test]
    fn the_usual_is_not_left_to_the_full_way() {
        let engine = engine(Settings::default());
        let subnet = b"\0\x08\0\x07\0\x01\x18\0\xc0\0\x02";
        for (owner, qtype, subnet) in [
            ("www.example.com.", 1, &b""[..]),
            ("www.example.com.", 15, b""),
            ("any.wild.example.com.", 16, b""),
            ("none.example.com.", 1, b""),
            ("steer.example.com.", 1, subnet),
            ("steer.example.com.", 28, subnet),
        ] {
            let message = query(owner, qtype, 0, Some(1232), subnet);
            let request = Request {
                message: &message,
                client: "192.0.2.7:5353".parse().unwrap(),
                local: None,
                transport: Transport::Udp,
                clock: &Clock::new(),
            };
            let tried = reply(&engine, &request, &mut Scratch::new(1), &mut [0; 1232]);
            assert!(matches!(tried, Tried::Reply(_)), "{owner} {qtype}");
        }
    }
}
