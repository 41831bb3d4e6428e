//! A query, read without allocation: header, question, OPT.
//!
//! Almost every query is a header, one question, and at most an OPT record that ends the
//! message: that is read in one go. Everything else takes the cold path, which walks all
//! sections.

use super::edns::{Edns, OPT};
use super::header::{HEADER, Header};
use super::{Class, LowerName, Malformed, Opcode, Rcode, Type, u16_at};

/// A well-formed message of opcode QUERY with one question. The name asked for is in the
/// [`LowerName`] that [`Query::parse`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The header.
    pub header: Header,
    /// The question.
    pub question: Question,
    /// The OPT record, when there is one.
    pub edns: Option<Edns>,
}

/// The question section (RFC 1035 section 4.1.2); it begins behind the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The type asked for.
    pub qtype: Type,
    /// The class asked for.
    pub qclass: Class,
    /// Where the question ends in the message: 17 to 271.
    pub end: usize,
}

/// Why a message is not a [`Query`], and what its answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Not to be answered: a response, or less than a header.
    Silent,
    /// No question but a cookie, which asks for the server's (RFC 7873 section 5.4): the one
    /// query that may have no question (RFC 9619).
    CookieAlone {
        /// The header to answer.
        header: Header,
        /// The OPT record with the cookie.
        edns: Edns,
    },
    /// NOTIFY (RFC 1996) or UPDATE (RFC 2136), well-formed as far as sections go. The name of the
    /// zone that it is about is in the [`LowerName`].
    ForZone {
        /// The header to answer.
        header: Header,
        /// The zone: type SOA.
        question: Question,
        /// The OPT record, when there is one.
        edns: Option<Edns>,
    },
    /// To be answered with a response code alone.
    Refusal {
        /// The header to answer.
        header: Header,
        /// FORMERR, NOTIMP or BADVERS.
        rcode: Rcode,
        /// The question, as far as it could be read.
        question: Option<Question>,
        /// The OPT record, as far as it could be read.
        edns: Option<Edns>,
    },
    /// To be answered as the message without its signature would be, if that is right.
    Signed(Signed),
}

/// A message of any opcode that ends with a TSIG record (RFC 8945), whose data is not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The header.
    pub header: Header,
    /// The question.
    pub question: Question,
    /// The OPT record without its options, when there is one.
    pub edns: Option<Edns>,
    /// Where the TSIG record begins.
    pub tsig: usize,
}

impl Query {
    /// Reads a message; the name asked for goes to `name`. `want_subnet`: whether a client
    /// subnet is read (and must then be well-formed) or passed over.
    ///
    /// Malformed are: other than one question (RFC 9619), a compression pointer in it, records
    /// that end beyond the message, octets behind the last record, two OPT records or one that
    /// is not owned by the root (RFC 6891 section 6.1.1), a bad option. Flags that are not
    /// known, a response code, and records that a query has no use for are not looked at.
    #[inline]
    pub fn parse(
        message: &[u8],
        name: &mut LowerName,
        want_subnet: bool,
    ) -> Result<Query, Rejected> {
        let Some(header) = Header::parse(message) else {
            return Err(Rejected::Silent);
        };
        if header.is_response() {
            return Err(Rejected::Silent);
        }
        let [1, 0, 0, additional @ (0 | 1)] = header.counts else {
            return parse_unusual(message, header, name, want_subnet);
        };
        if header.opcode() != Opcode::QUERY {
            return parse_unusual(message, header, name, want_subnet);
        }
        let question = match Question::parse(message, name) {
            Ok(question) => question,
            Err(Malformed) => return Err(formerr(header, None, None)),
        };
        let rest = &message[question.end..];
        if additional == 0 {
            return match rest {
                [] => Ok(Query { header, question, edns: None }),
                _ => Err(formerr(header, Some(question), None)),
            };
        }
        let Some(&[0, 0, 41, size_high, size_low, t0, t1, t2, t3, len_high, len_low]) =
            rest.first_chunk::<OPT>()
        else {
            return parse_unusual(message, header, name, want_subnet);
        };
        let options = &rest[OPT..];
        if options.len() != usize::from(u16::from_be_bytes([len_high, len_low])) {
            return Err(formerr(header, Some(question), None));
        }
        let size = u16::from_be_bytes([size_high, size_low]);
        let edns = Edns::from_fields(size, [t0, t1, t2, t3]);
        finish(header, question, edns, options, message.len(), want_subnet)
    }
}

impl Question {
    /// Whether it asks for a zone as a whole.
    pub fn is_transfer(&self) -> bool {
        matches!(self.qtype, Type::AXFR | Type::IXFR)
    }

    #[inline]
    fn parse(message: &[u8], name: &mut LowerName) -> Result<Question, Malformed> {
        let at = name.read(message, HEADER)?;
        let Some([type_high, type_low, class_high, class_low, ..]) = message.get(at..) else {
            return Err(Malformed);
        };
        Ok(Question {
            qtype: Type(u16::from_be_bytes([*type_high, *type_low])),
            qclass: Class(u16::from_be_bytes([*class_high, *class_low])),
            end: at + 4,
        })
    }
}

/// Checks the version before the options, which end at `end` of the message: those of another
/// version may mean anything.
#[inline]
fn finish(
    header: Header,
    question: Question,
    mut edns: Edns,
    options: &[u8],
    end: usize,
    want_subnet: bool,
) -> Result<Query, Rejected> {
    if edns.version != super::edns::VERSION {
        return Err(badvers(header, Some(question), edns));
    }
    match edns.read_options(options, end, want_subnet) {
        Ok(()) => Ok(Query { header, question, edns: Some(edns) }),
        Err(Malformed) => Err(formerr(header, Some(question), Some(edns.without_options()))),
    }
}

#[cold]
fn formerr(header: Header, question: Option<Question>, edns: Option<Edns>) -> Rejected {
    Rejected::Refusal { header, rcode: Rcode::FORMERR, question, edns }
}

#[cold]
fn badvers(header: Header, question: Option<Question>, edns: Edns) -> Rejected {
    Rejected::Refusal { header, rcode: Rcode::BADVERS, question, edns: Some(edns) }
}

/// The full job: any counts, any records, any opcode.
#[cold]
fn parse_unusual(
    message: &[u8],
    header: Header,
    name: &mut LowerName,
    want_subnet: bool,
) -> Result<Query, Rejected> {
    if let Some(signed) = find_signature(message, header, name) {
        return Err(Rejected::Signed(signed));
    }
    if header.opcode() != Opcode::QUERY {
        return Err(parse_operation(message, header, name));
    }
    if header.counts[0] != 1 {
        return Err(parse_without_question(message, header));
    }
    let Ok(question) = Question::parse(message, name) else {
        return Err(formerr(header, None, None));
    };
    match find_records(message, question.end, header.counts) {
        Ok(Records { opt: None, .. }) => Ok(Query { header, question, edns: None }),
        Ok(Records { opt: Some(Opt { edns, options, end }), .. }) => {
            finish(header, question, edns, options, end, want_subnet)
        }
        Err(Malformed) => Err(formerr(header, Some(question), None)),
    }
}

/// Reads a message of an opcode other than QUERY.
fn parse_operation(message: &[u8], header: Header, name: &mut LowerName) -> Rejected {
    let question = match header.counts[0] {
        1 => Question::parse(message, name).ok(),
        _ => None,
    };
    let sections = question.map_or(HEADER, |question| question.end);
    let opt = match (question, header.counts[0]) {
        (None, 1..) => Err(Malformed),
        _ => find_records(message, sections, header.counts).map(|records| records.opt),
    };
    if !matches!(header.opcode(), Opcode::NOTIFY | Opcode::UPDATE) {
        // Its sections may have another form (RFC 8490): what cannot be read is not echoed, but
        // it is no format error either.
        let edns = opt.ok().flatten().map(|opt| opt.with_options().unwrap_or(opt.edns));
        return Rejected::Refusal { header, rcode: Rcode::NOTIMP, question, edns };
    }
    match (question, opt.map(|opt| opt.map(|opt| (opt.edns, opt.with_options())))) {
        (_, Ok(Some((edns, _)))) if edns.version != super::edns::VERSION => {
            badvers(header, question, edns)
        }
        // RFC 1996 section 3.7, RFC 2136 section 2.3: a zone is named by its SOA.
        (Some(question), Ok(None)) if question.qtype == Type::SOA => {
            Rejected::ForZone { header, question, edns: None }
        }
        (Some(question), Ok(Some((_, Ok(edns))))) if question.qtype == Type::SOA => {
            Rejected::ForZone { header, question, edns: Some(edns) }
        }
        (question, opt) => {
            let edns = opt.ok().flatten().map(|(edns, _)| edns);
            formerr(header, question, edns)
        }
    }
}

/// Reads a query with no question, or with several.
fn parse_without_question(message: &[u8], header: Header) -> Rejected {
    let opt = skip_questions(message, header.counts[0])
        .and_then(|end| find_records(message, end, header.counts));
    let Ok(Records { opt: Some(opt), .. }) = opt else {
        return formerr(header, None, None);
    };
    if opt.edns.version != super::edns::VERSION {
        return badvers(header, None, opt.edns);
    }
    match opt.with_options() {
        Ok(edns) if header.counts[0] == 0 && edns.options.has_cookie() => {
            Rejected::CookieAlone { header, edns }
        }
        _ => formerr(header, None, Some(opt.edns)),
    }
}

/// Where so many questions end.
fn skip_questions(message: &[u8], count: u16) -> Result<usize, Malformed> {
    (0..count).try_fold(HEADER, |at, _| Ok(skip_name(message, at)? + 4))
}

/// An OPT record in a message.
#[derive(Clone, Copy)]
struct Opt<'m> {
    /// What it says, its options left aside.
    edns: Edns,
    options: &'m [u8],
    /// Where it ends.
    end: usize,
}

impl Opt<'_> {
    /// What it says, with its options but the client's subnet, which concerns only queries.
    fn with_options(&self) -> Result<Edns, Malformed> {
        let mut edns = self.edns;
        edns.read_options(self.options, self.end, false)?;
        Ok(edns)
    }
}

/// A message with one question that ends with a TSIG record, and is otherwise as long as it says.
fn find_signature(message: &[u8], header: Header, name: &mut LowerName) -> Option<Signed> {
    if header.counts[0] != 1 || header.counts[3] == 0 {
        return None;
    }
    let question = Question::parse(message, name).ok()?;
    let Records { opt, tsig } = find_records(message, question.end, header.counts).ok()?;
    Some(Signed { header, question, edns: opt.map(|opt| opt.edns), tsig: tsig? })
}

/// The records of a query that say something about the message itself.
struct Records<'m> {
    opt: Option<Opt<'m>>,
    /// Where TSIG begins.
    tsig: Option<usize>,
}

/// Walks all records behind the question to the end of the message. TSIG anywhere but at the end
/// is malformed (RFC 8945 section 5.1).
fn find_records(message: &[u8], mut at: usize, counts: [u16; 4]) -> Result<Records<'_>, Malformed> {
    let before = u32::from(counts[1]) + u32::from(counts[2]);
    let all = before + u32::from(counts[3]);
    let mut found = Records { opt: None, tsig: None };
    for index in 0..all {
        let owner = at;
        at = skip_name(message, at)?;
        let fields: &[u8; 10] = message.get(at..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        let data_at = at + fields.len();
        at = data_at + usize::from(u16_at(fields, 8)?);
        let data = message.get(data_at..at).ok_or(Malformed)?;
        let rtype = Type(u16_at(fields, 0)?);
        if rtype == Type::OPT {
            if index < before || message.get(owner) != Some(&0) || found.opt.is_some() {
                return Err(Malformed);
            }
            let ttl = [fields[4], fields[5], fields[6], fields[7]];
            let edns = Edns::from_fields(u16_at(fields, 2)?, ttl);
            found.opt = Some(Opt { edns, options: data, end: at });
        } else if rtype == Type::TSIG {
            if index < before || index + 1 != all {
                return Err(Malformed);
            }
            found.tsig = Some(owner);
        }
    }
    if at == message.len() { Ok(found) } else { Err(Malformed) }
}

/// The serial number of the SOA in the authority section, with which a client that asks for IXFR
/// says what it has (RFC 1995 section 3).
pub fn authority_serial(message: &[u8], query: &Query) -> Option<u32> {
    if query.header.counts[1] != 0 || query.header.counts[2] == 0 {
        return None;
    }
    let at = skip_name(message, query.question.end).ok()?;
    let fields: &[u8; 10] = message.get(at..)?.first_chunk()?;
    if u16_at(fields, 0) != Ok(Type::SOA.0) {
        return None;
    }
    let at = at + fields.len();
    let data = message.get(at..at + usize::from(u16_at(fields, 8).ok()?))?;
    // Five numbers of four octets behind two names.
    let serial: &[u8; 4] = data.last_chunk::<20>()?.first_chunk()?;
    Some(u32::from_be_bytes(*serial))
}

/// Where the name at `at` ends. A pointer must go back (RFC 1035 section 4.1.4); it is not
/// followed, for nobody asks where it leads.
pub(super) fn skip_name(message: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let first = at;
    loop {
        match *message.get(at).ok_or(Malformed)? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => {
                let target = usize::from(u16_at(message, at)? & 0x3fff);
                let sound = (HEADER..first).contains(&target);
                return if sound { Ok(at + 2) } else { Err(Malformed) };
            }
            _ => return Err(Malformed),
        }
        if at - first >= super::name::MAX_NAME {
            return Err(Malformed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x03wWw\x02ex\x00\x00\x01\x00\x01";

    fn message(flags: u16, counts: [u16; 4], tail: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; HEADER];
        super::super::header::write(&mut octets, 0x1234, flags, counts);
        octets.extend(tail);
        octets
    }

    fn opt(version: u8, options: &[u8]) -> Vec<u8> {
        let mut octets = vec![0, 0, 41, 4, 0xd0, 0, version, 0x80, 0, 0, options.len() as u8];
        octets.extend(options);
        octets
    }

    fn parse(message: &[u8]) -> Result<Query, Rejected> {
        Query::parse(message, &mut LowerName::new(), true)
    }

    fn rcode(message: &[u8]) -> Rcode {
        match parse(message) {
            Ok(_) => Rcode::NOERROR,
            Err(Rejected::Refusal { rcode, .. }) => rcode,
            Err(rejected) => panic!("{rejected:?}"),
        }
    }

    #[test]
    fn a_plain_query_is_read_and_its_name_lowered() {
        let mut name = LowerName::new();
        let query = Query::parse(&message(0x0100, [1, 0, 0, 0], QUESTION), &mut name, true);
        let question = Question { qtype: Type::A, qclass: Class::IN, end: 24 };
        assert_eq!(query.map(|q| (q.question, q.edns)), Ok((question, None)));
        assert_eq!(name.as_wire(), b"\x03www\x02ex\x00");
    }

    #[test]
    fn opt_is_found_at_the_end_and_before_other_records() {
        let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
        let unknown = [0xff, 0xfe, 0, 1, 9];
        let other = b"\x01k\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x02\x01b";
        let opt = opt(0, &[&unknown[..], &subnet[..]].concat());
        for (count, tail) in [
            (1, [QUESTION, &opt].concat()),
            (2, [QUESTION, &opt, other].concat()),
            (2, [QUESTION, other, &opt].concat()),
        ] {
            let query = parse(&message(0, [1, 0, 0, count], &tail)).unwrap();
            let edns = query.edns.unwrap();
            assert!(edns.dnssec_ok);
            assert_eq!(edns.udp_size, 1232);
            assert_eq!(edns.subnet.unwrap().address.to_string(), "192.0.2.0");
        }
    }

    #[test]
    fn a_signature_is_found_at_the_end_whatever_the_opcode_and_nowhere_else() {
        let tsig = b"\x01k\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x02ab";
        let opt = opt(0, &[]);
        for (flags, count, tail) in [
            (0, 1, [QUESTION, tsig].concat()),
            (0, 2, [QUESTION, &opt, tsig].concat()),
            (0x2000, 1, [QUESTION, tsig].concat()),
        ] {
            let octets = message(flags, [1, 0, 0, count], &tail);
            let Err(Rejected::Signed(signed)) = parse(&octets) else { panic!("{tail:?}") };
            assert_eq!(signed.tsig, octets.len() - tsig.len());
            assert_eq!(signed.edns.is_some(), count == 2);
        }
        for (counts, tail) in [
            ([1, 0, 0, 2], [QUESTION, tsig, tsig].concat()),
            ([1, 0, 0, 2], [QUESTION, tsig, &opt].concat()),
            ([1, 0, 1, 0], [QUESTION, tsig].concat()),
            ([1, 0, 0, 1], [QUESTION, tsig, b"x"].concat()),
        ] {
            assert_eq!(rcode(&message(0, counts, &tail)), Rcode::FORMERR, "{counts:?} {tail:?}");
        }
    }

    #[test]
    fn a_response_and_a_stump_get_no_answer() {
        assert_eq!(parse(&message(0x8000, [1, 0, 0, 0], QUESTION)), Err(Rejected::Silent));
        assert_eq!(parse(&[0; 11]), Err(Rejected::Silent));
    }

    #[test]
    fn what_is_malformed_gets_formerr() {
        let two_opts = [QUESTION, &opt(0, &[]), &opt(0, &[])].concat();
        let owned_opt = [QUESTION, b"\x01a", &opt(0, &[])].concat();
        let opt_in_answer = [QUESTION, &opt(0, &[])].concat();
        let bad_option = [QUESTION, &opt(0, &[0, 8, 0, 9])].concat();
        let bad_subnet = [QUESTION, &opt(0, &[0, 8, 0, 4, 0, 9, 0, 0])].concat();
        for (counts, tail) in [
            ([0, 0, 0, 0], &b""[..]),
            ([0, 0, 0, 1], &opt(0, &[])),
            ([2, 0, 0, 0], &[QUESTION, QUESTION].concat()),
            ([1, 0, 0, 0], b"\x03www\x02ex\x00\x00\x01\x00"),
            ([1, 0, 0, 0], b"\xc0\x0c\x00\x01\x00\x01"),
            ([1, 0, 0, 0], &[QUESTION, b"x"].concat()),
            ([1, 0, 0, 1], QUESTION),
            ([1, 1, 0, 0], QUESTION),
            ([1, 0, 0, 2], &two_opts),
            ([1, 0, 0, 1], &owned_opt),
            ([1, 1, 0, 0], &opt_in_answer),
            ([1, 0, 0, 1], &bad_option),
            ([1, 0, 0, 1], &bad_subnet),
        ] {
            assert_eq!(rcode(&message(0, counts, tail)), Rcode::FORMERR, "{counts:?} {tail:?}");
        }
    }

    #[test]
    fn another_version_of_edns_gets_badvers_whatever_its_options() {
        let tail = [QUESTION, &opt(1, &[0, 8, 0, 9])].concat();
        assert_eq!(rcode(&message(0, [1, 0, 0, 1], &tail)), Rcode::BADVERS);
    }

    #[test]
    fn another_opcode_gets_notimp_with_the_question_where_it_can_be_read() {
        let status = message(0x1000, [1, 0, 0, 0], QUESTION);
        assert!(matches!(
            parse(&status),
            Err(Rejected::Refusal { rcode: Rcode::NOTIMP, question: Some(_), .. })
        ));
        let stateful = message(0x3000, [0, 0, 0, 0], &[0, 1, 0, 4, 0, 0, 0, 0]);
        assert_eq!(rcode(&stateful), Rcode::NOTIMP);
        let with_opt = message(0x7800, [0, 0, 0, 1], &opt(0, &[]));
        assert!(matches!(
            parse(&with_opt),
            Err(Rejected::Refusal { rcode: Rcode::NOTIMP, edns: Some(_), .. })
        ));
    }

    #[test]
    fn notify_and_update_name_a_zone_by_its_soa() {
        let zone = b"\x02eX\x00\x00\x06\x00\x01";
        for flags in [0x2000, 0x2400, 0x2800] {
            let whole = [&zone[..], &opt(0, &[])].concat();
            let sent = message(flags, [1, 0, 0, 1], &whole);
            assert!(matches!(parse(&sent), Err(Rejected::ForZone { edns: Some(_), .. })));
            let sent = message(flags, [1, 0, 0, 0], zone);
            assert!(matches!(parse(&sent), Err(Rejected::ForZone { edns: None, .. })));
            for (counts, tail) in [
                ([0, 0, 0, 0], &b""[..]),
                ([1, 0, 0, 0], QUESTION),
                ([2, 0, 0, 0], &[&zone[..], zone].concat()),
                ([1, 1, 0, 0], zone),
                ([1, 0, 0, 1], &[&zone[..], &opt(0, &[0, 10, 0, 1, 9])].concat()),
            ] {
                let sent = message(flags, counts, tail);
                assert_eq!(rcode(&sent), Rcode::FORMERR, "{counts:?}");
            }
            let sent = message(flags, [1, 0, 0, 1], &[&zone[..], &opt(1, &[])].concat());
            assert_eq!(rcode(&sent), Rcode::BADVERS);
        }
    }

    #[test]
    fn a_cookie_is_the_one_thing_that_needs_no_question() {
        let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let sent = message(0, [0, 0, 0, 1], &opt(0, &cookie));
        let Err(Rejected::CookieAlone { edns, .. }) = parse(&sent) else {
            panic!("{:?}", parse(&sent));
        };
        assert_eq!(edns.options.cookie(&sent).unwrap().client, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let two = [QUESTION, QUESTION, &opt(0, &cookie)].concat();
        for (counts, tail) in [([0, 0, 0, 1], &opt(0, &[0, 3, 0, 0])[..]), ([2, 0, 0, 1], &two)] {
            let sent = message(0, counts, tail);
            assert!(matches!(
                parse(&sent),
                Err(Rejected::Refusal { rcode: Rcode::FORMERR, edns: Some(_), .. })
            ));
        }
        let sent = message(0, [0, 0, 0, 1], &opt(1, &cookie));
        assert_eq!(rcode(&sent), Rcode::BADVERS);
    }
}
