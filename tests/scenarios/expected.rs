//! What an answer must be, and whether one is.

use hickory_proto::op::Message as Shown;
use meridian::wire::{Name, Type};
use meridian::zone::rdata;

use crate::message::{Message, Record};
use crate::query::{Query, hex, name};

/// An answer that is expected.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    rcode: u16,
    /// Those that are set among [`FLAGS`], and `do`.
    flags: Vec<String>,
    sections: [Vec<Record>; 3],
    /// How many records the answer has, where they are too many to be written out.
    records: Option<usize>,
    scope: Option<u8>,
    tsig: Option<u16>,
    /// Options that must be there or, with `!`, must not.
    options: Vec<String>,
    has_opt: bool,
    has_question: bool,
    any_additional: bool,
    /// The reply is a multiple of so many octets.
    block: usize,
    truncated_over_udp: bool,
    pub(crate) is_silence: bool,
}

const FLAGS: [(&str, u16); 7] = [
    ("aa", 0x0400),
    ("tc", 0x0200),
    ("rd", 0x0100),
    ("ra", 0x0080),
    ("z", 0x0040),
    ("ad", 0x0020),
    ("cd", 0x0010),
];

const RCODES: [(&str, u16); 10] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("NOTAUTH", 9),
    ("BADVERS", 16),
    ("BADCOOKIE", 23),
];

/// OPT's one flag (RFC 3225).
const DNSSEC_OK: u16 = 0x8000;
/// The options that servers may send unasked (RFC 8914 section 2).
const EXTENDED_ERROR: u16 = 15;
const SUBNET: u16 = 8;

impl Expected {
    /// Reads the line behind `<`.
    pub(crate) fn read(line: &str, query: &Query) -> Expected {
        let mut words = line.split_whitespace();
        let rcode = words.next().unwrap();
        let mut expected = Expected {
            has_opt: query.has_opt(),
            has_question: true,
            block: 1,
            is_silence: rcode == "silence",
            ..Expected::default()
        };
        if !expected.is_silence {
            let known = RCODES.iter().find(|(text, _)| *text == rcode);
            expected.rcode = known.unwrap_or_else(|| panic!("`{rcode}` in {line}")).1;
        }
        for word in words {
            match word.split_once('=') {
                None if word == "opt" => expected.has_opt = true,
                None if word == "noopt" => expected.has_opt = false,
                None if word == "noquestion" => expected.has_question = false,
                None if word == "choice" => {}
                None => {
                    let known = word == "do" || FLAGS.iter().any(|(flag, _)| *flag == word);
                    assert!(known, "`{word}` in {line}");
                    expected.flags.push(word.to_owned());
                }
                Some(("may", _)) => {}
                Some(("scope", scope)) => expected.scope = Some(scope.parse().unwrap()),
                Some(("records", count)) => expected.records = Some(count.parse().unwrap()),
                Some(("tsig", error)) => expected.tsig = Some(error.parse().unwrap()),
                Some(("opt", option)) => expected.options.push(option.to_owned()),
                Some(("block", octets)) => expected.block = octets.parse().unwrap(),
                Some(("udp", "tc")) => expected.truncated_over_udp = true,
                Some(_) => panic!("`{word}` in {line}"),
            }
        }
        expected
    }

    /// Takes a record's line behind `an`, `au` or `ad`.
    pub(crate) fn add(&mut self, section: usize, line: &str) {
        if line == "*" {
            self.any_additional = true;
            return;
        }
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [owner, ttl, class, rtype, data] = words[..] else { panic!("{line}") };
        let rtype: Type = rtype.parse().unwrap();
        let data = rdata::parse_text(rtype, data.trim(), &Name::root());
        self.sections[section].push(Record {
            owner: name(owner),
            rtype: rtype.0,
            class: if class == "CH" { 3 } else { 1 },
            ttl: ttl.parse().unwrap(),
            data: data.unwrap_or_else(|error| panic!("{error} in {line}")).into(),
        });
        self.sections[section].sort();
    }

    /// Whether this is the answer to `asked`; says what is wrong with it if not.
    pub(crate) fn compare(
        &self,
        query: &Query,
        asked: &[u8],
        replies: &[Vec<u8>],
        is_udp: bool,
    ) -> Result<(), String> {
        let first = replies.first().ok_or("no reply")?;
        let mut told = Message::read(first)?;
        for reply in &replies[1..] {
            told.sections[0].extend(Message::read(reply)?.sections[0].clone());
        }
        if query.is_transfer() && told.rcode() == 0 {
            let soa = |record: Option<&Record>| record.is_some_and(|record| record.rtype == 6);
            if !soa(told.sections[0].first()) || !soa(told.sections[0].last()) {
                return Err("not between two SOA records".to_owned());
            }
        }
        if is_udp && first.len() > query.size().min(1232) {
            return Err(format!("{} octets", first.len()));
        }
        if !first.len().is_multiple_of(self.block) {
            return Err(format!("{} octets, not padded to {}", first.len(), self.block));
        }
        self.frame(query, asked, &told)?;
        self.edns(query, &told)?;
        if is_udp && self.truncated_over_udp {
            return if told.flags & 0x0200 == 0 { Err("no TC".to_owned()) } else { Ok(()) };
        }
        let mut flags: Vec<&str> =
            FLAGS.iter().filter(|flag| told.flags & flag.1 != 0).map(|flag| flag.0).collect();
        if told.opt.as_ref().is_some_and(|opt| opt.flags & DNSSEC_OK != 0) {
            flags.push("do");
        }
        same("flags", &flags, &self.flags.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (index, title) in ["answer", "authority", "additional"].iter().enumerate() {
            let mut found = told.sections[index].clone();
            found.sort();
            let is_free = index == 2 && self.any_additional
                || index == 0 && self.records == Some(found.len());
            if !is_free && found != self.sections[index] {
                return Err(format!("another {title} section: {}", shown(first)));
            }
        }
        Ok(())
    }

    /// Header, question and response code.
    fn frame(&self, query: &Query, asked: &[u8], told: &Message) -> Result<(), String> {
        same("ID", &told.id.to_be_bytes()[..], &asked[..2])?;
        same("QR", &(told.flags >> 15), &1)?;
        same("opcode", &((told.flags >> 8) as u8 & 0x78), &(asked[2] & 0x78))?;
        same("response code", &told.rcode(), &self.rcode)?;
        let question = &asked[12..];
        let len = if self.has_question { told.question.len() } else { 0 };
        let is_there = told.question.len() >= 5 || !self.has_question;
        if !is_there || told.question.len() != len || !question.starts_with(&told.question) {
            return Err(format!("another question for {:?}: {:?}", query, told.question));
        }
        same("TSIG error", &told.tsig, &self.tsig)
    }

    /// What OPT says.
    fn edns(&self, query: &Query, told: &Message) -> Result<(), String> {
        same("OPT", &told.opt.is_some(), &self.has_opt)?;
        let opt = told.opt.clone().unwrap_or_default();
        same("EDNS version", &opt.version, &0)?;
        same("EDNS flags", &(opt.flags & !DNSSEC_OK), &0)?;
        for (code, _) in &opt.options {
            let is_asked = query.is_raw() || query.options().contains(code);
            if !is_asked && *code != EXTENDED_ERROR {
                return Err(format!("an option {code} that nobody asked for"));
            }
        }
        let data = |code: u16| opt.options.iter().find(|option| option.0 == code);
        if let Some(scope) = self.scope {
            let found = data(SUBNET).and_then(|option| option.1.get(3)).copied();
            same("scope", &found, &Some(scope))?;
        }
        for expected in &self.options {
            if let Some(absent) = expected.strip_prefix('!') {
                same(&format!("option {absent}"), &data(absent.parse().unwrap()), &None)?;
                continue;
            }
            let (code, value) = expected.split_once(':').unwrap_or((expected, "*"));
            let found = data(code.parse().unwrap());
            let found = found.ok_or_else(|| format!("no option {code}"))?;
            let is_right = match value.strip_suffix('*') {
                Some(front) => found.1.starts_with(&hex(front)),
                None => found.1 == hex(value),
            };
            if !is_right {
                return Err(format!("option {code} is {:02x?}", found.1));
            }
        }
        Ok(())
    }
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

/// A message for people, where another reader can read it.
fn shown(octets: &[u8]) -> String {
    Shown::from_vec(octets).map_or_else(|_| format!("{octets:02x?}"), |message| message.to_string())
}
