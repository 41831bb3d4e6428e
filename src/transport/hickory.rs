//! DNS over HTTP/3 (RFC 8484 over RFC 9114): hickory-server listens, the engine answers.
//!
//! The only file that names hickory-server. It reads connections and hands over each query in
//! octets; its way back takes records, not octets. So a reply is taken apart into records whose
//! data hickory passes on as it is: types, classes, TTLs, data, OPT and flags reach the client
//! as the engine wrote them, and only the compression of names differs. Names within data are
//! therefore written out in full.
//!
//! What hickory-server 0.26 decides and does not leave to us, and why this transport is the only
//! one it serves:
//!
//! - It reads each query before we do. What it cannot read (an EDNS option cut short, say) gets
//!   its own FORMERR, a header alone.
//! - It compresses 120 names in a message and writes further ones in full. An answer of several
//!   thousand records, which fits in 65,535 octets over TCP, may then be cut short, with TC.
//! - There is no limit to the connections, in all or of one client.
//! - `idle` bounds the wait for a whole query. There is no time limit for a client that does not
//!   take its answers, and a listener shakes hands with one client at a time, so one that stalls
//!   holds up new ones for five seconds.
//! - Any path and method will do, the query is the body (there is no GET), responses have no
//!   `cache-control`, and a connection carries a hundred queries.
//! - At a stop connections are closed at once, whatever is in hand.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Respond;
use super::stream::{self, Ends};
use crate::engine::Transport;
use crate::wire::Type;

/// Listeners at work; dropping it closes everything at once.
#[derive(Debug)]
pub(super) struct Listeners {
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Listeners {
    /// Serves each socket; must be called inside a tokio runtime. `idle` is how long a client
    /// may take for its next query.
    pub(super) fn start<R: Respond>(
        sockets: Vec<(SocketAddr, UdpSocket, Arc<ServerConfig>)>,
        engine: &Arc<ArcSwap<R>>,
        idle: Duration,
    ) -> io::Result<Listeners> {
        let mut listeners = Listeners { tasks: Vec::new(), stop: watch::Sender::new(false) };
        for (address, socket, tls) in sockets {
            let local = Some(address.ip()).filter(|ip| !ip.is_unspecified());
            let handler = Handler { engine: Arc::clone(engine), local };
            let mut server = hickory_server::Server::new(handler);
            let socket = tokio::net::UdpSocket::from_std(socket)?;
            server
                .register_h3_listener_with_tls_config(socket, idle, tls, None)
                .map_err(io::Error::other)?;
            let stop = listeners.stop.subscribe();
            listeners.tasks.push(tokio::spawn(serve(server, address, stop)));
        }
        Ok(listeners)
    }

    /// Stops accepting and closes all connections.
    pub(super) async fn stop(&mut self) {
        self.stop.send_replace(true);
        for task in &mut self.tasks {
            // An error would be a panic of the listening task; there is nothing left to do.
            let _ = task.await;
        }
        self.tasks.clear();
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for task in &self.tasks {
            // With the task its server is dropped, which ends its connections.
            task.abort();
        }
    }
}

/// Runs a listener until `stop` becomes true.
async fn serve<R: Respond>(
    mut server: hickory_server::Server<Handler<R>>,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let ended = tokio::select! {
        ended = server.block_until_done() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    match ended {
        None => {
            if let Err(error) = server.shutdown_gracefully().await {
                tracing::debug!(%address, %error, "DNS over HTTP/3 did not stop well");
            }
        }
        Some(Ok(())) => tracing::error!(%address, "DNS over HTTP/3 ended"),
        Some(Err(error)) => tracing::error!(%address, %error, "DNS over HTTP/3 ended"),
    }
}

/// Hands each query of one listener to the engine.
struct Handler<R> {
    engine: Arc<ArcSwap<R>>,
    local: Option<IpAddr>,
}

#[async_trait]
impl<R: Respond> RequestHandler for Handler<R> {
    async fn handle_request<H: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut client: H,
    ) -> ResponseInfo {
        let none = Header { metadata: request.metadata, counts: HeaderCounts::default() };
        let transport = Transport::Https;
        let ends = Ends { client: request.src(), local: self.local, transport };
        let read = |reply: Option<&[u8]>| reply.map(Taken::apart);
        let taken = stream::respond(&**self.engine.load(), ends, request.as_slice(), read);
        let sent = match &taken {
            None => return none.into(),
            Some(Ok(Taken { metadata, queries, sections: [answer, authority, additional] })) => {
                // What hickory calls SOA it writes behind the authority section.
                let message = MessageResponseBuilder::new(queries, None);
                let message = message.build(*metadata, answer, authority, [], additional);
                client.send_response(message).await
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a reply could not be handed on");
                let message = MessageResponseBuilder::from_message_request(request);
                let code = ResponseCode::ServFail;
                client.send_response(message.error_msg(&request.metadata, code)).await
            }
        };
        sent.unwrap_or_else(|error| {
            tracing::debug!(client = %request.src(), %error, "the answer could not be sent");
            none.into()
        })
    }
}

/// A reply as hickory takes it.
struct Taken {
    metadata: Metadata,
    queries: Queries,
    /// Answer, authority, additional; OPT is an ordinary record of the last.
    sections: [Vec<Record>; 3],
}

impl Taken {
    /// Takes a reply of the engine apart.
    fn apart(reply: &[u8]) -> Result<Taken, DecodeError> {
        let mut decoder = BinDecoder::new(reply);
        let Header { metadata, counts } = Header::read(&mut decoder)?;
        let queries = Queries::read(&mut decoder, counts.queries.into())?;
        let mut section =
            |count: u16| (0..count).map(|_| record(&mut decoder)).collect::<Result<_, _>>();
        let sections =
            [section(counts.answers)?, section(counts.authorities)?, section(counts.additionals)?];
        Ok(Taken { metadata, queries, sections })
    }
}

/// Reads a record, its data as octets with no compression pointer in them.
fn record(decoder: &mut BinDecoder<'_>) -> Result<Record, DecodeError> {
    let owner = Name::read(decoder)?;
    // Any number means what it means.
    let rtype = decoder.read_u16()?.unverified();
    let class = decoder.read_u16()?.unverified();
    let ttl = decoder.read_u32()?.unverified();
    let len = usize::from(decoder.read_u16()?.unverified());
    let (before, names) = compressed_names(Type(rtype));
    let end = decoder.index() + len;
    let mut data = NULL::new();
    data.anything.extend_from_slice(decoder.read_slice(before)?.unverified());
    for _ in 0..names {
        for label in Name::read(decoder)?.iter() {
            // A label has at most 63 octets.
            data.anything.push(label.len() as u8);
            data.anything.extend_from_slice(label);
        }
        data.anything.push(0);
    }
    let rest = end.checked_sub(decoder.index()).ok_or(DecodeError::InsufficientBytes)?;
    data.anything.extend_from_slice(decoder.read_slice(rest)?.unverified());
    let data = RData::Unknown { code: RecordType::from(rtype), rdata: data };
    let mut record = Record::from_rdata(owner, ttl, data);
    record.dns_class = DNSClass::from(class);
    Ok(record)
}

/// Where compressed names may stand in data: behind so many octets, and how many. Only types of
/// RFC 1035 have any (RFC 3597 section 4).
fn compressed_names(rtype: Type) -> (usize, usize) {
    match rtype {
        Type::NS | Type::MD | Type::MF | Type::CNAME | Type::MB | Type::MG | Type::MR => (0, 1),
        Type::PTR => (0, 1),
        Type::MX => (2, 1),
        Type::SOA | Type::MINFO => (0, 2),
        _ => (0, 0),
    }
}
