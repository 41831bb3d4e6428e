//! DNS over TLS (RFC 7858): a handshake, then a stream of messages as over TCP.
//!
//! A client that names no application protocol is served, so that resolvers which try
//! encryption on a venture (RFC 9539) find it; one that names others than ours is refused by the
//! handshake.

use std::io;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Respond;
use super::connections::Shared;
use super::seats::Seat;
use super::stream::{self, Ends};

/// Serves one connection to its end.
pub(super) async fn serve<R: Respond>(
    stream: TcpStream,
    ends: Ends,
    acceptor: TlsAcceptor,
    seat: Seat,
    shared: &Shared<R>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let stopped = stop.clone();
    let served = async {
        let mut stream = tokio::select! {
            stream = handshake(stream, &acceptor, shared.handshake()) => stream?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let on_message = || seat.active(Instant::now());
        let (engine, limits) = (&shared.engine, &shared.limits);
        stream::serve(&mut stream, ends, engine, limits, stopped, on_message).await
    };
    tokio::select! {
        served = served => served,
        () = seat.evicted() => Ok(()),
    }
}

/// Shakes hands within `limit`.
pub(super) async fn handshake(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    limit: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    timeout(limit, acceptor.accept(stream)).await?
}
