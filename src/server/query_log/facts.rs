//! What the two messages of an exchange say, as far as a log tells it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::transport::tap::Exchange;
use crate::wire::header::{AA, HEADER, Header, RD, TC};
use crate::wire::{
    Class, LowerName, Malformed, Name, Opcode, Rcode, Records, Subnet, Type, options, subnet,
};

/// DNSSEC OK, in the TTL of OPT.
const DO: u32 = 0x8000;

/// Checking disabled, in a header.
const CD: u16 = 0x0010;

/// So many addresses of an answer are told.
const ADDRESSES: usize = 8;

/// What is told of a query and its reply.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    /// What was asked; `None` when no question can be read.
    pub(super) question: Option<(Name, Class, Type)>,
    /// The operation, but for QUERY; `rd`, `cd` and `do` of the query, `aa` and `tc` of the reply.
    pub(super) flags: Vec<&'static str>,
    /// The client's subnet, and the scope of the answer where it has one.
    pub(super) subnet: Option<(Subnet, Option<u8>)>,
    pub(super) rcode: Rcode,
    /// The first addresses in the answer.
    pub(super) addresses: Vec<IpAddr>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(exchange: &'a Exchange<'a>) -> Facts<'a> {
        let (query, reply) = (exchange.query, exchange.reply);
        let flag = |message: &[u8], bit: u16| {
            Header::parse(message).is_some_and(|header| header.flags & bit != 0)
        };
        let asked_opt = Records::of(query).find(|record| record.rtype == Type::OPT);
        let is_do = asked_opt.is_some_and(|opt| opt.ttl & DO != 0);
        let flags = [
            ("rd", flag(query, RD)),
            ("cd", flag(query, CD)),
            ("do", is_do),
            ("aa", flag(reply, AA)),
            ("tc", flag(reply, TC)),
        ];
        let answer = Records::of(reply).take_while(|record| record.section == 1);
        Facts {
            exchange,
            question: question(query),
            flags: operation(query)
                .into_iter()
                .chain(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name))
                .collect(),
            subnet: subnet_of(query, reply),
            rcode: exchange.rcode,
            addresses: answer
                .filter_map(|record| address(record.rtype, record.data))
                .take(ADDRESSES)
                .collect(),
        }
    }
}

/// What a message is for, when that is no query.
fn operation(message: &[u8]) -> Option<&'static str> {
    match Header::parse(message)?.opcode() {
        Opcode::QUERY => None,
        Opcode::NOTIFY => Some("notify"),
        Opcode::UPDATE => Some("update"),
        _ => Some("opcode"),
    }
}

fn question(query: &[u8]) -> Option<(Name, Class, Type)> {
    Header::parse(query).filter(|header| header.counts[0] > 0)?;
    let mut name = LowerName::new();
    let end = name.read(query, HEADER).ok()?;
    let [type_high, type_low, class_high, class_low] = *query.get(end..)?.first_chunk()?;
    let rtype = Type(u16::from_be_bytes([type_high, type_low]));
    let class = Class(u16::from_be_bytes([class_high, class_low]));
    Some((Name::from_wire(name.as_wire()).ok()?, class, rtype))
}

/// Whom a query came for: the client's subnet, or who sent it.
pub fn client(query: &[u8], reply: &[u8], sender: Option<IpAddr>) -> Option<IpAddr> {
    subnet_of(query, reply).map(|(subnet, _)| subnet.address).or(sender)
}

/// The subnet that stands in a query, or in its reply when only that is there; with the reply's
/// scope. One of no length tells nothing.
fn subnet_of(query: &[u8], reply: &[u8]) -> Option<(Subnet, Option<u8>)> {
    let asked = option(query).and_then(|data| Subnet::parse(data).ok());
    let told = option(reply).and_then(|data| Subnet::parse_response(data).ok());
    let (subnet, scope) = match (asked, told) {
        (_, Some((subnet, scope))) => (subnet, Some(scope)),
        (Some(subnet), None) => (subnet, None),
        (None, None) => return None,
    };
    (subnet.source > 0).then_some((subnet, scope))
}

/// The data of the first client subnet option of a message.
fn option(message: &[u8]) -> Option<&[u8]> {
    let opt = Records::of(message).find(|record| record.rtype == Type::OPT)?;
    let mut place = None;
    // Ends with the first one: what comes behind it may be malformed.
    let _ = options::each(opt.data, |code, data, at| match code {
        subnet::CODE => {
            place = Some(at..at + data.len());
            Err(Malformed)
        }
        _ => Ok(()),
    });
    opt.data.get(place?)
}

fn address(rtype: Type, data: &[u8]) -> Option<IpAddr> {
    match rtype {
        Type::A => Some(Ipv4Addr::from(*data.first_chunk()?).into()),
        Type::AAAA => Some(Ipv6Addr::from(*data.first_chunk::<16>()?).into()),
        _ => None,
    }
}
