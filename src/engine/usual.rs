//! The usual query, answered in one go.
//!
//! Knows the queries of [`Usual`], and the answers that are one RRset: of the zone, of a steered
//! record, or the SOA of a negative answer. Everything else (aliases, referrals, options, limits,
//! what does not fit) is left to the full way, which would answer the usual query alike: a test
//! holds the two equal, octet for octet.
//!
//! The reply grows over a copy of the query: its header and question stay, records go in between,
//! and its OPT record moves behind them. Both are the right length already.

use crate::steering::{Answer, Client, Served};
use crate::wire::edns::OPT;
use crate::wire::{Rcode, Usual, header};
use crate::zone::rrset::{Owner, QUESTION};
use crate::zone::{Found, Outcome, Zone};

use super::message::{limit, udp_size};
use super::{Engine, Noted, Request, Scratch, Snapshot, Steer};

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

/// Where the records end, how many are in the answer and in the authority section, and the code.
type Sections = (usize, u16, u16, Rcode);

/// Answers a query if it is a usual one.
#[inline]
pub(super) fn reply<'e, S: Steer>(
    engine: &'e Engine<S>,
    request: &Request<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Tried<'e> {
    let nothing = Tried::Unfinished(Known::default());
    let Snapshot { zones, settings, .. } = &*engine.snapshot;
    if settings.limits.are_on() {
        return nothing;
    }
    let message = request.message;
    let Some(query) = Usual::parse(message, &mut scratch.name, settings.ecs_enabled) else {
        return nothing;
    };
    let Some(found) = zones.lookup(&scratch.name, query.qtype) else { return nothing };
    let left = Tried::Unfinished(Known { found: Some(found), served: None });
    let limit = limit(request.transport, query.udp_size, settings).min(out.len());
    // The reply's OPT record is as long as the query's.
    let opt = &message[query.end..];
    let Some(room) = limit.checked_sub(opt.len()).filter(|room| *room >= query.end) else {
        return left;
    };
    out[..query.end].copy_from_slice(&message[..query.end]);
    let apex = QUESTION + (scratch.name.as_wire().len() - found.zone.apex_len()) as u16;
    let mut scope = 0;
    let sections = match found.outcome {
        Outcome::Answer(rrset) if !rrset.has_additional() => rrset
            .write(&mut out[..room], query.end, Owner::Pointer(QUESTION), apex)
            .map(|end| (end, rrset.count(), 0, Rcode::NOERROR)),
        Outcome::Steered(record) => {
            let client = Client::new(query.subnet.unwrap_or(request.client.ip()));
            let served = engine.live.serve(record, query.qtype, client, &mut scratch.spin);
            scope = served.scope;
            let sections = steered(&served, found.zone, apex, query.end, &mut out[..room]);
            if sections.is_none() {
                return Tried::Unfinished(Known { found: Some(found), served: Some(served) });
            }
            sections
        }
        Outcome::NoData => negative(found.zone, apex, query.end, &mut out[..room], Rcode::NOERROR),
        Outcome::NxDomain => {
            negative(found.zone, apex, query.end, &mut out[..room], Rcode::NXDOMAIN)
        }
        _ => None,
    };
    let Some((end, answers, authorities, rcode)) = sections else { return left };
    scratch.noted = Noted { qtype: query.qtype, rcode };
    let flags = u16::from_be_bytes([message[2], message[3]]);
    let flags = header::QR | header::AA | (flags & header::RD) | rcode.0;
    let [f0, f1] = flags.to_be_bytes();
    let ([a0, a1], [n0, n1]) = (answers.to_be_bytes(), authorities.to_be_bytes());
    // ID, QDCOUNT and ARCOUNT are those of the query.
    out[2..4].copy_from_slice(&[f0, f1]);
    out[6..10].copy_from_slice(&[a0, a1, n0, n1]);
    if opt.is_empty() {
        return Tried::Reply(end);
    }
    let place = &mut out[end..end + opt.len()];
    place.copy_from_slice(opt);
    let [s0, s1] = udp_size(settings).to_be_bytes();
    // No extended code, version 0, and of the flags only DO.
    place[3..9].copy_from_slice(&[s0, s1, 0, 0, opt[7] & 0x80, 0]);
    if query.subnet.is_some() {
        place[OPT + 7] = scope;
    }
    Tried::Reply(end + opt.len())
}

/// Writes at `at` what steering says, when that is records or that there are none.
#[inline]
fn steered(
    served: &Served<'_>,
    zone: Zone<'_>,
    apex: u16,
    at: usize,
    out: &mut [u8],
) -> Option<Sections> {
    match *served {
        Served { answer: Answer::Records { bytes, count }, panic: None, .. } => {
            let end = at + bytes.len();
            out.get_mut(at..end)?.copy_from_slice(bytes);
            Some((end, count, 0, Rcode::NOERROR))
        }
        Served { answer: Answer::NoData, panic: None, .. } => {
            negative(zone, apex, at, out, Rcode::NOERROR)
        }
        _ => None,
    }
}

/// Writes at `at` the SOA of a negative answer (RFC 2308 section 3).
#[inline]
fn negative(
    zone: Zone<'_>,
    apex: u16,
    at: usize,
    out: &mut [u8],
    rcode: Rcode,
) -> Option<Sections> {
    let end = zone.negative().write(out, at, Owner::Pointer(apex), apex)?;
    Some((end, 0, 1, rcode))
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
