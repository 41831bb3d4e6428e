//! Sockets: from the network to [`Engine::respond`](crate::engine::Engine::respond) and back.
//!
//! Knows UDP, TCP and what encrypts them, how many of each, and how they begin and end. Knows
//! nothing of zones or policies: whatever implements [`Respond`] can be served.
//!
//! ```text
//! Bound::bind ─► (privileges are dropped) ─► Bound::start ─► Running ─► Running::stop
//!                  UDP  one thread for each (address, worker)    udp
//!                  TCP  one task for each connection             tcp, connections, seats, stream
//!                  TLS, HTTPS, QUIC  the same, and encrypted     encrypted, tls, https, quic
//!                  HTTP/3                                        encrypted, hickory
//!                  what was asked and answered                   tally, and one by one tap
//!                  sockets that were there before the process    passed
//! ```

mod connections;
mod encrypted;
mod hickory;
pub mod https;
mod listen;
mod passed;
mod quic;
mod seats;
pub mod stream;
mod tally;
pub mod tap;
mod tcp;
mod tls;
mod transfers;
pub mod udp;

pub use connections::ConnectionCounts;
pub use encrypted::{Encrypted, Identity, IdentityError};
pub use listen::{BindError, Bound, Meter, Protocol, Running};
pub use passed::{Idle, Passed};
pub use tally::{AnswerCounts, QueryCounts, TimeCounts};
pub use udp::UdpCounts;

use crate::engine::{Engine, Reply, Request, Scratch};

/// What a transport asks for answers.
///
/// The engine is the one of the server; tests and benches bring their own, so that they measure
/// and break the transport alone.
pub trait Respond: Send + Sync + 'static {
    /// Answers one message into `out`, without waiting; see
    /// [`Engine::respond`](crate::engine::Engine::respond).
    fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply;
}

impl Respond for Engine {
    #[inline]
    fn respond(&self, request: &Request<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Reply {
        Engine::respond(self, request, scratch, out)
    }
}

/// A seed for one thread's draws, different at each call and not to be guessed from outside.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::thread::current().id())
}
