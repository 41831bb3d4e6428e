//! What only DNS over QUIC has: the rules of its streams, error codes, and handshakes that stall.

use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use meridian::transport::Protocol;
use meridian::transport::stream::Limits;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::time::timeout;

use super::bed::{Bed, query};
use super::clients::{self, NAME, PATIENCE, ask_quic, framed};
use super::{LIMITS, Server, ZONE, octets};

fn server() -> Server {
    Server::start(Bed::new(&[ZONE]), LIMITS)
}

fn question() -> Vec<u8> {
    octets(query("example.com. SOA"))
}

/// Sends octets on a stream of their own, and ends it.
async fn send(connection: &Connection, octets: &[u8]) {
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    // The server may be gone before all is written.
    let _ = send.write_all(octets).await;
    let _ = send.finish();
    // The stream is not taken back as long as the server does not answer.
    let _ = timeout(PATIENCE, send.stopped()).await;
}

/// The code that the server closes a connection with.
async fn code(connection: &Connection) -> u64 {
    match timeout(PATIENCE, connection.closed()).await.expect("the server closes it") {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_broken_rule_ends_the_connection_with_a_protocol_error() {
    let server = server();
    let mut with_id = question();
    with_id[1] = 1;
    let mut response = question();
    response[2] |= 0x80;
    for octets in [
        framed(&with_id),
        [framed(&question()), framed(&question())].concat(),
        framed(&question())[..20].to_vec(),
        vec![0],
        Vec::new(),
        vec![0; 70_000],
        framed(&response),
    ] {
        let connection = server.quic().await;
        assert!(!ask_quic(&connection, &question()).await.unwrap().is_empty());
        let (code, ()) = tokio::join!(code(&connection), send(&connection, &octets));
        assert_eq!(code, 2, "DOQ_PROTOCOL_ERROR after {} octets", octets.len());
    }
}

#[tokio::test]
async fn a_query_taken_back_leaves_the_connection_as_it_is() {
    let server = server();
    let connection = server.quic().await;
    for _ in 0..200 {
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&question())[..7]).await.unwrap();
        send.reset(3_u32.into()).unwrap();
    }
    assert!(!ask_quic(&connection, &question()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_carries_any_number_of_queries() {
    let server = server();
    let connection = server.quic().await;
    for _ in 0..250 {
        assert!(!ask_quic(&connection, &question()).await.unwrap().is_empty());
    }
    // And a hundred at a time, of which one lingers.
    let (_send, _receive) = connection.open_bi().await.unwrap();
    let at_once = (0..300).map(|_| {
        let connection = connection.clone();
        tokio::spawn(async move { ask_quic(&connection, &question()).await.unwrap().len() })
    });
    for answer in at_once.collect::<Vec<_>>() {
        assert!(timeout(PATIENCE, answer).await.expect("an answer").unwrap() > 14);
    }
}

#[tokio::test]
async fn a_query_of_any_length_arrives() {
    let server = server();
    let connection = server.quic().await;
    let long = [vec![0; 12], vec![0xff; 65_523]].concat();
    let reply = ask_quic(&connection, &long).await.unwrap();
    assert_eq!(reply[5] & 0x0f, 1, "FORMERR");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_stall_hold_up_nobody() {
    let server = server();
    let address = server.address(Protocol::Quic);
    // Passes what clients say on to the server, and nothing back: each begins and goes no further.
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    relay.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let behind = relay.local_addr().unwrap();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let relayed = thread::spawn(move || {
        let mut packet = [0; 2048];
        while is_done.try_recv().is_err() {
            if let Ok((length, from)) = relay.recv_from(&mut packet)
                && from != address
            {
                relay.send_to(&packet[..length], address).unwrap();
            }
        }
    });
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = QuicClientConfig::try_from(server.authority.client(b"doq")).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    // More than the server shakes hands with at once, before it asks for proof of the address.
    let _stalled: Vec<_> =
        (0..300).map(|_| endpoint.connect_with(config.clone(), behind, NAME).unwrap()).collect();
    for _ in 0..3 {
        let connection = server.quic().await;
        assert!(!ask_quic(&connection, &question()).await.unwrap().is_empty());
    }
    // None of them had a seat.
    let counts = server.running.connection_counts();
    assert_eq!((counts.accepted, counts.refused, counts.evicted), (3, 0, 0));
    done.send(()).unwrap();
    relayed.join().unwrap();
}

#[tokio::test]
async fn the_server_closes_without_an_error_what_is_idle_old_or_in_its_way() {
    let soon = Duration::from_millis(500);
    let server = Server::start(Bed::new(&[ZONE]), Limits { idle: soon, ..LIMITS });
    let connection = server.quic().await;
    assert_eq!(code(&connection).await, 0, "idle");
    let server = Server::start(Bed::new(&[ZONE]), Limits { lifetime: soon, ..LIMITS });
    let connection = server.quic().await;
    while ask_quic(&connection, &question()).await.is_ok() {}
    assert_eq!(code(&connection).await, 0, "old");
    let server = self::server();
    let connection = server.quic().await;
    // The server, too, is done with the handshake then.
    assert!(!ask_quic(&connection, &question()).await.unwrap().is_empty());
    let (code, ()) = tokio::join!(code(&connection), server.running.stop());
    assert_eq!(code, 0, "the server stops");
}

#[tokio::test]
async fn a_client_over_its_share_is_sent_away() {
    let server = Server::start(Bed::new(&[ZONE]), Limits { per_client: 2, ..LIMITS });
    let held = [server.quic().await, server.quic().await];
    for connection in &held {
        assert!(!ask_quic(connection, &question()).await.unwrap().is_empty());
    }
    let config = server.authority.client(b"doq");
    match clients::quic(server.address(Protocol::Quic), config).await {
        Ok(connection) => assert_eq!(code(&connection).await, 4, "DOQ_EXCESSIVE_LOAD"),
        Err(error) => assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error}"),
    }
}
