//! The usual query, answered in one go.
//!
//! Knows the queries of [`Usual`], and the answers that are one RRset: of the zone, of a steered
//! record, or the SOA of a negative answer. Everything else (aliases, referrals, options, limits,
//! what is longer than 512 octets) is left to the full way, which would answer the usual query
//! alike: a test holds the two equal, octet for octet.
//!
//! The reply is the query with records in between: its header and question stay, and its OPT record
//! stands behind them. Both are the right length already.
//!
//! Nothing on the way of an answer of one or two records is a call, so the compiler keeps what it
//! knows in registers: a static name takes half the instructions of a way with seven calls.

use std::net::{IpAddr, Ipv4Addr};

use crate::steering::label::LabelId;
use crate::steering::{Answer, Client, Served};
use crate::wire::copy::copy;
use crate::wire::edns::{MIN_UDP_SIZE, OPT};
use crate::wire::usual::LONGEST_OPT;
use crate::wire::{Rcode, Usual};
use crate::zone::label::ZoneLabel;
use crate::zone::rrset::{Owner, QUESTION};
use crate::zone::{Found, Outcome, RecordId, Sight, Zone};

use super::{Engine, Noted, Reply, Request, Scoped, Scratch, Settings, Snapshot, Steer};

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

/// Where records must end, so that there is room for OPT behind them.
const RECORDS: usize = REPLY - LONGEST_OPT;

/// Twice what is needed: then the compiler sees that all of it is there, wherever it [begins](place).
type Room = [u8; 2 * REPLY];

/// A place in a reply, which is below [`REPLY`] anyway.
#[inline(always)]
fn place(at: usize) -> usize {
    debug_assert!(at < REPLY);
    at & (REPLY - 1)
}

/// Of the last four octets of an OPT record what a reply keeps: of the flags only DO, and the length.
const DO_AND_LENGTH: u32 = u32::from_le_bytes([0x80, 0, 0xff, 0xff]);

/// What a reply says, when its records stand in it.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Where the records end.
    end: usize,
    answers: u16,
    /// None, or the SOA.
    authorities: u8,
    rcode: Rcode,
    /// For how much of the client's network it holds.
    scope: u8,
    /// What its zone is counted as, and it itself.
    zone: ZoneLabel,
    label: LabelId,
}

impl Said {
    #[inline(always)]
    fn answers(count: u16, end: usize, zone: Zone<'_>) -> Said {
        let (scope, zone, label) = (0, zone.label(), LabelId::NONE);
        Said { end, answers: count, authorities: 0, rcode: Rcode::NOERROR, scope, zone, label }
    }
}

/// Answers a query if it is a usual one; leaves it to the full way if not.
#[inline(always)]
pub(super) fn reply<S: Steer>(
    engine: &Engine<S>,
    request: &Request<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let Snapshot { zones, settings, .. } = &*engine.snapshot;
    'usual: {
        if settings.limits.are_on() {
            break 'usual;
        }
        let Some(query) = Usual::parse(request.message, settings.ecs_enabled) else {
            break 'usual;
        };
        match zones.look(query.name, query.qtype) {
            Sight::Answer(rrset, zone) if rrset.is_plain() => {
                let Some(room) = out.first_chunk_mut::<{ 2 * REPLY }>() else { break 'usual };
                let Some(end) = rrset.write_as_it_is(room, place(query.front.len())) else {
                    break 'usual;
                };
                if end > RECORDS {
                    break 'usual;
                }
                let said = Said::answers(rrset.count(), end, zone);
                let length = finish(query, said, settings, &mut scratch.noted, room);
                let Some(length) = length else { break 'usual };
                return Reply::Message(length);
            }
            // Each family on a way that knows it, which is half the work.
            Sight::Steered(record, zone) if query.has_usual_type() => {
                if let Some(client) = client_v4(&query, request) {
                    let client = Client::new(client.into());
                    return steered(engine, (record, zone), client, query, *request, scratch, out);
                }
                if let Some(client) = query.subnet_v6().and_then(Client::of_v6) {
                    return steered(engine, (record, zone), client, query, *request, scratch, out);
                }
                return steered_elsewhere(engine, (record, zone), (query, *request), scratch, out);
            }
            sight => return seldom(engine, sight, (query, *request), scratch, out),
        }
    }
    engine.respond_in_full(*request, Known::default(), scratch, out)
}

/// The address that steering goes by, if it is one of IPv4.
#[inline(always)]
fn client_v4(query: &Usual<'_>, request: &Request<'_>) -> Option<Ipv4Addr> {
    if query.has_subnet() {
        return query.subnet_v4();
    }
    match request.client.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// A query, and the request that it was read from, for what is not inlined. Together and by value,
/// because a query alone, or a request that is pointed to, would be written to memory as soon as it is
/// read, for those too that need it in registers.
type Asked<'a> = (Usual<'a>, Request<'a>);

/// Answers with what is found less often: RRsets with pointers or company, and negative answers.
#[inline(never)]
fn seldom<S: Steer>(
    engine: &Engine<S>,
    sight: Sight<'_>,
    (query, request): Asked<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let Snapshot { zones, settings, .. } = &*engine.snapshot;
    let is_of_nothing = matches!(sight, Sight::Other(None)) && !query.has_name();
    if is_of_nothing || !query.has_usual_type() {
        return engine.respond_in_full(request, Known::default(), scratch, out);
    }
    let found = match sight {
        Sight::Answer(rrset, zone) => Some(Found { zone, outcome: Outcome::Answer(rrset) }),
        Sight::Steered(record, zone) => Some(Found { zone, outcome: Outcome::Steered(record) }),
        Sight::Other(node) => zones.look_closer(node, query.name, query.qtype),
    };
    if let Some(Found { zone, outcome: Outcome::Steered(record) }) = found {
        return steered_elsewhere(engine, (record, zone), (query, request), scratch, out);
    }
    if let Some(found) = found
        && let Some(room) = out.first_chunk_mut()
        && let Some(said) = say(found, query, settings, room)
        && let Some(length) = finish(query, said, settings, &mut scratch.noted, room)
    {
        return Reply::Message(length);
    }
    engine.respond_in_full(request, Known { found, served: None }, scratch, out)
}

/// Writes what was found, if that is one RRset or none.
fn say(found: Found<'_>, query: Usual<'_>, settings: &Settings, out: &mut Room) -> Option<Said> {
    match found.outcome {
        Outcome::Answer(rrset) if !rrset.has_additional() => {
            let apex = apex(query.name, found.zone);
            let place = &mut out[..RECORDS];
            let end = rrset.write(place, query.front.len(), Owner::Pointer(QUESTION), apex)?;
            Some(Said::answers(rrset.count(), end, found.zone))
        }
        Outcome::NoData => negative(query, found.zone, settings, out, Rcode::NOERROR),
        Outcome::NxDomain => negative(query, found.zone, settings, out, Rcode::NXDOMAIN),
        _ => None,
    }
}

/// Answers with what steering says.
#[inline(always)]
fn steered<S: Steer>(
    engine: &Engine<S>,
    (record, zone): (RecordId, Zone<'_>),
    client: Client,
    query: Usual<'_>,
    request: Request<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let served = engine.live.serve(record, query.qtype, client, &mut scratch.spin);
    if let Served { answer: Answer::Records { bytes, count }, panic: None, scope, label } = served
        && let Some(room) = out.first_chunk_mut::<{ 2 * REPLY }>()
    {
        let start = place(query.front.len());
        let end = start + bytes.len();
        if end <= RECORDS {
            copy(bytes, &mut room[start..end]);
            let said = Said { scope, label, ..Said::answers(count, end, zone) };
            let settings = &engine.snapshot.settings;
            if let Some(length) = finish(query, said, settings, &mut scratch.noted, room) {
                return Reply::Message(length);
            }
        }
    }
    let found = Found { zone, outcome: Outcome::Steered(record) };
    let known = Known { found: Some(found), served: Some(served) };
    steered_otherwise(engine, known, (query, request), scratch, out)
}

/// The same where a steered record is found less often, at an apex, at a wildcard; and for clients
/// of IPv6 without a subnet, with one of more than 64 bits, or with an address of IPv4 inside.
#[inline(never)]
fn steered_elsewhere<S: Steer>(
    engine: &Engine<S>,
    place: (RecordId, Zone<'_>),
    (query, request): Asked<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let client = Client::new(query.subnet().unwrap_or_else(|| request.client.ip()));
    steered(engine, place, client, query, request, scratch, out)
}

/// Answers with what steering says less often: that there are no records. The rest is left to the
/// full way, which must not ask again.
#[inline(never)]
fn steered_otherwise<S: Steer>(
    engine: &Engine<S>,
    known: Known<'_>,
    (query, request): Asked<'_>,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let settings = &engine.snapshot.settings;
    if let Known { found: Some(found), served: Some(served) } = known
        && let Served { answer: Answer::NoData, panic: None, scope, label } = served
        && let Some(room) = out.first_chunk_mut()
        && let Some(said) = negative(query, found.zone, settings, room, Rcode::NOERROR)
        && let Some(length) =
            finish(query, Said { scope, label, ..said }, settings, &mut scratch.noted, room)
    {
        return Reply::Message(length);
    }
    engine.respond_in_full(request, known, scratch, out)
}

/// A pointer to the apex of the zone, which the name asked for is in.
fn apex(name: &[u8], zone: Zone<'_>) -> u16 {
    QUESTION + (name.len() - zone.apex_len()) as u16
}

/// Writes the SOA of a negative answer (RFC 2308 section 3).
fn negative(
    query: Usual<'_>,
    zone: Zone<'_>,
    settings: &Settings,
    out: &mut Room,
    rcode: Rcode,
) -> Option<Said> {
    // `_explain` may ask for something else than the name itself.
    if settings.insight.is_some() && query.name.starts_with(b"\x08_") {
        return None;
    }
    let apex = apex(query.name, zone);
    let (out, start) = (&mut out[..RECORDS], query.front.len());
    let end = zone.negative().write(out, start, Owner::Pointer(apex), apex)?;
    Some(Said { authorities: 1, rcode, ..Said::answers(0, end, zone) })
}

/// Puts the header and the question in front of the records, and the OPT record behind them; says
/// where the reply ends.
#[inline(always)]
fn finish(
    query: Usual<'_>,
    said: Said,
    settings: &Settings,
    noted: &mut Noted,
    out: &mut Room,
) -> Option<usize> {
    *noted = Noted::usual(query.qtype, said.rcode).within(said.zone).steered(said.label);
    // The count of additional records is that of the query, too.
    copy(query.front, out.get_mut(..query.front.len())?);
    *out.first_chunk_mut()? = query.reply_start(said.answers, said.rcode)?;
    if said.authorities != 0 {
        out[9] = said.authorities;
    }
    let (opt, len) = (query.opt, query.opt.len());
    if len < OPT {
        return Some(said.end);
    }
    // The OPT record is that of the query: it has the same length, and its last octets are the
    // client's address.
    let place = out[place(said.end)..].get_mut(..len)?;
    if len >= OPT + 8 {
        // Of an option of 9 to 24 octets behind a record of 11, the last 16 and the first 8 are all.
        place[len - 16..].copy_from_slice(&opt[len - 16..]);
        place[OPT..OPT + 8].copy_from_slice(&opt[OPT..OPT + 8]);
        place[OPT + 7] = said.scope;
        *noted = noted.scoped(Scoped::new(opt[OPT + 5], said.scope));
    }
    place[..8].copy_from_slice(&settings.edns_udp_size.opt_start());
    let mut rest = [0; 4];
    rest.copy_from_slice(&opt[7..OPT]);
    let rest = u32::from_le_bytes(rest) & DO_AND_LENGTH;
    place[7..OPT].copy_from_slice(&rest.to_le_bytes());
    Some(said.end + len)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Clock, Transport};
    use crate::steering::{Panic, Spin};
    use crate::wire::{Name, Type};
    use crate::zone::{Steered, ZoneSource, Zones, master};

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

    /// Answers of each kind, the same each time; the scope tells clients apart.
    #[derive(Debug)]
    struct Table;

    const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x09";

    impl Steer for Table {
        fn serve(&self, record: RecordId, qtype: Type, client: Client, _: &mut Spin) -> Served<'_> {
            let fold = |octets: &[u8]| {
                octets.iter().fold(0, |fold: u8, octet| fold.rotate_left(3) ^ octet)
            };
            let scope = match client.address {
                IpAddr::V4(address) => fold(&address.octets()) % 32,
                IpAddr::V6(address) => fold(&address.octets()) % 128,
            };
            let scope = scope + client.offset;
            let panic = (record.0 == 1).then_some(Panic::Substitute);
            let answer = match (record.0, qtype) {
                (2, _) => Answer::ServFail,
                (_, Type::A) => Answer::Records { bytes: RECORD, count: 1 },
                _ => Answer::NoData,
            };
            Served { answer, scope, panic, label: LabelId::NONE }
        }
    }

    fn engine(settings: Settings) -> Engine<Table> {
        let file = master::parse_text(ZONE.as_bytes(), Path::new("zone"), Name::root()).unwrap();
        let source = ZoneSource::new(file.apex, &file.records);
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
                b"\0\x08\0\x0b\0\x02\x38\0\x20\x01\x0d\xb8\x0a\x0b\x0c",
                b"\0\x08\0\x0c\0\x02\x40\0\x20\x01\x0d\xb8\x0a\x0b\x0c\x0d",
                b"\0\x08\0\x0d\0\x02\x48\0\x20\x01\x0d\xb8\x0a\x0b\x0c\x0d\x0e",
                b"\0\x08\0\x0a\0\x02\x30\0\x20\x02\xc0\0\x02\x21",
                b"\0\x08\0\x06\0\x02\x0d\0\x20\x08",
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
                client: &"[2001:db8::7]:5353".parse().unwrap(),
                local: &None,
                transport,
                clock: &Clock::new(),
            };
            let (mut scratch, mut out, mut full) =
                (Scratch::new(1), vec![0xaa; room], vec![0xaa; room]);
            let reply = engine.respond(&request, &mut scratch, &mut out);
            let noted = scratch.noted();
            let in_full = engine.respond_in_full(request, Known::default(), &mut scratch, &mut full);
            match (reply, in_full) {
                (Reply::Message(len), Reply::Message(other)) => {
                    prop_assert_eq!(&out[..len], &full[..other]);
                    prop_assert_eq!(noted, scratch.noted());
                }
                (reply, in_full) => {
                    prop_assert!(matches!((reply, in_full), (Reply::Drop, Reply::Drop)));
                }
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
                client: &"192.0.2.7:5353".parse().unwrap(),
                local: &None,
                transport: Transport::Udp,
                clock: &Clock::new(),
            };
            let (mut scratch, mut out) = (Scratch::new(1), [0; 1232]);
            let replied = engine.respond(&request, &mut scratch, &mut out);
            assert!(matches!(replied, Reply::Message(_)), "{owner} {qtype}");
            // The full way reads the name.
            assert_eq!(scratch.name.as_wire(), b"\0", "{owner} {qtype}");
        }
    }
}
