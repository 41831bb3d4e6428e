//! NOTIFY (RFC 1996): secondaries are told that a zone changed, so that they fetch it at once.
//!
//! A zone has changed when it is not the one that the state directory remembers. The messages and
//! their answers are [`attempt`]'s, what is remembered is [`versions`]'.

pub mod attempt;
pub mod versions;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engine::Snapshot;
use crate::engine::transfer::is_newer;
use crate::wire::tsig::Key;
use crate::zone::ZoneId;

use attempt::{Attempt, Event, Outcome};
use versions::{Version, Versions};

/// Secondaries that are waited for at the same time.
const AT_ONCE: usize = 64;

/// A server that has a zone from this one.
#[derive(Debug, Clone)]
pub struct Secondary {
    /// Where it listens.
    pub address: SocketAddr,
    /// What messages to it are signed with.
    pub key: Option<Arc<Key>>,
}

/// What is announced, and from where.
#[derive(Debug)]
pub struct Announcement {
    /// The generation that is served now.
    pub snapshot: Arc<Snapshot>,
    /// Who is to be told; the index is the [`ZoneId`].
    pub secondaries: Vec<Vec<Secondary>>,
    /// The addresses that are served: secondaries know this server by them.
    pub sources: Vec<IpAddr>,
}

impl Announcement {
    /// Tells the secondaries of every zone that changed since `state`, the state directory, was
    /// written, and writes it when all have answered or were given up. Without a directory every
    /// zone has changed.
    pub async fn make(self, state: Option<&Path>) {
        let mut versions = state.map(Versions::load).unwrap_or_default();
        let mut messages = JoinSet::new();
        let in_flight = Arc::new(Semaphore::new(AT_ONCE));
        for (zone, secondaries) in (0..).map(ZoneId).zip(&self.secondaries) {
            if secondaries.is_empty() {
                continue;
            }
            let apex = self.snapshot.zones.zone(zone).apex();
            let version = Version::of(&self.snapshot, zone);
            let before = versions.replace(apex, version.clone());
            if before.as_ref() == Some(&version) {
                continue;
            }
            if let Some(before) = before.filter(|before| !is_newer(version.serial, before.serial)) {
                tracing::warn!(
                    "zone {apex} changed and its serial did not rise ({} before, {} now): \
                     secondaries keep what they have",
                    before.serial,
                    version.serial
                );
            }
            for secondary in secondaries {
                let message = attempt::message(&self.snapshot, zone, rand());
                let (secondary, sources) = (secondary.clone(), self.sources.clone());
                let (apex, in_flight) = (apex.clone(), Arc::clone(&in_flight));
                messages.spawn(async move {
                    // Closed by nobody.
                    let _permit = in_flight.acquire().await;
                    let outcome = tell(&secondary, &sources, &message).await;
                    let to = secondary.address;
                    match outcome {
                        Outcome::Acknowledged => {
                            tracing::info!("{to} knows that zone {apex} changed");
                        }
                        Outcome::Refused(rcode) => tracing::warn!(
                            "{to} does not want to know that zone {apex} changed: RCODE {}",
                            rcode.0
                        ),
                        Outcome::Unanswered => tracing::warn!(
                            "{to} did not answer that it knows that zone {apex} changed; it \
                             will see by itself when it refreshes"
                        ),
                    }
                });
            }
        }
        if messages.is_empty() && !versions.is_changed() {
            return;
        }
        while messages.join_next().await.is_some() {}
        if let Some(state) = state
            && let Err(error) = versions.store(state)
        {
            tracing::warn!(%error, "the versions of zones were not written: the next start \
                            notifies secondaries again");
        }
    }
}

/// Sends a message again and again until it is answered or given up.
async fn tell(secondary: &Secondary, sources: &[IpAddr], message: &[u8]) -> Outcome {
    let mut attempt = Attempt::default();
    let mut answer = [0; 512];
    loop {
        let wait = match attempt {
            Attempt::Over(outcome) => return outcome,
            Attempt::Waiting { .. } => attempt.wait(),
        };
        let exchange = async {
            let socket = socket(secondary.address, sources).await?;
            let key = secondary.key.as_deref();
            socket.send(&attempt::signed(message, key, unix_seconds())).await?;
            loop {
                let len = socket.recv(&mut answer).await?;
                if let Some(rcode) = attempt::answers(&answer[..len], message) {
                    return io::Result::Ok(rcode);
                }
            }
        };
        let begun = tokio::time::Instant::now();
        let event = match timeout(wait, exchange).await {
            Ok(Ok(rcode)) => Event::Answer(rcode),
            Ok(Err(error)) => {
                // Nobody listens, or the network is down: it may be otherwise soon.
                tracing::debug!(secondary = %secondary.address, %error, "NOTIFY failed");
                tokio::time::sleep_until(begun + wait).await;
                Event::Timeout
            }
            Err(_) => Event::Timeout,
        };
        attempt = attempt.next(event);
    }
}

/// A socket to a secondary, from an address that it knows us by if there is one.
async fn socket(to: SocketAddr, sources: &[IpAddr]) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let known = sources.iter().filter(|source| !source.is_unspecified()).filter(|source| {
        // A loopback address reaches nothing but this machine.
        source.is_ipv4() == to.is_ipv4() && source.is_loopback() == to.ip().is_loopback()
    });
    let mut failed = None;
    for source in known.copied().chain([any]) {
        let connected = async {
            let socket = UdpSocket::bind((source, 0)).await?;
            socket.connect(to).await?;
            io::Result::Ok(socket)
        };
        match connected.await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// An ID that is not to be guessed from outside.
fn rand() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(SystemTime::now()) as u16
}
