//! One program takes the place of another on sockets that outlive both: nothing that was asked is
//! lost, and nothing is asked twice.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::dns::{Ask, socket};
use crate::support::program::{CONFIG, Files, PATIENCE, Process, SERVER, ZONE, until};

/// Clients, each with a socket of its own and one question under way.
const CLIENTS: usize = 32;
const RESTARTS: usize = 3;

/// What a service manager holds: the sockets of one address.
struct Held {
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

impl Held {
    /// On one port that is free for both.
    fn new() -> Held {
        loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = udp.local_addr().unwrap();
            // As systemd has them.
            udp.set_nonblocking(true).unwrap();
            if let Ok(tcp) = TcpListener::bind(address) {
                return Held { udp, tcp, address };
            }
        }
    }

    fn start(&self, files: &Files) -> Process {
        let listen = self.address.to_string();
        files.start_passed(&self.udp, &self.tcp, &[], &["serve", "--listen", &listen])
    }
}

fn files() -> Files {
    Files::new().with(CONFIG, SERVER).with("zones/example.com.zone", ZONE)
}

fn answering(process: &Process) {
    process.stderr.wait("that it answers", |line| line.contains("answering for 1 zone"));
}

#[test]
fn sockets_that_were_passed_are_answered_on_over_udp_and_tcp() {
    let (files, held) = (files(), Held::new());
    let mut process = held.start(&files);
    answering(&process);
    for _ in 0..50 {
        assert_eq!(Ask::new("ns1.example.com", "A").udp(held.address).one(), "192.0.2.53");
    }
    assert_eq!(Ask::new("ns1.example.com", "A").tcp(held.address).one(), "192.0.2.53");
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn a_socket_for_an_address_that_nobody_answers_on_is_told() {
    let (files, held) = (files(), Held::new());
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let process = files.start_passed(&held.udp, &held.tcp, &[], &arguments);
    for protocol in ["UDP", "TCP"] {
        let what = format!("a socket for {} ({protocol}) was passed", held.address);
        process.stderr.wait(&what, |line| line.contains(&what));
    }
    answering(&process);
}

#[test]
fn nothing_that_is_asked_while_the_program_is_replaced_is_lost() {
    let (files, held) = (files(), Held::new());
    let mut process = held.start(&files);
    answering(&process);
    let (is_over, answered, longest) =
        (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let asked: u64 = thread::scope(|scope| {
        let client = |number: usize| {
            let socket = socket(held.address);
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut asked = 0_u64;
            while !is_over.load(Relaxed) {
                let id = (number as u16) << 8 | (asked % 256) as u16;
                let begin = Instant::now();
                socket.send(&Ask::new("ns1.example.com", "A").message(id)).unwrap();
                asked += 1;
                let mut reply = [0; 512];
                // One question and one answer: it is never repeated.
                let length = socket.recv(&mut reply).expect("an answer to each question");
                assert!(length > 12 && reply[..2] == id.to_be_bytes());
                longest.fetch_max(begin.elapsed().as_millis() as u64, Relaxed);
                answered.fetch_add(1, Relaxed);
                // Bounded: this is no flood.
                thread::sleep(Duration::from_millis(1));
            }
            asked
        };
        let clients: Vec<_> =
            (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        let some_more = || {
            let goal = answered.load(Relaxed) + 10 * CLIENTS as u64;
            until("clients are answered", || answered.load(Relaxed) >= goal);
        };
        for _ in 0..RESTARTS {
            some_more();
            assert_eq!(process.stop(), Some(0));
            // Those who ask now wait in the kernel.
            process = held.start(&files);
            answering(&process);
        }
        some_more();
        is_over.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    println!(
        "{RESTARTS} restarts: {asked} asked, {} answered, the longest after {} ms",
        answered.load(Relaxed),
        longest.load(Relaxed)
    );
    assert_eq!(answered.load(Relaxed), asked);
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn connections_that_come_while_the_program_is_replaced_are_served() {
    let (files, held) = (files(), Held::new());
    let mut process = held.start(&files);
    answering(&process);
    assert_eq!(process.stop(), Some(0));
    let asked = thread::spawn({
        let address = held.address;
        move || Ask::new("ns1.example.com", "A").tcp(address).one()
    });
    let process = held.start(&files);
    answering(&process);
    assert_eq!(asked.join().unwrap(), "192.0.2.53");
}
