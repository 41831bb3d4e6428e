//! The addresses of a target.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::marks::Marks;
use crate::health::check::{Host, Target};
use crate::health::failure::Failure;

/// Names resolved at the same time at most. Each takes a thread for as long as the system's
/// resolver pleases, even after the probe that asked has given up.
const AT_ONCE: usize = 32;

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
    /// The addresses; at least one. Notes in `marks` when names are resolved.
    pub(super) async fn addresses(self, marks: &Marks) -> Result<Vec<SocketAddr>, Failure> {
        let port = self.target.port();
        let name = match self.target.host() {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
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

/// A resolver for reqwest that answers every name with one target's addresses: the URL's host is
/// what the request is for, the target is where it goes.
pub(super) struct Fixed {
    pub(super) lookup: Lookup,
    pub(super) marks: Arc<Marks>,
}

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let (lookup, marks) = (self.lookup.clone(), Arc::clone(&self.marks));
        Box::pin(async move {
            let addresses: Addrs = Box::new(lookup.addresses(&marks).await?.into_iter());
            Ok(addresses)
        })
    }
}
