//! dnstap: a query and its reply as messages of Protocol Buffers, written and read.
//!
//! Knows the few fields of `dnstap.proto` that an authoritative server has something to say in, by
//! their numbers there. What is read may come from any server: fields that are not known are passed
//! over.

use std::net::IpAddr;

use crate::engine::Transport;
use crate::transport::tap::Exchange;

/// What frames of this content say they are.
pub const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// `Message.Type`. Queries have odd numbers, responses even ones.
const AUTH_QUERY: u64 = 1;
const AUTH_RESPONSE: u64 = 2;

/// Fields of `Dnstap`.
mod outer {
    pub(super) const IDENTITY: u64 = 1;
    pub(super) const VERSION: u64 = 2;
    pub(super) const MESSAGE: u64 = 14;
    pub(super) const TYPE: u64 = 15;
    /// The one value of `TYPE`.
    pub(super) const TYPE_MESSAGE: u64 = 1;
}

/// Fields of `Message`.
mod inner {
    pub(super) const TYPE: u64 = 1;
    pub(super) const SOCKET_FAMILY: u64 = 2;
    pub(super) const SOCKET_PROTOCOL: u64 = 3;
    pub(super) const QUERY_ADDRESS: u64 = 4;
    pub(super) const RESPONSE_ADDRESS: u64 = 5;
    pub(super) const QUERY_PORT: u64 = 6;
    pub(super) const QUERY_TIME_SEC: u64 = 8;
    pub(super) const QUERY_TIME_NSEC: u64 = 9;
    pub(super) const QUERY_MESSAGE: u64 = 10;
    pub(super) const RESPONSE_TIME_SEC: u64 = 12;
    pub(super) const RESPONSE_TIME_NSEC: u64 = 13;
    pub(super) const RESPONSE_MESSAGE: u64 = 14;
}

/// How a field is encoded: the low three bits of its tag.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const OCTETS: u64 = 2;
const FIXED32: u64 = 5;

/// Writes what one server has to tell.
#[derive(Debug)]
pub(super) struct Writer {
    /// Who it is, and what.
    prefix: Vec<u8>,
    message: Vec<u8>,
    frame: Vec<u8>,
}

impl Writer {
    pub(super) fn new(identity: &[u8]) -> Writer {
        let mut prefix = Vec::new();
        put_octets(&mut prefix, outer::IDENTITY, identity);
        let version = concat!("meridian ", env!("CARGO_PKG_VERSION"));
        put_octets(&mut prefix, outer::VERSION, version.as_bytes());
        Writer { prefix, message: Vec::new(), frame: Vec::new() }
    }

    /// Appends the frames of the query and, but for a zone transfer, of its response.
    pub(super) fn write(&mut self, exchange: &Exchange<'_>, out: &mut Vec<u8>) {
        self.write_one(AUTH_QUERY, exchange, out);
        if !exchange.reply.is_empty() {
            self.write_one(AUTH_RESPONSE, exchange, out);
        }
    }

    fn write_one(&mut self, kind: u64, exchange: &Exchange<'_>, out: &mut Vec<u8>) {
        let Writer { prefix, message, frame } = self;
        message.clear();
        put_number(message, inner::TYPE, kind);
        put_number(message, inner::SOCKET_FAMILY, if exchange.client.is_ipv4() { 1 } else { 2 });
        put_number(message, inner::SOCKET_PROTOCOL, protocol(exchange.transport));
        put_address(message, inner::QUERY_ADDRESS, exchange.client.ip());
        if let Some(local) = exchange.local {
            put_address(message, inner::RESPONSE_ADDRESS, local);
        }
        put_number(message, inner::QUERY_PORT, exchange.client.port().into());
        // 0 to 999,000,000.
        let (seconds, nanos) = (exchange.at / 1000, (exchange.at % 1000) as u32 * 1_000_000);
        put_number(message, inner::QUERY_TIME_SEC, seconds);
        put_fixed32(message, inner::QUERY_TIME_NSEC, nanos);
        if kind == AUTH_QUERY {
            put_octets(message, inner::QUERY_MESSAGE, exchange.query);
        } else {
            // Well within the millisecond that the clock of a batch stands for.
            put_number(message, inner::RESPONSE_TIME_SEC, seconds);
            put_fixed32(message, inner::RESPONSE_TIME_NSEC, nanos);
            put_octets(message, inner::RESPONSE_MESSAGE, exchange.reply);
        }
        frame.clear();
        frame.extend_from_slice(prefix);
        put_octets(frame, outer::MESSAGE, message);
        put_number(frame, outer::TYPE, outer::TYPE_MESSAGE);
        super::frames::put(frame, out);
    }
}

fn protocol(transport: Transport) -> u64 {
    match transport {
        Transport::Udp => 1,
        Transport::Tcp => 2,
        Transport::Tls => 3,
        Transport::Https => 4,
        Transport::Quic => 7,
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3 | VARINT);
    put_varint(out, value);
}

fn put_fixed32(out: &mut Vec<u8>, field: u64, value: u32) {
    put_varint(out, field << 3 | FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_octets(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    put_varint(out, field << 3 | OCTETS);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_address(out: &mut Vec<u8>, field: u64, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put_octets(out, field, &address.octets()),
        IpAddr::V6(address) => put_octets(out, field, &address.octets()),
    }
}

/// What is read of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `Message.Type`.
    pub kind: u64,
    /// Who asked.
    pub sender: Option<IpAddr>,
    /// The query; may be missing, as in most frames of responses.
    pub query: &'a [u8],
    /// The response; likewise.
    pub response: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a frame; `None` for what is no message.
    pub fn read(frame: &'a [u8]) -> Option<Message<'a>> {
        let mut message = None;
        each(frame, |field, value| {
            if let (outer::MESSAGE, Value::Octets(octets)) = (field, value) {
                message = Some(octets);
            }
        })?;
        let mut read = Message::default();
        each(message?, |field, value| match (field, value) {
            (inner::TYPE, Value::Number(kind)) => read.kind = kind,
            (inner::QUERY_ADDRESS, Value::Octets(octets)) => read.sender = address(octets),
            (inner::QUERY_MESSAGE, Value::Octets(octets)) => read.query = octets,
            (inner::RESPONSE_MESSAGE, Value::Octets(octets)) => read.response = octets,
            _ => {}
        })?;
        Some(read)
    }

    /// Whether a server was asked, by a client or by another server; not what it asked others.
    pub fn is_query(&self) -> bool {
        // AUTH_QUERY, CLIENT_QUERY.
        matches!(self.kind, 1 | 5)
    }

    /// Whether a server answered such a query.
    pub fn is_response(&self) -> bool {
        // AUTH_RESPONSE, CLIENT_RESPONSE.
        matches!(self.kind, 2 | 6)
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(IpAddr::from(*octets.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*octets.first_chunk::<16>()?)),
        _ => None,
    }
}

enum Value<'a> {
    Number(u64),
    Octets(&'a [u8]),
}

/// Goes through fields; `None` when they are malformed.
fn each<'a>(mut octets: &'a [u8], mut take: impl FnMut(u64, Value<'a>)) -> Option<()> {
    while !octets.is_empty() {
        let tag = take_varint(&mut octets)?;
        let field = tag >> 3;
        match tag & 7 {
            VARINT => take(field, Value::Number(take_varint(&mut octets)?)),
            OCTETS => {
                let length = usize::try_from(take_varint(&mut octets)?).ok()?;
                let (value, rest) = octets.split_at_checked(length)?;
                take(field, Value::Octets(value));
                octets = rest;
            }
            FIXED32 => octets = octets.get(4..)?,
            FIXED64 => octets = octets.get(8..)?,
            _ => return None,
        }
    }
    Some(())
}

fn take_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frames;
    use super::*;
    use crate::wire::Rcode;

    fn exchange<'a>(client: &str, reply: &'a [u8]) -> Exchange<'a> {
        Exchange {
            at: 1_764_386_411_007,
            client: client.parse().unwrap(),
            local: Some("192.0.2.53".parse().unwrap()),
            transport: Transport::Udp,
            rcode: Rcode::NOERROR,
            query: b"the query",
            reply,
        }
    }

    fn frames(exchange: &Exchange<'_>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        Writer::new(b"ns1").write(exchange, &mut out);
        Frames::bare(&out).map(|frame| frame.unwrap().to_vec()).collect()
    }

    #[test]
    fn a_query_and_its_response_are_a_frame_each() {
        for client in ["198.51.100.9:5353", "[2001:db8::9]:53"] {
            let exchange = exchange(client, b"the reply");
            let [query, response] = &frames(&exchange)[..] else { panic!("two frames") };
            let sender = Some(exchange.client.ip());
            let (none, asked, told) = (&b""[..], exchange.query, exchange.reply);
            let wanted = Message { kind: 1, sender, query: asked, response: none };
            assert_eq!(Message::read(query), Some(wanted));
            let wanted = Message { kind: 2, sender, query: none, response: told };
            assert_eq!(Message::read(response), Some(wanted));
            assert!(Message::read(query).unwrap().is_query());
            assert!(Message::read(response).unwrap().is_response());
        }
    }

    #[test]
    fn the_octets_are_those_of_the_schema() {
        let exchange = exchange("198.51.100.9:5353", b"");
        let [query] = &frames(&exchange)[..] else { panic!("a transfer has no response") };
        let version = concat!("meridian ", env!("CARGO_PKG_VERSION"));
        let mut wanted = vec![0x0a, 3];
        wanted.extend(b"ns1");
        wanted.extend([0x12, version.len() as u8]);
        wanted.extend(version.as_bytes());
        wanted.extend([0x72, 43, 0x08, 1, 0x10, 1, 0x18, 1]);
        wanted.extend([0x22, 4, 198, 51, 100, 9, 0x2a, 4, 192, 0, 2, 53]);
        wanted.extend([0x30, 0xe9, 0x29]);
        wanted.extend([0x40, 0xeb, 0xcc, 0xa9, 0xc9, 0x06]);
        wanted.extend([0x4d, 0xc0, 0xcf, 0x6a, 0x00]);
        wanted.extend([0x52, 9]);
        wanted.extend(b"the query");
        wanted.extend([0x78, 1]);
        assert_eq!(*query, wanted);
    }

    #[test]
    fn what_is_malformed_is_no_message_and_no_panic() {
        let exchange = exchange("198.51.100.9:5353", b"the reply");
        let whole = &frames(&exchange)[1];
        // Of the front alone a message may be left, as the type behind it is not asked for.
        for cut in 0..whole.len() - 2 {
            assert_eq!(Message::read(&whole[..cut]), None, "{cut}");
        }
        for at in 0..whole.len() {
            for octet in [0, 0x7f, 0xff] {
                let mut other = whole.clone();
                other[at] = octet;
                let _ = Message::read(&other);
            }
        }
        assert_eq!(Message::read(&[0x08, 0xff, 0xff, 0xff]), None);
        assert_eq!(Message::read(&[0x0b]), None);
    }
}
