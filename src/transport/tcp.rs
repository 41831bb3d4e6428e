//! DNS over TCP (RFC 7766): accepting connections, and letting them go.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::Respond;
use super::seats::{Admission, Seat, Seats};
use super::stream::{self, Ends, Limits};
use crate::engine::Transport;

/// Connections the kernel may hold before we take them.
const BACKLOG: i32 = 1024;

/// How long to wait when the process or the machine has no room for one more connection.
const OUT_OF_ROOM: Duration = Duration::from_millis(50);

/// Being out of room is said so often at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// How long connections may take to send the answers in hand when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// What became of connections since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Connections served.
    pub accepted: u64,
    /// Connections refused because their client holds as many as it may.
    pub refused: u64,
    /// Connections closed to make room for others.
    pub evicted: u64,
}

/// Listeners at work; dropping it closes everything at once.
#[derive(Debug)]
pub(super) struct Acceptors {
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
}

/// What the listeners share.
struct Shared<R> {
    engine: Arc<ArcSwap<R>>,
    seats: Arc<Seats>,
    idle: Duration,
    counters: Arc<Counters>,
}

/// Opens a listener; a port in use is an error.
pub(super) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a former run that the kernel still remembers are no obstacle.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Acceptors {
    /// Starts one task for each listener; must be called inside a tokio runtime.
    pub(super) fn start<R: Respond>(
        listeners: Vec<TcpListener>,
        engine: &Arc<ArcSwap<R>>,
        limits: Limits,
    ) -> io::Result<Acceptors> {
        let counters = Arc::<Counters>::default();
        let shared = Arc::new(Shared {
            engine: Arc::clone(engine),
            seats: Seats::new(limits.connections, limits.per_client, Instant::now()),
            idle: limits.idle,
            counters: Arc::clone(&counters),
        });
        let mut acceptors =
            Acceptors { tasks: Vec::new(), stop: watch::Sender::new(false), counters };
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stop = acceptors.stop.subscribe();
            acceptors.tasks.push(tokio::spawn(accept(listener, Arc::clone(&shared), stop)));
        }
        Ok(acceptors)
    }

    pub(super) fn counts(&self) -> TcpCounts {
        TcpCounts {
            accepted: self.counters.accepted.load(Relaxed),
            refused: self.counters.refused.load(Relaxed),
            evicted: self.counters.evicted.load(Relaxed),
        }
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

impl Drop for Acceptors {
    fn drop(&mut self) {
        for task in &self.tasks {
            // With the task its set of connections is dropped, which ends them.
            task.abort();
        }
    }
}

async fn accept<R: Respond>(
    listener: tokio::net::TcpListener,
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
            Ok((stream, client)) => {
                if let Some(seat) = seat(&shared, &stream, client) {
                    let connection = serve(stream, client, seat, Arc::clone(&shared), stop.clone());
                    connections.spawn(connection);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if Instant::now() >= next_warning {
                    tracing::warn!(%error, "cannot accept TCP connections, closing idle ones");
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
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// A seat for a new connection; none when it is to be closed.
fn seat<R>(shared: &Shared<R>, stream: &TcpStream, client: SocketAddr) -> Option<Seat> {
    match shared.seats.admit(client.ip(), Instant::now()) {
        Admission::Seated { seat, evicted } => {
            shared.counters.accepted.fetch_add(1, Relaxed);
            shared.counters.evicted.fetch_add(u64::from(evicted), Relaxed);
            Some(seat)
        }
        Admission::Refused => {
            shared.counters.refused.fetch_add(1, Relaxed);
            // A reset: the client knows at once, and the kernel need not remember.
            let _ = stream.set_zero_linger();
            None
        }
    }
}

async fn serve<R: Respond>(
    mut stream: TcpStream,
    client: SocketAddr,
    seat: Seat,
    shared: Arc<Shared<R>>,
    stop: watch::Receiver<bool>,
) {
    // Answers go out as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok().map(|local| local.ip());
    let ends = Ends { client, local, transport: Transport::Tcp };
    let on_message = || seat.active(Instant::now());
    let served = stream::serve(&mut stream, ends, &shared.engine, shared.idle, stop, on_message);
    tokio::select! {
        result = served => {
            if let Err(error) = result {
                tracing::debug!(%client, %error, "TCP connection ended");
            }
        }
        () = seat.evicted() => {}
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
