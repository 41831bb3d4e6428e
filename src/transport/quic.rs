//! DNS over QUIC (RFC 9250): a stream for each query, and its reply on the same stream.
//!
//! Knows handshakes, streams and the error codes of RFC 9250 section 4.3. 0-RTT stays off: a
//! replayed query cannot be told from a new one.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, RecvStream, SendStream};
use quinn::{ReadError, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Respond;
use super::connections::{self, Ending, GRACE, Shared};
use super::seats::Seat;
use super::stream::{self, Ends, Limits, PREFIX};
use crate::engine::Transport;

/// The server or a client is done.
const NO_ERROR: VarInt = VarInt::from_u32(0x0);
/// The other end breaks a rule of DNS over QUIC.
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(0x2);
/// Whoever asked does not want to know any more.
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(0x3);
/// The other end takes more than it may.
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x4);

/// Streams of one connection at once; there is no limit to them all.
const STREAMS: u32 = 100;

/// Octets of a query that may arrive before they are read, and that a stream may hold without a
/// [`HANDS`] permit. Each query of a resolver fits.
const SMALL: usize = 4096;

/// Large queries and answers in hand at once on one connection; others wait. Each is at most
/// 65,535 octets.
const HANDS: usize = 16;

/// Octets sent and not yet acknowledged on one connection.
const UNACKNOWLEDGED: u64 = 256 * 1024;

/// Handshakes at once with clients that have not shown that they are where they say, and never more
/// than may become connections. Beyond, each must first send back a token, which costs us no memory
/// (RFC 9000 section 8.1.2).
const UNPROVEN: usize = 256;

/// Handshakes that may wait until we look at them.
const WAITING: usize = 1024;

/// Makes a socket speak QUIC; must be called inside a tokio runtime.
pub(super) fn open(
    socket: UdpSocket,
    tls: Arc<rustls::ServerConfig>,
    limits: &Limits,
) -> io::Result<Endpoint> {
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.max_incoming(WAITING).transport_config(Arc::new(transport(limits)?));
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

fn transport(limits: &Limits) -> io::Result<TransportConfig> {
    // After ours, which says goodbye.
    let idle = IdleTimeout::try_from(limits.idle + GRACE).map_err(io::Error::other)?;
    let small = SMALL as u32;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(small.into())
        // Streams that nobody reads yet never keep room from those that are read.
        .receive_window((STREAMS * small).into())
        .send_window(UNACKNOWLEDGED)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle));
    Ok(transport)
}

/// Accepts connections until `stop` becomes true, then ends them all.
pub(super) async fn accept<R: Respond>(
    endpoint: Endpoint,
    shared: Arc<Shared<R>>,
    mut stop: watch::Receiver<bool>,
) {
    let unproven = Arc::new(Semaphore::new(UNPROVEN.min(shared.limits.connections)));
    let mut connections = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some(incoming) = incoming else { break };
        let entry = if incoming.remote_address_validated() {
            match shared.seat(incoming.remote_address().ip(), Transport::Quic) {
                Some(seat) => Entry::Seated(seat),
                None => {
                    incoming.refuse();
                    continue;
                }
            }
        } else {
            match Arc::clone(&unproven).try_acquire_owned() {
                Ok(permit) => Entry::Unproven(permit),
                Err(_) => {
                    // Fails for those alone whose address is proven.
                    let _ = incoming.retry();
                    continue;
                }
            }
        };
        let connection = serve(incoming, entry, Arc::clone(&shared), stop.clone());
        connections.spawn(connection);
    }
    endpoint.set_server_config(None);
    connections::finish(connections).await;
    endpoint.close(NO_ERROR, b"");
    // Goodbyes leave, and the port is free. Nobody waits for those who do not hear.
    let _ = timeout(GRACE, endpoint.wait_idle()).await;
}

/// How far a client has come before its handshake.
enum Entry {
    /// It is where it says, and has a seat.
    Seated(Seat),
    /// It may be anybody, and must not take a seat from those who are somebody.
    Unproven(OwnedSemaphorePermit),
}

async fn serve<R: Respond>(
    incoming: Incoming,
    entry: Entry,
    shared: Arc<Shared<R>>,
    mut stop: watch::Receiver<bool>,
) {
    let client = incoming.remote_address();
    let handshake = async {
        let connecting = incoming.accept()?;
        timeout(shared.handshake(), connecting)
            .await
            .map_err(io::Error::from)?
            .map_err(io::Error::from)
    };
    let connected = tokio::select! {
        connected = handshake => connected,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%client, %error, "no connection");
            return;
        }
    };
    let seat = match entry {
        Entry::Seated(seat) => Some(seat),
        Entry::Unproven(permit) => {
            drop(permit);
            shared.seat(client.ip(), Transport::Quic)
        }
    };
    let Some(seat) = seat else {
        connection.close(EXCESSIVE_LOAD, b"too many connections");
        return;
    };
    let (code, reason) = match converse(&connection, seat, &shared, stop).await {
        Ending::Evicted => (EXCESSIVE_LOAD, &b"others need the room"[..]),
        Ending::Orderly => (NO_ERROR, &b""[..]),
    };
    connection.close(code, reason);
}

/// Answers until one of the ends is done.
async fn converse<R: Respond>(
    connection: &Connection,
    seat: Seat,
    shared: &Arc<Shared<R>>,
    stop: watch::Receiver<bool>,
) -> Ending {
    let seat = Arc::new(seat);
    let hands = Arc::new(Semaphore::new(HANDS));
    let mut exchanges = JoinSet::new();
    let mut ending = std::pin::pin!(Ending::wait(&seat, &shared.limits, stop));
    let ending = loop {
        let stream = tokio::select! {
            stream = connection.accept_bi() => stream,
            Some(_) = exchanges.join_next() => continue,
            ending = &mut ending => break ending,
        };
        let Ok(streams) = stream else { return Ending::Orderly };
        let exchange = Exchange {
            connection: connection.clone(),
            seat: Arc::clone(&seat),
            shared: Arc::clone(shared),
            hands: Arc::clone(&hands),
        };
        exchanges.spawn(exchange.run(streams));
    };
    if ending == Ending::Orderly {
        let all = async { while exchanges.join_next().await.is_some() {} };
        let _ = timeout(GRACE, all).await;
    }
    ending
}

/// One query and its reply.
struct Exchange<R> {
    connection: Connection,
    seat: Arc<Seat>,
    shared: Arc<Shared<R>>,
    hands: Arc<Semaphore>,
}

/// Why there is no reply.
enum Fault {
    /// The whole connection ends.
    Protocol(&'static str),
    /// The client took its query back.
    Cancelled,
    /// The client takes too long.
    Slow,
    /// The connection is gone already.
    Lost,
}

impl<R: Respond> Exchange<R> {
    async fn run(self, (mut send, receive): (SendStream, RecvStream)) {
        let idle = self.shared.limits.idle;
        match self.reply(receive, idle).await {
            Ok((reply, hand)) => {
                let sent = async {
                    // An error is a client that is gone, or does not want the reply any more.
                    send.write_all(&reply).await.ok()?;
                    drop((reply, hand));
                    send.finish().ok()?;
                    // Closing a connection would throw away what has not arrived.
                    send.stopped().await.ok()
                };
                if timeout(idle, sent).await.is_err() {
                    let _ = send.reset(EXCESSIVE_LOAD);
                }
            }
            Err(Fault::Protocol(reason)) => {
                self.connection.close(PROTOCOL_ERROR, reason.as_bytes());
            }
            // An error is a stream that has ended.
            Err(Fault::Cancelled) => drop(send.reset(REQUEST_CANCELLED)),
            Err(Fault::Slow) => drop(send.reset(EXCESSIVE_LOAD)),
            Err(Fault::Lost) => {}
        }
    }

    /// The reply behind its length, to what a client sends within `limit`.
    async fn reply(
        &self,
        mut receive: RecvStream,
        limit: Duration,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), Fault> {
        let collected = timeout(limit, self.collect(&mut receive)).await;
        let (octets, hand) = match collected {
            Ok(collected) => collected?,
            Err(_) => {
                let _ = receive.stop(EXCESSIVE_LOAD);
                return Err(Fault::Slow);
            }
        };
        let hand = match hand {
            Some(hand) => hand,
            None => self.hand().await?,
        };
        let query = whole(&octets).map_err(Fault::Protocol)?;
        self.seat.active(Instant::now());
        let ends = Ends {
            client: self.connection.remote_address(),
            local: self.connection.local_ip(),
            transport: Transport::Quic,
        };
        let reply = stream::respond(&**self.shared.engine.load(), ends, query, |reply| {
            let reply = reply?;
            let length = u16::try_from(reply.len()).ok()?;
            Some([&length.to_be_bytes(), reply].concat())
        });
        reply.map(|reply| (reply, hand)).ok_or(Fault::Protocol("this deserves no reply"))
    }

    /// All that comes on a stream, and the permit it needs when it is not small.
    async fn collect(
        &self,
        receive: &mut RecvStream,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Fault> {
        let mut octets = Vec::new();
        let mut hand = None;
        while let Some(chunk) = receive.read_chunk(SMALL, true).await.map_err(Fault::from)? {
            octets.extend_from_slice(&chunk.bytes);
            if octets.len() > PREFIX + usize::from(u16::MAX) {
                return Err(Fault::Protocol(MORE));
            }
            if octets.len() > SMALL && hand.is_none() {
                hand = Some(self.hand().await?);
            }
        }
        Ok((octets, hand))
    }

    async fn hand(&self) -> Result<OwnedSemaphorePermit, Fault> {
        // It is never closed.
        Arc::clone(&self.hands).acquire_owned().await.map_err(|_| Fault::Lost)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        match error {
            ReadError::Reset(_) => Fault::Cancelled,
            _ => Fault::Lost,
        }
    }
}

const MORE: &str = "more than one query on a stream";

/// The one query that a stream brought.
///
/// # Errors
///
/// Says which rule of RFC 9250 the client breaks (section 4.3.3).
fn whole(octets: &[u8]) -> Result<&[u8], &'static str> {
    let (length, query) = octets.split_first_chunk().ok_or("the stream ends within a query")?;
    match query.len().cmp(&usize::from(u16::from_be_bytes(*length))) {
        std::cmp::Ordering::Less => Err("the stream ends within a query"),
        std::cmp::Ordering::Greater => Err(MORE),
        // Section 4.2.1; shorter than that is answered like any other malformed message.
        std::cmp::Ordering::Equal if query.starts_with(&[0, 0]) || query.len() < 2 => Ok(query),
        std::cmp::Ordering::Equal => Err("the message ID is not 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_brings_one_query_with_the_id_0() {
        assert_eq!(whole(&[0, 3, 0, 0, 7]), Ok(&[0, 0, 7][..]));
        assert_eq!(whole(&[0, 0]), Ok(&[][..]));
        for octets in [&[][..], &[0], &[0, 4, 0, 0, 7], &[0, 3, 0, 0, 7, 8], &[0, 3, 0, 1, 7]] {
            assert!(whole(octets).is_err(), "{octets:?}");
        }
    }
}
