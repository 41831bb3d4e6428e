//! Connections from the first packet to the last: accepted, seated, served, let go.
//!
//! Knows when a connection may begin and must end, whichever transport it speaks: TCP (RFC 7766),
//! TLS, HTTPS and QUIC share one house of [`seats`](super::seats). Does not know what is said on
//! a connection.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::seats::{Admission, Seat, Seats};
use super::stream::{self, Ends, Limits};
use super::{Respond, https, quic, tls};
use crate::engine::Transport;

/// How long to wait when the process or the machine has no room for one more connection.
const OUT_OF_ROOM: Duration = Duration::from_millis(50);

/// Being out of room is said so often at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// How long connections may take to send the answers in hand when they are to end.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long a handshake may take, when `idle` is not shorter still.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);

/// What became of connections since the start, over all transports that have any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections served.
    pub accepted: u64,
    /// Connections refused because their client holds as many as it may.
    pub refused: u64,
    /// Connections closed to make room for others.
    pub evicted: u64,
}

/// What is spoken on the connections of a listener.
#[derive(Clone)]
pub(super) enum Speech {
    Tcp,
    Tls(TlsAcceptor),
    Https(TlsAcceptor),
}

impl Speech {
    fn transport(&self) -> Transport {
        match self {
            Speech::Tcp => Transport::Tcp,
            Speech::Tls(_) => Transport::Tls,
            Speech::Https(_) => Transport::Https,
        }
    }
}

/// Listeners at work; dropping it closes everything at once.
#[derive(Debug)]
pub(super) struct Connections {
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    meter: Meter,
}

/// Reads what connections count.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    counters: Arc<Counters>,
    seats: Arc<Seats>,
}

impl Meter {
    pub(super) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            accepted: self.counters.accepted.load(Relaxed),
            refused: self.counters.refused.load(Relaxed),
            evicted: self.counters.evicted.load(Relaxed),
        }
    }

    /// Connections that are open now, by transport.
    pub(super) fn open(&self) -> Vec<(Transport, u64)> {
        self.seats.open()
    }
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
}

/// What all connections share.
pub(super) struct Shared<R> {
    pub(super) engine: Arc<ArcSwap<R>>,
    pub(super) limits: Limits,
    seats: Arc<Seats>,
    counters: Arc<Counters>,
}

/// Why a connection ends though its client would go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its seat is another's now: at once.
    Evicted,
    /// It was silent for too long, or is too old, or the server stops: answers in hand are sent.
    Orderly,
}

impl Connections {
    /// Starts one task for each listener; must be called inside a tokio runtime.
    pub(super) fn start<R: Respond>(
        listeners: Vec<(TcpListener, Speech)>,
        endpoints: Vec<(UdpSocket, Arc<ServerConfig>)>,
        engine: &Arc<ArcSwap<R>>,
        limits: Limits,
    ) -> io::Result<Connections> {
        let counters = Arc::<Counters>::default();
        let seats = Seats::new(limits.connections, limits.per_client, Instant::now());
        let meter = Meter { counters: Arc::clone(&counters), seats: Arc::clone(&seats) };
        let shared = Arc::new(Shared { engine: Arc::clone(engine), seats, limits, counters });
        let stop = watch::Sender::new(false);
        let mut connections = Connections { tasks: Vec::new(), stop, meter };
        for (listener, speech) in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stop = connections.stop.subscribe();
            let accept = accept(listener, speech, Arc::clone(&shared), stop);
            connections.tasks.push(tokio::spawn(accept));
        }
        for (socket, tls) in endpoints {
            let endpoint = quic::open(socket, tls, &limits)?;
            let stop = connections.stop.subscribe();
            let accept = quic::accept(endpoint, Arc::clone(&shared), stop);
            connections.tasks.push(tokio::spawn(accept));
        }
        Ok(connections)
    }

    pub(super) fn counts(&self) -> ConnectionCounts {
        self.meter.counts()
    }

    /// Reads the counts from anywhere.
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Stops accepting, gives answers in hand a second to be sent, and closes all.
    pub(super) async fn stop(&mut self) {
        self.stop.send_replace(true);
        for task in &mut self.tasks {
            // An error would be a panic of the accepting loop; there is nothing left to do.
            let _ = task.await;
        }
        self.tasks.clear();
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for task in &self.tasks {
            // With the task its set of connections is dropped, which ends them.
            task.abort();
        }
    }
}

impl<R> Shared<R> {
    /// A seat for a new connection; none when it is to be closed.
    pub(super) fn seat(&self, client: IpAddr, transport: Transport) -> Option<Seat> {
        match self.seats.admit(client, transport, Instant::now()) {
            Admission::Seated { seat, evicted } => {
                self.counters.accepted.fetch_add(1, Relaxed);
                self.counters.evicted.fetch_add(u64::from(evicted), Relaxed);
                Some(seat)
            }
            Admission::Refused => {
                self.counters.refused.fetch_add(1, Relaxed);
                None
            }
        }
    }

    /// How long a handshake may take.
    pub(super) fn handshake(&self) -> Duration {
        HANDSHAKE.min(self.limits.idle)
    }
}

impl Ending {
    /// Waits for what ends a connection that has just begun.
    pub(super) async fn wait(
        seat: &Seat,
        limits: &Limits,
        mut stop: watch::Receiver<bool>,
    ) -> Ending {
        tokio::select! {
            () = seat.evicted() => Ending::Evicted,
            () = seat.silent(limits.idle) => Ending::Orderly,
            () = sleep(limits.lifetime) => Ending::Orderly,
            _ = stop.wait_for(|stop| *stop) => Ending::Orderly,
        }
    }
}

/// Gives the connections of a listener that stopped their time to end, and ends the others.
pub(super) async fn finish(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn accept<R: Respond>(
    listener: tokio::net::TcpListener,
    speech: Speech,
    shared: Arc<Shared<R>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut next_warning = Instant::now();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, client)) => match shared.seat(client.ip(), speech.transport()) {
                Some(seat) => {
                    let shared = Arc::clone(&shared);
                    let connection =
                        serve(stream, client, seat, speech.clone(), shared, stop.clone());
                    connections.spawn(connection);
                }
                // A reset: the client knows at once, and the kernel need not remember.
                None => drop(stream.set_zero_linger()),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if Instant::now() >= next_warning {
                    tracing::warn!(%error, "cannot accept connections, closing idle ones");
                    next_warning = Instant::now() + WARNING_INTERVAL;
                }
                // Out of file descriptors, most likely: give one back.
                if shared.seats.evict() {
                    shared.counters.evicted.fetch_add(1, Relaxed);
                }
                tokio::select! {
                    () = sleep(OUT_OF_ROOM) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
            }
        }
    }
    drop(listener);
    finish(connections).await;
}

async fn serve<R: Respond>(
    mut stream: TcpStream,
    client: SocketAddr,
    seat: Seat,
    speech: Speech,
    shared: Arc<Shared<R>>,
    stop: watch::Receiver<bool>,
) {
    // Answers go out as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok().map(|local| local.ip());
    let ends = |transport| Ends { client, local, transport };
    // What is large is boxed, so that a connection without encryption stays small.
    let served = match speech {
        Speech::Tcp => {
            let ends = ends(Transport::Tcp);
            let (engine, limits) = (&shared.engine, &shared.limits);
            let on_message = || seat.active(Instant::now());
            tokio::select! {
                served = stream::serve(&mut stream, ends, engine, limits, stop, on_message) => {
                    served
                }
                () = seat.evicted() => Ok(()),
            }
        }
        Speech::Tls(acceptor) => {
            let ends = ends(Transport::Tls);
            Box::pin(tls::serve(stream, ends, acceptor, seat, &shared, stop)).await
        }
        Speech::Https(acceptor) => {
            let ends = ends(Transport::Https);
            Box::pin(https::serve(stream, ends, acceptor, seat, &shared, stop)).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%client, %error, "connection ended");
    }
}

/// Whether a failed accept concerns only the connection it would have given: `accept(2)` reports
/// network errors of the new socket there. All else may come again at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    const OF_ONE: [i32; 13] = [
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::EINTR,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::ENONET,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EPERM,
        libc::EPROTO,
        libc::ETIMEDOUT,
    ];
    error.raw_os_error().is_some_and(|code| OF_ONE.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_broke_does_not_hold_up_accepting_and_a_lack_of_room_does() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EINVAL] {
            assert!(!is_of_one_connection(&io::Error::from_raw_os_error(code)));
        }
        for code in [libc::ECONNABORTED, libc::ENETDOWN, libc::EPROTO, libc::EPERM] {
            assert!(is_of_one_connection(&io::Error::from_raw_os_error(code)));
        }
    }
}
