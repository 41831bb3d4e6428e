//! TCP on real sockets, and its stream loop on anything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use meridian::engine::Transport;
use meridian::transport::stream::{self, Ends, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::mirror::{LIMITS, Mirror, PATIENCE, Server, eventually, message, reflection};

const SOON: Duration = Duration::from_millis(100);

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A client of its own address.
fn connect_from(from: &str, server: SocketAddr) -> TcpStream {
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).expect("an answer");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut answer).expect("a whole answer");
    answer
}

fn ask(stream: &mut TcpStream, query: &[u8]) -> Vec<u8> {
    stream.write_all(&framed(query)).unwrap();
    receive(stream)
}

/// Whether the other end closed or reset the connection, with nothing left to read.
fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn is_served(stream: &mut TcpStream) -> bool {
    let query = framed(&message(3, b"there?"));
    let mut answer = vec![0; query.len()];
    stream.write_all(&query).is_ok() && stream.read_exact(&mut answer).is_ok()
}

#[test]
fn queries_in_one_segment_are_answered_in_order() {
    let server = Server::start(&["127.0.0.1:0", "[::1]:0"], 1, LIMITS);
    for address in &server.addresses {
        let mut stream = connect(*address);
        let queries: Vec<Vec<u8>> = (0..1000).map(|id| message(id, &id.to_be_bytes())).collect();
        let segment: Vec<u8> = queries.iter().flat_map(|query| framed(query)).collect();
        stream.write_all(&segment).unwrap();
        for query in &queries {
            assert_eq!(receive(&mut stream), reflection(query));
        }
    }
}

#[test]
fn a_query_may_come_octet_by_octet() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut stream = connect(server.addresses[0]);
    let query = message(77, b"slowly");
    for octet in framed(&query) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(receive(&mut stream), reflection(&query));
    assert_eq!(ask(&mut stream, &query), reflection(&query));
}

#[test]
fn messages_of_every_size_pass_both_ways() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut stream = connect(server.addresses[0]);
    for length in [12, 13, 2045, 2046, 2047, 2048, 4096, 65_534, 65_535] {
        let query = message(1, &vec![0; length - 12]);
        assert_eq!(ask(&mut stream, &query), reflection(&query));
        let wish = u16::try_from(length).unwrap().to_be_bytes();
        assert_eq!(ask(&mut stream, &message(2, &[b'B', wish[0], wish[1]])).len(), length);
    }
}

#[test]
fn a_client_that_closes_its_half_still_gets_all_answers() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut stream = connect(server.addresses[0]);
    let queries: Vec<Vec<u8>> = (0..50).map(|id| message(id, b"B\xff\xff")).collect();
    for query in &queries {
        stream.write_all(&framed(query)).unwrap();
    }
    stream.write_all(&[0, 40, 1, 2, 3]).unwrap(); // and a message that never ends
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 0..50u16 {
        let answer = receive(&mut stream);
        assert_eq!((answer.len(), &answer[..2]), (65_535, &id.to_be_bytes()[..]));
    }
    assert!(is_over(&mut stream));
}

#[test]
fn the_address_asked_is_known_behind_a_wildcard() {
    let server = Server::start(&["0.0.0.0:0"], 1, LIMITS);
    let address = SocketAddr::new([127, 0, 0, 9].into(), server.addresses[0].port());
    let answer = ask(&mut connect(address), &message(1, b"L"));
    assert_eq!(&answer[12..], b"127.0.0.9");
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { idle: SOON, ..LIMITS });
    let mut silent = connect(server.addresses[0]);
    let mut once = connect(server.addresses[0]);
    let query = message(5, b"");
    assert_eq!(ask(&mut once, &query), reflection(&query));
    assert!(is_over(&mut silent));
    assert!(is_over(&mut once));
}

#[test]
fn a_message_that_drips_in_gains_no_time() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { idle: SOON, ..LIMITS });
    let mut stream = connect(server.addresses[0]);
    stream.write_all(&[0xff, 0xff]).unwrap();
    // Would go on for 65,535 octets if each of them counted as activity.
    eventually("the connection is closed", || stream.write_all(&[0]).is_err());
}

#[test]
fn a_connection_grows_only_so_old_however_busy() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { lifetime: SOON, ..LIMITS });
    let mut stream = connect(server.addresses[0]);
    eventually("the connection is closed", || !is_served(&mut stream));
    assert!(is_served(&mut connect(server.addresses[0])));
}

#[test]
fn clients_that_drip_hold_no_more_than_their_share() {
    let limits = Limits { per_client: 8, ..LIMITS };
    let server = Server::start(&["127.0.0.1:0"], 1, limits);
    let address = server.addresses[0];
    let mut dripping: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
    for _ in 0..3 {
        for stream in &mut dripping {
            // The length of a message, and a part of it; refused ones are reset.
            let _ = stream.write_all(&[0xff]);
        }
    }
    assert!(is_served(&mut connect_from("127.0.0.2", address)));
    let counts = server.running().connection_counts();
    assert_eq!((counts.accepted, counts.refused), (8 + 1, 92));
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { idle: SOON, ..LIMITS });
    let mut stream = connect(server.addresses[0]);
    let query = framed(&message(1, b"B\xff\xff"));
    // The kernel's buffers fill, then the server neither reads nor waits for ever.
    eventually("the connection is closed", || stream.write_all(&query).is_err());
    assert!(is_served(&mut connect(server.addresses[0])));
}

#[test]
fn a_client_over_its_share_is_refused_and_others_are_not() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { per_client: 3, ..LIMITS });
    let address = server.addresses[0];
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
    assert!(held.iter_mut().all(is_served));
    assert!(is_over(&mut connect(address)));
    assert!(is_served(&mut connect_from("127.0.0.2", address)));
    assert!(held.iter_mut().all(is_served));
    assert_eq!(server.running().connection_counts().refused, 1);
    drop(held.pop());
    eventually("the seat is free again", || is_served(&mut connect(address)));
}

#[test]
fn when_all_seats_are_taken_the_longest_idle_gives_way() {
    let server = Server::start(&["127.0.0.1:0"], 1, Limits { connections: 3, ..LIMITS });
    let address = server.addresses[0];
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
    assert!(held.iter_mut().all(is_served));
    assert!(is_served(&mut held[0]));
    let mut newcomer = connect(address);
    assert!(is_served(&mut newcomer));
    assert!(is_over(&mut held[1]));
    assert!(is_served(&mut held[0]) && is_served(&mut held[2]));
    assert_eq!(server.running().connection_counts().evicted, 1);
}

#[test]
fn what_deserves_no_answer_ends_the_connection_after_the_answers_before_it() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut stream = connect(server.addresses[0]);
    let query = message(1, b"good");
    let mut segment = framed(&query);
    segment.extend(framed(b"bad"));
    stream.write_all(&segment).unwrap();
    assert_eq!(receive(&mut stream), reflection(&query));
    assert!(is_over(&mut stream));
}

#[test]
fn a_defect_in_answering_ends_one_connection_and_no_other() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut steady = connect(server.addresses[0]);
    assert!(is_served(&mut steady));
    for _ in 0..8 {
        let mut stream = connect(server.addresses[0]);
        stream.write_all(&framed(&message(1, b"P"))).unwrap();
        assert!(is_over(&mut stream));
    }
    assert!(is_served(&mut steady));
    assert!(is_served(&mut connect(server.addresses[0])));
}

#[test]
fn stopping_closes_idle_and_busy_connections_and_frees_the_port() {
    let mut server = Server::start(&["127.0.0.1:0"], 2, LIMITS);
    let address = server.addresses[0];
    let mut idle = connect(address);
    assert!(is_served(&mut idle));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut busy = connect(address);
                while is_served(&mut busy) {}
            });
        }
        eventually("all are there", || server.running().connection_counts().accepted == 5);
        server.stop();
    });
    assert!(is_over(&mut idle));
    assert!(TcpStream::connect(address).is_err());
    meridian::transport::Bound::bind(&[address], 2).expect("the port is free");
}

#[test]
fn a_new_engine_answers_on_an_open_connection() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let mut stream = connect(server.addresses[0]);
    let old = Arc::downgrade(&server.engine.load_full());
    assert_eq!(ask(&mut stream, &message(1, b""))[3], 0);
    server.engine.store(Arc::new(Mirror { mark: 9 }));
    assert_eq!(ask(&mut stream, &message(1, b""))[3], 9);
    eventually("the idle connection holds no engine", || old.upgrade().is_none());
}

#[tokio::test]
async fn the_stream_loop_serves_whatever_carries_octets() {
    let (mut client, mut server) = tokio::io::duplex(16);
    let engine = ArcSwap::from_pointee(Mirror { mark: 0 });
    let (stop, stopped) = watch::channel(false);
    let ends =
        Ends { client: ([192, 0, 2, 1], 4000).into(), local: None, transport: Transport::Tcp };
    let served = async {
        stream::serve(&mut server, ends, &engine, &LIMITS, stopped, || {}).await.unwrap();
    };
    let asked = async {
        for id in 0..20 {
            let query = message(id, b"through a pipe of sixteen octets");
            client.write_all(&framed(&query)).await.unwrap();
            let mut answer = vec![0; query.len() + 2];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, framed(&reflection(&query)));
        }
        stop.send_replace(true);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    };
    tokio::join!(served, asked);
}
