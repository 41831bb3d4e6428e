//! A client for each transport, whose connections last from question to question.

use std::net::SocketAddr;

use data_encoding::BASE64URL_NOPAD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::message::Message;
use crate::support::certificates::Authority;
use crate::support::clients::{self as single, NAME, PATIENCE, framed};
use crate::support::program::Serving;

/// What questions go over.
pub(crate) const TRANSPORTS: [&str; 6] = ["udp", "tcp", "tls", "post", "get", "quic"];

/// The clients of one server.
pub(crate) struct Clients {
    plain: SocketAddr,
    dot: SocketAddr,
    doh: SocketAddr,
    doq: SocketAddr,
    authority: Authority,
    https: reqwest::Client,
    tls: Option<TlsStream<TcpStream>>,
    quic: Option<quinn::Connection>,
}

/// A question whose answer shows that there was none to the message before it.
const SENTINEL: &[u8] = b"\xff\xff\0\0\0\x01\0\0\0\0\0\0\0\0\x06\0\x01";

impl Clients {
    pub(crate) fn new(serving: &Serving, authority: Authority) -> Clients {
        let address = |protocol: &str| -> SocketAddr {
            let line = serving.log(&["answering for ", protocol]);
            let (_, rest) = line.rsplit_once(" on ").unwrap();
            rest.split(',').next().unwrap().parse().unwrap()
        };
        let doh = address(", DNS over HTTPS");
        Clients {
            plain: serving.address(),
            dot: address(", DNS over TLS"),
            doh,
            doq: address(", DNS over QUIC"),
            https: single::https(doh, authority.client(b"h2")),
            authority,
            tls: None,
            quic: None,
        }
    }

    /// The messages that answer a query; several, if it is a transfer.
    pub(crate) async fn ask(
        &mut self,
        transport: &str,
        query: &[u8],
        is_transfer: bool,
    ) -> Vec<Vec<u8>> {
        match transport {
            "udp" => vec![single::udp(self.plain, query).await],
            "tcp" => {
                let mut stream = TcpStream::connect(self.plain).await.unwrap();
                stream_replies(&mut stream, query, is_transfer).await
            }
            "tls" => {
                let mut stream = self.take_tls().await;
                let replies = stream_replies(&mut stream, query, is_transfer).await;
                self.tls = (!replies.is_empty()).then_some(stream);
                replies
            }
            "post" => vec![single::post(&self.https, self.doh.port(), query).await.unwrap()],
            "get" => vec![self.get(query).await],
            _ => {
                let connection = match self.quic.take() {
                    Some(connection) => connection,
                    None => single::quic(self.doq, self.authority.client(b"doq")).await.unwrap(),
                };
                let octets = single::ask_quic(&connection, query).await.unwrap();
                self.quic = Some(connection);
                vec![unframed(octets)]
            }
        }
    }

    /// Whether nothing answers a message; only where messages follow each other.
    pub(crate) async fn is_silent(&mut self, transport: &str, query: &[u8]) -> bool {
        let reply = match transport {
            "udp" => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(self.plain).await.unwrap();
                socket.send(query).await.unwrap();
                socket.send(SENTINEL).await.unwrap();
                let mut reply = vec![0; 65_535];
                let received = timeout(PATIENCE, socket.recv(&mut reply)).await;
                reply.truncate(received.expect("a reply").unwrap());
                Some(reply)
            }
            "tcp" => {
                let mut stream = TcpStream::connect(self.plain).await.unwrap();
                stream.write_all(&framed(query)).await.unwrap();
                single::ask(&mut stream, SENTINEL).await
            }
            "tls" => {
                let mut stream = self.take_tls().await;
                stream.write_all(&framed(query)).await.unwrap();
                single::ask(&mut stream, SENTINEL).await
            }
            _ => None,
        };
        reply.is_none_or(|reply| reply[..2] == SENTINEL[..2])
    }

    async fn take_tls(&mut self) -> TlsStream<TcpStream> {
        match self.tls.take() {
            Some(stream) => stream,
            None => single::tls(self.dot, self.authority.client(b"dot")).await.unwrap(),
        }
    }

    async fn get(&self, query: &[u8]) -> Vec<u8> {
        let query = BASE64URL_NOPAD.encode(query);
        let address = format!("https://{NAME}:{}/dns-query?dns={query}", self.doh.port());
        let response = self.https.get(address).send().await.unwrap().error_for_status().unwrap();
        response.bytes().await.unwrap().to_vec()
    }
}

/// Asks on a stream and reads one message, or those of a transfer to its second SOA record.
async fn stream_replies(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    query: &[u8],
    is_transfer: bool,
) -> Vec<Vec<u8>> {
    let mut replies: Vec<Vec<u8>> = single::ask(stream, query).await.into_iter().collect();
    let mut soas = 0;
    while let Some(Ok(last)) = replies.last().map(|last| Message::read(last)) {
        soas += last.soas();
        if !is_transfer || last.rcode() != 0 || soas >= 2 {
            break;
        }
        let len = timeout(PATIENCE, stream.read_u16()).await.expect("more of a transfer").unwrap();
        let mut reply = vec![0; usize::from(len)];
        timeout(PATIENCE, stream.read_exact(&mut reply)).await.expect("all of it").unwrap();
        replies.push(reply);
    }
    replies
}

/// The one message that stands behind its length.
fn unframed(octets: Vec<u8>) -> Vec<u8> {
    let (len, message) = octets.split_first_chunk().expect("a length");
    assert_eq!(usize::from(u16::from_be_bytes(*len)), message.len());
    message.to_vec()
}
