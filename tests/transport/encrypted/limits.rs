//! What clients must not do, what a server does not do, and its end.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Encrypted, Identity, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LIMITS, Server, ZONE, octets};
use crate::support::bed::{Bed, query};
use crate::support::certificates::Authority;
use crate::support::clients::{self, NAME, PATIENCE};

const SOON: Duration = Duration::from_millis(300);

fn server(idle: Duration) -> Server {
    Server::start(Bed::new(&[ZONE]), Limits { idle, ..LIMITS })
}

fn question() -> Vec<u8> {
    octets(query("example.com. SOA"))
}

/// Whether the other end closed or reset the connection; what it sends before is passed over.
async fn is_over(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    match end.expect("an end") {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

async fn serves_all(server: &Server) -> bool {
    let mut connections = server.connect().await;
    let replies = server.encrypted(&mut connections, &question()).await;
    replies.iter().all(|reply| reply[3] & 0x0f == 0)
}

#[tokio::test]
async fn garbage_and_bad_handshakes_do_no_harm() {
    let server = server(PATIENCE);
    let (tls, https) = (server.address(Protocol::Tls), server.address(Protocol::Https));
    let quic = server.address(Protocol::Quic);
    for address in [tls, https] {
        let hello = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        for garbage in [hello, vec![0; 5000], vec![0xff; 5000], clients::framed(&question())] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may be gone before all is written.
            let _ = stream.write_all(&garbage).await;
            assert!(is_over(&mut stream).await);
        }
        drop(TcpStream::connect(address).await.unwrap());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for garbage in [&[0; 1200][..], &[0xff; 1200], &[0xc0; 1200], &question(), b""] {
        socket.send_to(garbage, quic).unwrap();
    }
    // An application protocol the port does not speak, and a client that believes nobody.
    assert!(clients::tls(tls, server.authority.client(b"h2")).await.is_err());
    assert!(clients::tls(https, server.authority.client(b"dot")).await.is_err());
    assert!(clients::quic(quic, server.authority.client(b"h3")).await.is_err());
    let stranger = Authority::new("another");
    assert!(clients::tls(tls, stranger.client(b"dot")).await.is_err());
    assert!(clients::quic(quic, stranger.client(b"doq")).await.is_err());
    assert!(serves_all(&server).await);
}

#[tokio::test]
async fn garbage_inside_the_encryption_does_no_harm() {
    let server = server(PATIENCE);
    let port = server.address(Protocol::Https).port();
    let (mut tls, https, quic) = (server.tls().await, server.https(), server.quic().await);
    // A header and nothing it promises: FORMERR.
    let stump = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(clients::ask(&mut tls, &stump).await.unwrap()[3] & 0x0f, 1);
    assert_eq!(clients::post(&https, port, &stump).await.unwrap()[3] & 0x0f, 1);
    assert_eq!(clients::ask_quic(&quic, &stump).await.unwrap()[5] & 0x0f, 1);
    // Less than a header, a response: no answer, and the end of what cannot go on.
    let mut response = question();
    response[2] |= 0x80;
    for silent in [&[1, 2, 3][..], &response] {
        assert_eq!(clients::ask(&mut server.tls().await, silent).await, None);
        assert!(clients::ask_quic(&server.quic().await, silent).await.is_err());
    }
    assert_eq!(clients::ask(&mut tls, &question()).await.unwrap()[3] & 0x0f, 0);
    assert_eq!(clients::post(&https, port, &question()).await.unwrap()[3] & 0x0f, 0);
    assert_eq!(clients::ask_quic(&quic, &question()).await.unwrap()[5] & 0x0f, 0);
}

#[tokio::test]
async fn queries_in_one_segment_are_answered_in_order() {
    let server = server(PATIENCE);
    let mut tls = server.tls().await;
    let mut segment = Vec::new();
    for id in 1..500u16 {
        let mut query = question();
        query[..2].copy_from_slice(&id.to_be_bytes());
        segment.extend(clients::framed(&query));
    }
    tls.write_all(&segment).await.unwrap();
    for id in 1..500u16 {
        let len = tls.read_u16().await.unwrap();
        let mut reply = vec![0; usize::from(len)];
        tls.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..2], id.to_be_bytes());
    }
}

#[tokio::test]
async fn the_id_is_kept_over_tls_and_must_be_0_over_quic() {
    let server = server(PATIENCE);
    let mut query = question();
    query[..2].copy_from_slice(&[0x12, 0x34]);
    let mut tls = server.tls().await;
    assert_eq!(clients::ask(&mut tls, &query).await.unwrap()[..2], [0x12, 0x34]);
    let port = server.address(Protocol::Https).port();
    assert_eq!(clients::post(&server.https(), port, &query).await.unwrap()[..2], [0x12, 0x34]);
    // RFC 9250 section 4.2.1.
    assert!(clients::ask_quic(&server.quic().await, &query).await.is_err());
    let quic = server.quic().await;
    assert_eq!(clients::ask_quic(&quic, &question()).await.unwrap()[2..4], [0, 0]);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = server(SOON);
    let mut silent = TcpStream::connect(server.address(Protocol::Tls)).await.unwrap();
    assert!(is_over(&mut silent).await, "without a handshake");
    let mut tls = server.tls().await;
    assert!(clients::ask(&mut tls, &question()).await.is_some());
    assert!(is_over(tls.get_mut().0).await, "without a further query");
    let quic = server.quic().await;
    let closed = tokio::time::timeout(PATIENCE, quic.closed()).await;
    closed.expect("the server closes it");
}

#[tokio::test]
async fn resolvers_that_name_no_protocol_are_served() {
    let server = server(PATIENCE);
    let mut config = server.authority.client(b"dot");
    config.alpn_protocols.clear();
    let mut venture = clients::tls(server.address(Protocol::Tls), config).await.unwrap();
    assert!(clients::ask(&mut venture, &question()).await.is_some());
    let tls = server.tls().await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"dot"[..]));
}

#[tokio::test]
async fn a_client_has_one_share_of_all_transports() {
    let server = Server::start(Bed::new(&[ZONE]), Limits { per_client: 3, ..LIMITS });
    let mut tcp = TcpStream::connect(server.plain()).await.unwrap();
    assert!(clients::ask(&mut tcp, &question()).await.is_some());
    let (mut tls, quic) = (server.tls().await, server.quic().await);
    assert!(clients::ask(&mut tls, &question()).await.is_some());
    let port = server.address(Protocol::Https).port();
    assert!(is_over(&mut TcpStream::connect(server.plain()).await.unwrap()).await);
    assert!(clients::post(&server.https(), port, &question()).await.is_err());
    drop(tcp);
    // The seat is free once the server knows.
    let posted = async {
        while clients::post(&server.https(), port, &question()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, posted).await.expect("a seat");
    assert!(!clients::ask_quic(&quic, &question()).await.unwrap().is_empty());
}

#[tokio::test]
async fn handshakes_that_stall_give_way_and_hold_up_nobody() {
    let limits = Limits { connections: 4, ..LIMITS };
    let server = Server::start(Bed::new(&[ZONE]), limits);
    let mut held = Vec::new();
    for protocol in [Protocol::Tls, Protocol::Https] {
        for _ in 0..10 {
            let mut stream = TcpStream::connect(server.address(protocol)).await.unwrap();
            // The beginning of a hello that promises more.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
            held.push(stream);
        }
        assert!(serves_all(&server).await);
    }
    assert!(server.running.connection_counts().evicted >= 10);
}

#[tokio::test]
async fn a_stop_ends_connections_and_frees_ports() {
    let server = server(PATIENCE);
    let (mut tls, quic) = (server.tls().await, server.quic().await);
    assert!(clients::ask(&mut tls, &question()).await.is_some());
    let addresses = server.running.encrypted().to_vec();
    let stop = server.running.stop();
    tokio::time::timeout(PATIENCE, stop).await.expect("the server stops");
    assert!(is_over(tls.get_mut().0).await);
    let closed = tokio::time::timeout(PATIENCE, quic.closed()).await;
    closed.expect("the server says that it closes");
    for (protocol, address) in addresses {
        match protocol {
            Protocol::Quic => free_soon(address).await,
            _ => drop(TcpListener::bind(address).expect("the port is free")),
        }
    }
}

/// QUIC says goodbye before it lets the port go.
async fn free_soon(address: SocketAddr) {
    let free = async {
        while UdpSocket::bind(address).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("the port is free");
}

#[test]
fn a_port_in_use_is_reported_with_what_it_was_wanted_for() {
    let (certificate, key) = Authority::new("ours").files(NAME);
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tcp = TcpListener::bind(taken).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp, udp) = (tcp.local_addr().map(|a| (a, tcp)), udp.local_addr().map(|a| (a, udp)));
    let ((tcp, _tcp), (udp, _udp)) = (tcp.unwrap(), udp.unwrap());
    for (dot, doh, doq, doh3, protocol) in [
        (vec![tcp], vec![], vec![], vec![], Protocol::Tls),
        (vec![], vec![tcp], vec![], vec![], Protocol::Https),
        (vec![], vec![], vec![udp], vec![], Protocol::Quic),
        (vec![], vec![], vec![], vec![udp], Protocol::Http3),
    ] {
        let mut bound = Bound::bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
        let encrypted = Encrypted { identity: identity.clone(), dot, doh, doq, doh3 };
        let error = bound.bind_encrypted(&encrypted).unwrap_err();
        assert_eq!(error.protocol, protocol);
        assert!(error.to_string().contains(&format!("({protocol})")), "{error}");
    }
}
