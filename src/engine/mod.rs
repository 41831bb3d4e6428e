//! Octets in, octets out: one DNS message to one reply, and the [`Snapshot`] it answers from.
//!
//! Knows messages, sections, EDNS with its cookies, signatures and zone transfers; asks `zone`
//! what stands at a name and `steering` which answer is in force. Knows nothing of sockets, and
//! never waits.

mod additional;
mod alias;
mod answer;
mod chaos;
pub mod cookie;
mod message;
mod options;
mod refusal;
mod signed;
pub mod snapshot;
mod steer;
pub mod transfer;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::steering::{Live, Spin};
use crate::wire::{LowerName, Query, Rejected};
use crate::zone::Hashes;

use answer::Answering;
use message::Message;
use options::{Extras, ProtocolError};

pub use cookie::{CookieState, Secrets};
pub use snapshot::{Settings, Snapshot};
pub use steer::Steer;
pub use transfer::Transfer;

/// One message as a transport received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The octets of the message, without a length prefix.
    pub message: &'a [u8],
    /// The sender of the packet or the other end of the stream.
    pub client: SocketAddr,
    /// The address it was sent to, where the transport knows it.
    pub local: Option<IpAddr>,
    /// How it came.
    pub transport: Transport,
    /// When it came, in milliseconds of Unix time. Transports read the clock once a batch.
    pub now: u64,
}

/// How a message travels; decides how large its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// At most the client's EDNS size and ours; TC when an answer does not fit.
    Udp,
    /// At most 65,535 octets.
    Tcp,
    /// DNS over TLS (RFC 7858), sized as TCP.
    Tls,
    /// DNS over HTTPS (RFC 8484), sized as TCP.
    Https,
    /// DNS over QUIC (RFC 9250), sized as TCP.
    Quic,
}

/// What a transport does with the answer.
#[derive(Debug)]
pub enum Reply {
    /// Send so many octets from the front of the output buffer.
    Message(usize),
    /// Send all messages of a zone transfer. Only queries over TCP and TLS are answered so.
    Transfer(Box<Transfer>),
    /// Send nothing. On QUIC the message was a protocol error of its connection (RFC 9250 section
    /// 4.3.3).
    Drop,
}

/// What answers now: one generation, and the state of its regions.
///
/// Published as a whole (`arc_swap`), so a query sees the state before a change or after it,
/// never between. `S` is [`Live`] but in tests of the engine alone.
#[derive(Debug)]
pub struct Engine<S = Live> {
    /// The generation.
    pub snapshot: Arc<Snapshot>,
    /// What steered records answer.
    pub live: Arc<S>,
}

/// Memory that one thread reuses from query to query.
#[derive(Debug)]
pub struct Scratch {
    /// The name asked for now: the question's, then the targets of aliases.
    name: LowerName,
    hashes: Hashes,
    /// Hashes of the names an alias chain went through.
    visited: [u64; alias::MAX_CHAIN + 1],
    spin: Spin,
}

impl Scratch {
    /// Memory for one thread; `seed` starts its random draws.
    pub fn new(seed: u64) -> Scratch {
        Scratch {
            name: LowerName::new(),
            hashes: Hashes::new(),
            visited: [0; alias::MAX_CHAIN + 1],
            spin: Spin::new(seed),
        }
    }
}

impl<S: Steer> Engine<S> {
    /// Answers one message into `out` (at least 65,535 octets for streams, the configured UDP
    /// size for datagrams; never writes past its end).
    pub fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply {
        let settings = &self.snapshot.settings;
        let query = match Query::parse(request.message, &mut scratch.name, settings.ecs_enabled) {
            Ok(query) => query,
            Err(rejected) => return self.respond_otherwise(rejected, request, scratch, out),
        };
        let edns = query.edns.as_ref();
        let extras = match edns {
            Some(edns) if !edns.options.is_empty() => match Extras::new(edns, request, settings) {
                Ok(extras) => Some(extras),
                Err(ProtocolError) => return Reply::Drop,
            },
            _ => None,
        };
        let (question, extras) = (query.question, extras.as_ref());
        let Some(mut message) =
            Message::begin(request, Some(question), edns, extras, settings, out)
        else {
            return Reply::Drop;
        };
        if let Some(rcode) = refusal::of_question(question, &scratch.name, settings, &mut message) {
            if question.is_transfer() {
                return transfer::reply(self, &query, extras, request, None, scratch, out);
            }
            return message.finish(query.header, edns, settings, rcode, 0);
        }
        let (rcode, scope) = Answering {
            engine: self,
            qtype: question.qtype,
            sender: request.client,
            subnet: edns.and_then(|edns| edns.subnet.as_ref()).filter(|subnet| subnet.source > 0),
            scratch,
            message: &mut message,
            scope: 0,
        }
        .write();
        message.finish(query.header, edns, settings, rcode, scope)
    }

    /// Answers what is no plain query.
    #[cold]
    fn respond_otherwise(
        &self,
        rejected: Rejected,
        request: &Request<'_>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Reply {
        match rejected {
            Rejected::Signed(signed) => self.respond_signed(signed, request, scratch, out),
            rejected => refusal::reply(rejected, request, &self.snapshot, scratch, out),
        }
    }
}
