//! NOTIFY (RFC 1996): secondaries are told that a zone changed, so that they fetch it at once.
//!
//! A zone has changed when it is not the one that the state directory remembers. The messages and
//! their answers are [`attempt`]'s, what is remembered is [`versions`]'.

pub mod attempt;
pub mod versions;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engine::Snapshot;
use crate::engine::transfer::is_newer;
use crate::wire::Name;
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

/// What one secondary is to be told.
struct Call {
    /// An index into the zones to be told of.
    zone: usize,
    apex: Name,
    secondary: Secondary,
    message: Vec<u8>,
}

/// A zone that secondaries are told of.
struct News {
    apex: Name,
    version: Version,
    /// Secondaries that have not answered and were not given up yet.
    waiting: usize,
}

/// Tells secondaries of announcements until `stop` changes or nobody announces any more.
///
/// Of each announcement they are told of the zones that changed since they were told last, be it
/// before a restart: `state`, the state directory, remembers that. Without a directory every
/// zone has changed at the start. An announcement puts an end to the one before it; whom that
/// did not reach is told of the newer one.
pub async fn run(
    mut announcements: mpsc::UnboundedReceiver<Announcement>,
    state: Option<PathBuf>,
    mut stop: watch::Receiver<bool>,
) {
    let mut versions = state.as_deref().map(Versions::load).unwrap_or_default();
    let mut next = tokio::select! {
        announcement = announcements.recv() => announcement,
        _ = stop.changed() => None,
    };
    while let Some(announcement) = next.take() {
        let sources: Arc<[IpAddr]> = announcement.sources.clone().into();
        // Hashing a large zone takes a while, and so may freeing the generation it is of.
        let prepared = tokio::task::spawn_blocking(move || {
            let prepared = announcement.prepare(&versions);
            (versions, prepared)
        });
        let (mut news, calls);
        (versions, (news, calls)) = match prepared.await {
            Ok(prepared) => prepared,
            // A defect; the default hook has said which.
            Err(_) => return,
        };
        tokio::select! {
            () = call_all(calls, &sources, &mut news, &mut versions) => {
                store(&mut versions, state.as_deref());
                next = tokio::select! {
                    announcement = announcements.recv() => announcement,
                    _ = stop.changed() => None,
                };
            }
            announcement = announcements.recv() => {
                store(&mut versions, state.as_deref());
                next = announcement;
            }
            // `false` came before; only `true`, or the sender's end, comes after.
            _ = stop.changed() => store(&mut versions, state.as_deref()),
        }
    }
}

fn store(versions: &mut Versions, state: Option<&Path>) {
    if versions.is_changed()
        && let Some(state) = state
        && let Err(error) = versions.store(state)
    {
        tracing::warn!(%error, "the versions of zones were not written: the next start notifies \
                        secondaries again");
    }
}

impl Announcement {
    /// What is news since `versions`, and who is to be told. Lets go of the generation.
    fn prepare(self, versions: &Versions) -> (Vec<News>, Vec<Call>) {
        let (mut news, mut calls) = (Vec::new(), Vec::new());
        for (zone, secondaries) in (0..).map(ZoneId).zip(&self.secondaries) {
            if secondaries.is_empty() {
                continue;
            }
            let apex = self.snapshot.zones.zone(zone).apex();
            let version = Version::of(&self.snapshot, zone);
            let before = versions.told(apex);
            if before == Some(&version) {
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
            calls.extend(secondaries.iter().map(|secondary| Call {
                zone: news.len(),
                apex: apex.clone(),
                secondary: secondary.clone(),
                message: attempt::message(&self.snapshot, zone, rand()),
            }));
            news.push(News { apex: apex.clone(), version, waiting: secondaries.len() });
        }
        (news, calls)
    }
}

/// Makes all calls, and notes each zone of which all secondaries have answered or were given up.
async fn call_all(
    calls: Vec<Call>,
    sources: &Arc<[IpAddr]>,
    news: &mut [News],
    versions: &mut Versions,
) {
    let in_flight = Arc::new(Semaphore::new(AT_ONCE));
    let mut messages = JoinSet::new();
    for call in calls {
        let (sources, in_flight) = (Arc::clone(sources), Arc::clone(&in_flight));
        messages.spawn(async move {
            // Closed by nobody.
            let _permit = in_flight.acquire().await;
            call.make(&sources).await
        });
    }
    while let Some(made) = messages.join_next().await {
        // An error would be a panic; such a zone is news again the next time.
        let Some(zone) = made.ok().and_then(|zone| news.get_mut(zone)) else { continue };
        zone.waiting -= 1;
        if zone.waiting == 0 {
            versions.replace(&zone.apex, zone.version.clone());
        }
    }
}

impl Call {
    /// Gives back the zone's place when the secondary has answered or was given up.
    async fn make(self, sources: &[IpAddr]) -> usize {
        let Call { zone, apex, secondary, message } = self;
        let to = secondary.address;
        match tell(&secondary, sources, &message).await {
            Outcome::Acknowledged => tracing::info!("{to} knows that zone {apex} changed"),
            Outcome::Refused(rcode) => tracing::warn!(
                "{to} does not want to know that zone {apex} changed: RCODE {}",
                rcode.0
            ),
            Outcome::Unanswered => tracing::warn!(
                "{to} did not answer that it knows that zone {apex} changed; it will see by \
                 itself when it refreshes"
            ),
        }
        zone
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
