//! UDP on real sockets.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use meridian::transport::Bound;

use crate::mirror::{LIMITS, Mirror, PATIENCE, Server, eventually, message, reflection};

/// A client that accepts datagrams from `server` only.
fn client(server: SocketAddr) -> UdpSocket {
    let from: IpAddr = if server.is_ipv4() { [127, 0, 0, 1].into() } else { server.ip() };
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).expect("an answer");
    buffer.truncate(length);
    buffer
}

fn ask(socket: &UdpSocket, query: &[u8]) -> Vec<u8> {
    socket.send(query).unwrap();
    receive(socket)
}

#[test]
fn many_clients_of_both_families_get_their_own_answers() {
    let server = Server::start(&["127.0.0.1:0", "[::1]:0"], 4, LIMITS);
    thread::scope(|scope| {
        for number in 0..32u16 {
            let address = server.addresses[usize::from(number) % 2];
            scope.spawn(move || {
                let socket = client(address);
                for round in 0..50u16 {
                    let queries: Vec<Vec<u8>> = (0..8)
                        .map(|i| message(number << 9 | round << 3 | i, &round.to_be_bytes()))
                        .collect();
                    for query in &queries {
                        socket.send(query).unwrap();
                    }
                    for query in &queries {
                        assert_eq!(receive(&socket), reflection(query));
                    }
                }
            });
        }
    });
    eventually("every datagram is counted", || {
        let counts = server.running().udp_counts();
        (counts.received, counts.answered, counts.unsent) == (32 * 50 * 8, 32 * 50 * 8, 0)
    });
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let server = Server::start(&["0.0.0.0:0", "[::]:0"], 2, LIMITS);
    for asked in ["127.0.0.1", "127.0.0.2", "127.8.9.10", "::1"] {
        let asked: IpAddr = asked.parse().unwrap();
        let port = server.addresses[usize::from(asked.is_ipv6())].port();
        // Connected: an answer from another address would not arrive.
        let socket = client((asked, port).into());
        let answer = ask(&socket, &message(7, b"L"));
        assert_eq!(&answer[12..], asked.to_string().as_bytes());
    }
}

#[test]
fn a_concrete_address_is_known_without_packet_information() {
    let server = Server::start(&["127.0.0.5:0"], 1, LIMITS);
    let answer = ask(&client(server.addresses[0]), &message(7, b"L"));
    assert_eq!(&answer[12..], b"127.0.0.5");
}

#[test]
fn ipv4_and_ipv6_share_a_port_number() {
    let first = Server::start(&["0.0.0.0:0"], 1, LIMITS);
    let port = first.addresses[0].port();
    let six: SocketAddr = format!("[::]:{port}").parse().unwrap();
    Bound::bind(&[six], 1).expect("the IPv6 wildcard leaves IPv4 alone");
}

#[test]
fn garbage_empty_and_oversized_datagrams_leave_the_worker_answering() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let socket = client(server.addresses[0]);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let lengths = (0..200).chain([511, 512, 1599, 1600, 1601, 4096, 9000, 60_000]);
    for (length, before) in lengths.zip(0..) {
        let octets: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .map(|octet| if octet == b'P' { 0 } else { octet })
            .collect();
        socket.send(&octets).unwrap();
        // One at a time, so that the socket's buffer holds them all.
        eventually("it is taken", || server.running().udp_counts().received == before + 1);
    }
    let oversized = server.running().udp_counts().discarded;
    assert_eq!(oversized, 4);
    let fresh = client(server.addresses[0]);
    let query = message(99, b"still there");
    assert_eq!(ask(&fresh, &query), reflection(&query));
}

#[test]
fn clients_that_hang_up_do_not_disturb_the_others() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let steady = client(server.addresses[0]);
    for id in 0..200 {
        // The answer meets a closed port, and the kernel hears of it by ICMP.
        client(server.addresses[0]).send(&message(id, b"gone")).unwrap();
        let query = message(id, b"here");
        assert_eq!(ask(&steady, &query), reflection(&query));
    }
}

#[test]
fn a_defect_in_answering_loses_a_batch_and_not_the_worker() {
    let server = Server::start(&["127.0.0.1:0"], 1, LIMITS);
    let socket = client(server.addresses[0]);
    for id in 0..3 {
        socket.send(&message(id, b"P")).unwrap();
        eventually("the panic is counted", || {
            server.running().udp_counts().panics == u64::from(id) + 1
        });
        let query = message(id, b"after");
        assert_eq!(ask(&socket, &query), reflection(&query));
    }
}

#[test]
fn a_new_engine_answers_the_next_query_and_the_old_one_is_let_go() {
    let server = Server::start(&["127.0.0.1:0"], 3, LIMITS);
    let old = Arc::downgrade(&server.engine.load_full());
    let clients: Vec<UdpSocket> = (0..16).map(|_| client(server.addresses[0])).collect();
    for socket in &clients {
        assert_eq!(ask(socket, &message(1, b""))[3], 0);
    }
    server.engine.store(Arc::new(Mirror { mark: 5 }));
    for socket in &clients {
        assert_eq!(ask(socket, &message(1, b""))[3], 5);
    }
    // Also by workers that nobody asks anything.
    server.engine.store(Arc::new(Mirror { mark: 6 }));
    eventually("no worker holds the first engine", || old.upgrade().is_none());
}

#[test]
fn stopping_under_load_ends_the_threads_and_frees_the_port() {
    for workers in [1, 3] {
        let mut server = Server::start(&["127.0.0.1:0", "0.0.0.0:0"], workers, LIMITS);
        let addresses = server.addresses.clone();
        let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for number in 0..4 {
                let (done, sent) = (&done, &sent);
                let mut address = addresses[number % 2];
                address.set_ip([127, 0, 0, 1].into());
                scope.spawn(move || {
                    let socket = client(address);
                    socket.set_nonblocking(true).unwrap();
                    while !done.load(Relaxed) {
                        // Refused once the port is closed, which is what we wait for.
                        if socket.send(&message(1, b"load")).is_ok() {
                            sent.fetch_add(1, Relaxed);
                        }
                        let _ = socket.recv(&mut [0; 64]);
                    }
                });
            }
            eventually("load flows", || server.running().udp_counts().answered > 1000);
            server.stop();
            let before = sent.load(Relaxed);
            eventually("load goes on", || sent.load(Relaxed) > before);
            done.store(true, Relaxed);
        });
        Bound::bind(&addresses, workers).expect("the ports are free");
    }
}

#[test]
fn an_idle_server_stops_at_once() {
    let mut server = Server::start(&["127.0.0.1:0", "[::1]:0"], 4, LIMITS);
    let weak = Arc::downgrade(&server.engine);
    server.stop();
    server.engine = Arc::new(arc_swap::ArcSwap::from_pointee(Mirror { mark: 0 }));
    eventually("nothing holds the engine", || weak.upgrade().is_none());
}
