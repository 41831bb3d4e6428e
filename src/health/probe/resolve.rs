//! The addresses of a target, and a connection to one of them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::marks::Marks;
use crate::health::check::{Host, Target};
use crate::health::failure::Failure;

/// Names resolved at the same time at most. Each takes a thread for as long as the system's
/// resolver pleases, even after the probe that asked has given up.
const AT_ONCE: usize = 32;

/// How long an address of several may take to connect before the next is tried beside it (RFC
/// 8305 section 5).
const PATIENCE: Duration = Duration::from_millis(250);

/// The system's resolver, not asked too much at once.
#[derive(Debug, Clone)]
pub(in crate::health) struct Lookups {
    room: Arc<Semaphore>,
}

impl Lookups {
    pub(in crate::health) fn new() -> Lookups {
        Lookups { room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    pub(super) fn of(&self, target: &Target) -> Lookup {
        Lookup { target: target.clone(), room: Arc::clone(&self.room) }
    }
}

/// Finds the addresses of one target.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    target: Target,
    room: Arc<Semaphore>,
}

impl Lookup {
    /// A connection to the first address that accepts, and notes in `marks` on the way to it.
    pub(super) async fn connect(self, marks: &Marks) -> Result<TcpStream, Failure> {
        let addresses = self.addresses(marks).await?;
        let stream = match addresses[..] {
            [one] => TcpStream::connect(one).await,
            _ => first_to_accept(addresses).await,
        };
        let stream = stream.map_err(|e| Failure::of_io(&e, marks.stage()))?;
        marks.reached();
        Ok(stream)
    }

    /// The addresses; at least one. Notes in `marks` when names are resolved.
    pub(super) async fn addresses(self, marks: &Marks) -> Result<Vec<SocketAddr>, Failure> {
        let port = self.target.port();
        let name = match self.target.host() {
            Host::Address(address) | Host::Placed(_, address) => {
                return Ok(vec![SocketAddr::new(*address, port)]);
            }
            Host::Name(name) => name.clone(),
        };
        marks.resolving();
        let failed = |reason: String| Failure::Unresolved { name: name.clone(), reason };
        let permit = self.room.acquire_owned().await.map_err(|e| failed(e.to_string()))?;
        let asked = name.clone();
        let lookup = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            (asked.as_str(), port).to_socket_addrs().map(Vec::from_iter)
        });
        let addresses = match lookup.await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(e)) => return Err(failed(e.to_string())),
            Err(e) => return Err(Failure::Local(e.to_string())),
        };
        if addresses.is_empty() {
            return Err(failed("it has no address".into()));
        }
        marks.connecting();
        Ok(addresses)
    }
}

/// Tries one address after the other, without waiting for long for any.
async fn first_to_accept(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tried = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            tried.spawn(TcpStream::connect(address));
        }
        let next = async {
            let ended = tried.join_next().await?;
            Some(ended.unwrap_or_else(|e| Err(io::Error::other(e))))
        };
        let ended = match waiting.len() {
            0 => next.await,
            _ => match tokio::time::timeout(PATIENCE, next).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => return Err(last),
        }
    }
}
