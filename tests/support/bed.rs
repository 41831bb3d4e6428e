//! A bed to test the engine on: zones from text, steered answers made up, replies as text.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{
    DNSClass, Name as HickoryName, RData, Record as HickoryRecord, RecordType,
};

use meridian::engine::{
    Clock, Engine, Reply, Request, Scratch, Settings, Snapshot, Steer, Transport,
};
use meridian::steering::label::LabelId;
use meridian::steering::{Answer, Client, Panic, Served, Spin};
use meridian::wire::{Name, Type};
use meridian::zone::master::MasterFile;
use meridian::zone::{self, RecordId, Steered, ZoneSource, Zones};

/// An engine over some zones.
pub struct Bed {
    pub engine: Engine<Table>,
    pub scratch: RefCell<Scratch>,
    pub client: SocketAddr,
    /// In milliseconds of Unix time.
    pub now: u64,
}

/// Steered answers, by record number.
#[derive(Debug, Default)]
pub struct Table {
    pub answers: Vec<Made>,
    /// Who asked last.
    pub seen: Mutex<Option<Client>>,
}

/// What one steered name answers.
#[derive(Debug, Clone, Default)]
pub struct Made {
    owner: String,
    records: Vec<(Type, Vec<u8>, u16)>,
    alias: Option<(Vec<u8>, Vec<u8>)>,
    fails: bool,
    scope: u8,
    panic: Option<Panic>,
}

impl Made {
    /// A steered name that answers these records, given as `TTL TYPE DATA`.
    pub fn new(owner: &str, scope: u8, records: &[&str]) -> Made {
        let mut made = Made { owner: owner.to_owned(), scope, ..Made::default() };
        for text in records {
            let line = format!("@ {text}\n");
            let file = zone::master::parse_text(line.as_bytes(), Path::new("made"), Name::root());
            let record = file.unwrap().records.remove(0);
            let mut bytes = vec![0xc0, 0x0c];
            bytes.extend(record.rtype.0.to_be_bytes());
            bytes.extend([0, 1]);
            bytes.extend(record.ttl.to_be_bytes());
            bytes.extend((record.rdata.len() as u16).to_be_bytes());
            bytes.extend(&record.rdata);
            if record.rtype == Type::CNAME {
                made.alias = Some((bytes, record.rdata.to_vec()));
                continue;
            }
            match made.records.iter_mut().find(|(rtype, ..)| *rtype == record.rtype) {
                Some((_, all, count)) => {
                    all.extend(bytes);
                    *count += 1;
                }
                None => made.records.push((record.rtype, bytes, 1)),
            }
        }
        made
    }

    /// A steered name that fails.
    pub fn failing(owner: &str) -> Made {
        Made { owner: owner.to_owned(), fails: true, ..Made::default() }
    }

    /// The same while all its members are down.
    pub fn in_panic(self, panic: Panic) -> Made {
        Made { panic: Some(panic), ..self }
    }

    pub fn steered(&self, record: u32) -> Steered {
        Steered {
            owner: name(&self.owner),
            record: RecordId(record),
            types: self.records.iter().map(|(rtype, ..)| *rtype).collect(),
            cname: self.alias.is_some(),
        }
    }
}

impl Steer for Table {
    fn serve(&self, record: RecordId, qtype: Type, client: Client, _: &mut Spin) -> Served<'_> {
        *self.seen.lock().unwrap() = Some(client);
        let made = &self.answers[record.0 as usize];
        let found = made.records.iter().find(|(rtype, ..)| *rtype == qtype);
        let answer = match (found, &made.alias) {
            _ if made.fails => Answer::ServFail,
            (Some((_, bytes, count)), _) => Answer::Records { bytes, count: *count },
            (None, Some((bytes, target))) => Answer::Alias { bytes, target },
            (None, None) => Answer::NoData,
        };
        Served { answer, scope: made.scope, panic: made.panic, label: LabelId::NONE }
    }
}

/// What the text of a master file says.
pub fn file(text: &str) -> MasterFile {
    let file = zone::master::parse_text(text.as_bytes(), Path::new("test.zone"), Name::root());
    file.unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// A zone from the text of a master file.
pub fn source(text: &str) -> ZoneSource {
    let file = file(text);
    ZoneSource::new(file.apex, &file.records)
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl Bed {
    pub fn new(zones: &[&str]) -> Bed {
        Bed::steered(zones, Vec::new())
    }

    pub fn steered(zones: &[&str], answers: Vec<Made>) -> Bed {
        let sources = zones.iter().map(|text| source(text)).collect();
        let steered = answers.iter().zip(0..).map(|(made, record)| made.steered(record)).collect();
        let zones = Zones::build(sources, steered).unwrap_or_else(|errors| panic!("{errors:?}"));
        Bed::with(Snapshot { zones, settings: Settings::default(), ..Snapshot::default() }, answers)
    }

    pub fn with(snapshot: Snapshot, answers: Vec<Made>) -> Bed {
        let live = Table { answers, seen: Mutex::new(None) };
        Bed {
            engine: Engine { snapshot: Arc::new(snapshot), live: Arc::new(live) },
            scratch: RefCell::new(Scratch::new(1)),
            client: "198.51.100.7:5353".parse().unwrap(),
            now: 1,
        }
    }

    /// Asks as `NAME TYPE`, over TCP so that everything fits, without EDNS.
    pub fn ask(&self, question: &str) -> Told {
        self.send(&query(question), Transport::Tcp)
    }

    /// Sends a message, and reads the reply.
    pub fn send(&self, query: &Message, transport: Transport) -> Told {
        let octets = query.to_vec().unwrap();
        let reply = self.octets(&octets, transport).expect("a reply");
        let message = Message::from_vec(&reply)
            .unwrap_or_else(|error| panic!("{query:?}: {error}: {reply:x?}"));
        assert_eq!(message.metadata.id, query.metadata.id);
        assert_eq!(message.metadata.message_type, MessageType::Response);
        assert!(!message.metadata.recursion_available);
        assert_eq!(message.metadata.recursion_desired, query.metadata.recursion_desired);
        Told { size: reply.len(), message }
    }

    /// Sends octets; `None` is silence.
    pub fn octets(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut out = vec![0xaa; 65_535];
        let (client, clock) = (&self.client, &Clock::at(self.now));
        let request = Request { message, client, local: &None, transport, clock };
        match self.engine.respond(&request, &mut self.scratch.borrow_mut(), &mut out) {
            Reply::Message(len) => {
                out.truncate(len);
                pointers_go_back(&out);
                Some(out)
            }
            Reply::Drop => None,
            Reply::Transfer(_) => panic!("many messages"),
        }
    }

    pub fn seen(&self) -> Option<Client> {
        *self.engine.live.seen.lock().unwrap()
    }
}

/// A query for `NAME TYPE`.
pub fn query(question: &str) -> Message {
    let (owner, qtype) = question.split_once(' ').unwrap();
    let mut message = Message::new(0x4d44, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let mut asked = Query::query(
        HickoryName::from_ascii(owner).unwrap(),
        RecordType::from(qtype.parse::<Type>().unwrap().0),
    );
    asked.query_class = DNSClass::IN;
    message.add_query(asked);
    message
}

/// The same with EDNS and this UDP size.
pub fn edns_query(question: &str, udp_size: u16) -> Message {
    let mut message = query(question);
    let mut edns = Edns::new();
    edns.set_max_payload(udp_size);
    message.set_edns(edns);
    message
}

/// The same with a client subnet.
pub fn subnet_query(question: &str, address: &str, source: u8) -> Message {
    let mut message = edns_query(question, 1232);
    let address: IpAddr = address.parse().unwrap();
    let subnet = EdnsOption::Subnet(ClientSubnet::new(address, source, 0));
    message.edns.as_mut().unwrap().options_mut().insert(subnet);
    message
}

/// The same with options, each a code and its data.
pub fn option_query(question: &str, options: &[(u16, &[u8])]) -> Message {
    let mut message = edns_query(question, 1232);
    let all = message.edns.as_mut().unwrap().options_mut();
    for (code, data) in options {
        all.insert(EdnsOption::Unknown(*code, data.to_vec()));
    }
    message
}

/// A reply.
#[derive(Debug)]
pub struct Told {
    pub message: Message,
    pub size: usize,
}

impl Told {
    pub fn rcode(&self) -> String {
        match u16::from(self.message.metadata.response_code) {
            16 => "BadVers".to_owned(), // which hickory calls by its older name
            23 => "BadCookie".to_owned(),
            _ => format!("{:?}", self.message.metadata.response_code),
        }
    }

    /// `aa` and `tc`, those that are set.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if self.message.metadata.authoritative {
            flags.push_str("aa");
        }
        if self.message.metadata.truncation {
            flags.push_str("tc");
        }
        flags
    }

    pub fn answer(&self) -> Vec<String> {
        texts(&self.message.answers)
    }

    pub fn authority(&self) -> Vec<String> {
        texts(&self.message.authorities)
    }

    pub fn additional(&self) -> Vec<String> {
        texts(&self.message.additionals)
    }

    /// The data of an option.
    pub fn option(&self, code: u16) -> Option<Vec<u8>> {
        let option = self.message.edns.as_ref()?.option(code.into())?;
        Some(Vec::try_from(option).unwrap())
    }

    /// Code and text of the extended error.
    pub fn extended_error(&self) -> Option<(u16, String)> {
        let data = self.option(15)?;
        let (code, text) = data.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).unwrap()))
    }

    /// Source and scope length of the client subnet.
    pub fn subnet(&self) -> Option<(IpAddr, u8, u8)> {
        let code = hickory_proto::rr::rdata::opt::EdnsCode::Subnet;
        match self.message.edns.as_ref()?.option(code)? {
            EdnsOption::Subnet(s) => Some((s.addr(), s.source_prefix(), s.scope_prefix())),
            _ => None,
        }
    }
}

/// Records as `owner TTL TYPE data`.
pub fn texts(records: &[HickoryRecord]) -> Vec<String> {
    let text = |record: &HickoryRecord| {
        let rtype = Type(record.record_type().into());
        let data = match &record.data {
            RData::Unknown { rdata, .. } if rtype == Type::DNAME => {
                Name::from_wire(&rdata.anything).unwrap().to_string()
            }
            RData::Unknown { rdata, .. } => format!("{:02x?}", rdata.anything),
            data => data.to_string(),
        };
        format!("{} {} {rtype} {data}", record.name, record.ttl).trim_end().to_owned()
    };
    records.iter().map(text).collect()
}

/// Walks a reply and checks that every compression pointer goes back, to a label.
pub fn pointers_go_back(reply: &[u8]) {
    let word = |at: usize| usize::from(u16::from_be_bytes([reply[at], reply[at + 1]]));
    let name = |mut at: usize| {
        let start = at;
        loop {
            match reply[at] {
                0 => return at + 1,
                length @ 1..=63 => at += 1 + usize::from(length),
                _ => {
                    let to = word(at) & 0x3fff;
                    assert!((12..start).contains(&to), "a pointer at {at} leads to {to}");
                    assert!(reply[to] < 64, "a pointer at {at} leads to a pointer at {to}");
                    return at + 2;
                }
            }
        }
    };
    let mut at = 12;
    for _ in 0..word(4) {
        at = name(at) + 4;
    }
    for _ in 0..word(6) + word(8) + word(10) {
        at = name(at);
        let (rtype, end) = (word(at), at + 10 + word(at + 8));
        let data = at + 10;
        match rtype {
            2 | 5 | 12 | 39 => assert_eq!(name(data), end),
            6 => assert_eq!(name(name(data)) + 20, end),
            15 => assert_eq!(name(data + 2), end),
            _ => {}
        }
        at = end;
    }
    assert_eq!(at, reply.len());
}
