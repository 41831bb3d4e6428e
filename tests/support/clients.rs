//! A client for each transport: octets of a query in, octets of the reply out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The name in the server's certificate.
pub(crate) const NAME: &str = "dns.example";

const MESSAGE: &str = "application/dns-message";

pub(crate) async fn udp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(query, server).await.unwrap();
    let mut reply = vec![0; 65_535];
    let len = timeout(PATIENCE, socket.recv(&mut reply)).await.expect("a reply").unwrap();
    reply.truncate(len);
    reply
}

pub(crate) async fn tcp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    ask(&mut stream, query).await.expect("a reply")
}

/// Sends a query on a stream and reads one reply; `None` when the stream ends instead.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    query: &[u8],
) -> Option<Vec<u8>> {
    stream.write_all(&framed(query)).await.ok()?;
    stream.flush().await.ok()?;
    timeout(PATIENCE, async {
        let len = stream.read_u16().await.ok()?;
        let mut reply = vec![0; usize::from(len)];
        stream.read_exact(&mut reply).await.ok()?;
        Some(reply)
    })
    .await
    .expect("a reply or an end")
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

/// A connection for DNS over TLS.
pub(crate) async fn tls(
    server: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server).await?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A client for DNS over HTTPS.
pub(crate) fn https(server: SocketAddr, config: ClientConfig) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .resolve(NAME, server)
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

/// Posts a query, as RFC 8484 has it.
pub(crate) async fn post(
    client: &reqwest::Client,
    port: u16,
    query: &[u8],
) -> Result<Vec<u8>, reqwest::Error> {
    let request = client
        .post(format!("https://{NAME}:{port}/dns-query"))
        .header(CONTENT_TYPE, MESSAGE)
        .header(ACCEPT, MESSAGE)
        .body(query.to_vec());
    let response = timeout(PATIENCE, request.send()).await.expect("a response")?;
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(response.headers()[CONTENT_TYPE], MESSAGE);
    Ok(response.bytes().await?.to_vec())
}

/// A connection for DNS over QUIC.
pub(crate) async fn quic(
    server: SocketAddr,
    config: ClientConfig,
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = QuicClientConfig::try_from(config).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    timeout(PATIENCE, endpoint.connect_with(config, server, NAME).unwrap()).await.expect("an end")
}

/// Asks on a stream of its own; what the server sends, to the end of the stream.
pub(crate) async fn ask_quic(
    connection: &quinn::Connection,
    query: &[u8],
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(&framed(query)).await?;
    send.finish()?;
    Ok(timeout(PATIENCE, receive.read_to_end(70_000)).await??)
}
