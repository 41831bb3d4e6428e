//! Octets in, octets out: one DNS message to one reply, and the [`Snapshot`] it answers from.
//!
//! Knows messages, sections and EDNS; asks `zone` what stands at a name and `steering` which
//! answer is in force. Knows nothing of sockets, and never waits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

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
}

/// How a message travels; decides how large its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// At most the client's EDNS size and ours; TC when an answer does not fit.
    Udp,
    /// At most 65,535 octets.
    Tcp,
}

/// What a transport does with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Send so many octets from the front of the output buffer.
    Message(usize),
    /// Send nothing.
    Drop,
}

/// Everything fixed by one generation of the configuration.
#[derive(Debug, Default)]
pub struct Snapshot {}

/// What answers now: one generation, and the state of its regions.
///
/// Published as a whole (`arc_swap`), so a query sees the state before a change or after it,
/// never between.
#[derive(Debug)]
pub struct Engine {
    /// The generation.
    pub snapshot: Arc<Snapshot>,
}

/// Memory that one thread reuses from query to query.
#[derive(Debug)]
pub struct Scratch {}

impl Scratch {
    /// Memory for one thread; `seed` starts its random draws.
    pub fn new(_seed: u64) -> Scratch {
        Scratch {}
    }
}

impl Engine {
    /// Answers one message into `out` (at least 65,535 octets for streams, the configured UDP
    /// size for datagrams; never writes past its end).
    pub fn respond(
        &self,
        _request: &Request<'_>,
        _scratch: &mut Scratch,
        _out: &mut [u8],
    ) -> Reply {
        Reply::Drop
    }
}
