//! What only DNS over QUIC has: the rules of its streams, error codes, and handshakes that stall.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use meridian::transport::Protocol;
use meridian::transport::stream::Limits;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::time::timeout;

use super::{LIMITS, Server, ZONE, octets};
use crate::support::bed::{Bed, query};
use crate::support::clients::{self, NAME, PATIENCE, ask_quic, framed};

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

/// One QUIC packet with a long header, up to the IDs of its connection (RFC 9000 section 17.2).
#[derive(Clone)]
struct Long {
    octets: Vec<u8>,
    to: Vec<u8>,
    from: Vec<u8>,
    /// Where the rest of the packet begins.
    rest: usize,
}

impl Long {
    /// `None` for a packet with a short header.
    fn read(octets: &[u8]) -> Option<Long> {
        if octets[0] & 0x80 == 0 {
            return None;
        }
        assert_eq!(octets[1..5], [0, 0, 0, 1], "version 1");
        let id = |at: usize| octets[at + 1..at + 1 + usize::from(octets[at])].to_vec();
        let to = id(5);
        let from = id(6 + to.len());
        let rest = 7 + to.len() + from.len();
        Some(Long { octets: octets.to_vec(), to, from, rest })
    }

    fn is_retry(&self) -> bool {
        self.octets[0] & 0x30 == 0x30
    }

    fn is_initial(&self) -> bool {
        self.octets[0] & 0x30 == 0
    }
}

/// Packets by an ID of their connection.
type Packets = HashMap<Vec<u8>, Long>;

/// Whether a Retry packet to `initial` is one that its client takes (RFC 9000 section 17.2.5.2, RFC
/// 9001 section 5.8).
fn is_valid_retry(retry: &Long, initial: &Long) -> bool {
    const KEY: u128 = 0xbe0c690b9f66575a1d766b54e368c84e;
    const NONCE: [u8; 12] =
        [0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb];
    let (packet, tag) = retry.octets.split_last_chunk::<16>().unwrap();
    let key = UnboundKey::new(&AES_128_GCM, &KEY.to_be_bytes()).unwrap();
    let id_len = u8::try_from(initial.to.len()).unwrap();
    let pseudo = [&[id_len], &initial.to[..], packet].concat();
    let nonce = Nonce::assume_unique_for_key(NONCE);
    let mut sealed = *tag;
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::from(pseudo), &mut sealed);
    let has_token = packet.len() > retry.rest;
    opened.is_ok() && has_token && retry.to == initial.from && retry.from != initial.to
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_an_address_must_be_proven() {
    // Few, so that a slow machine reaches them before the first handshakes time out.
    let server = Server::start(Bed::new(&[ZONE]), Limits { connections: 16, ..LIMITS });
    let address = server.address(Protocol::Quic);
    // Clients talk to it, and it tells them nothing.
    let between = UdpSocket::bind("127.0.0.1:0").unwrap();
    between.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let behind = between.local_addr().unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = QuicClientConfig::try_from(server.authority.client(b"doq")).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    let connect = || endpoint.connect_with(config.clone(), behind, NAME).unwrap();

    // First what each client sent first, by the ID it has given itself; then the first reply.
    let mut initials = Packets::new();
    let mut replies = Packets::new();
    let mut pass_until = |is_enough: &dyn Fn(&Packets) -> bool| {
        let begun = Instant::now();
        let mut packet = [0; 2048];
        while !is_enough(&replies) {
            assert!(begun.elapsed() < PATIENCE, "{} replies", replies.len());
            let Ok((length, from)) = between.recv_from(&mut packet) else { continue };
            let Some(long) = Long::read(&packet[..length]) else { continue };
            if from == address {
                replies.entry(long.to.clone()).or_insert(long);
            } else {
                initials.entry(long.from.clone()).or_insert(long);
                between.send_to(&packet[..length], address).unwrap();
            }
        }
    };
    let _one = connect();
    pass_until(&|replies| {
        assert!(replies.values().all(Long::is_initial), "without load nobody has to prove a thing");
        !replies.is_empty()
    });
    // More than the server shakes hands with at once.
    let _stalled: Vec<_> = (0..64).map(|_| connect()).collect();
    pass_until(&|replies| replies.values().filter(|reply| reply.is_retry()).count() >= 10);

    for retry in replies.into_values().filter(Long::is_retry) {
        assert!(is_valid_retry(&retry, &initials[&retry.to]));
        let mut forged = retry.clone();
        forged.octets[retry.rest] ^= 1;
        assert!(!is_valid_retry(&forged, &initials[&retry.to]));
        // At most a third of what an unproven address sent comes back to it.
        assert!(retry.octets.len() * 3 < initials[&retry.to].octets.len());
    }
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
