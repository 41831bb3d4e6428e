//! `meridian serve` tells the secondaries of a changed zone, which are plain sockets here: each
//! loses, refuses or forges something.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::support::program::{CONFIG, Files, Serving, until};

/// A server that has the zones from ours.
struct Secondary(UdpSocket);

/// A NOTIFY that came, and from where.
struct Notify {
    octets: Vec<u8>,
    from: SocketAddr,
}

impl Secondary {
    fn new() -> Secondary {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Secondary(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn receive(&self) -> Notify {
        let mut octets = vec![0; 512];
        let (length, from) = self.0.recv_from(&mut octets).expect("a NOTIFY");
        octets.truncate(length);
        // An authoritative query with this opcode, one question and one answer (RFC 1996 section 3.7).
        assert_eq!(octets[2..12], [0x24, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        Notify { octets, from }
    }

    fn has_mail(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        self.0.peek_from(&mut [0; 512]).is_ok()
    }

    fn answer(&self, notify: &Notify, rcode: u8) {
        self.0.send_to(&notify.answer(rcode), notify.from).unwrap();
    }
}

impl Notify {
    /// The serial in the SOA record, which has nothing behind it.
    fn serial(&self) -> u32 {
        let at = self.octets.len() - 20;
        u32::from_be_bytes(self.octets[at..at + 4].try_into().unwrap())
    }

    fn answer(&self, rcode: u8) -> Vec<u8> {
        let mut answer = self.octets.clone();
        answer[2] |= 0x80;
        answer[3] = rcode;
        answer
    }
}

fn zone(serial: u32) -> String {
    format!(
        "@ 300 SOA ns1 hostmaster {serial} 7200 1800 777600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n"
    )
}

/// A configuration that has each zone of `zones` notify its secondaries.
fn files(zones: &[(&str, &[&Secondary])]) -> Files {
    let mut server = "[server]\nzones = [\"../zones/*.zone\"]\nworkers = 1\nstate = \"state\"\n\
                      [geoip]\ndatabases = []\n"
        .to_owned();
    let mut files = Files::new();
    for (name, secondaries) in zones {
        let addresses: Vec<String> =
            secondaries.iter().map(|secondary| format!("\"{}\"", secondary.address())).collect();
        server += &format!("[transfer.zones.\"{name}\"]\nnotify = [{}]\n", addresses.join(", "));
        files = files.with(&format!("zones/{name}.zone"), zone(1));
    }
    files.with(CONFIG, server)
}

/// The serials in the state file; empty as long as there is none.
fn told(files: &Files) -> String {
    fs::read_to_string(files.path("config/state/zones.json")).unwrap_or_default()
}

fn is_told(files: &Files, serial: u32) -> bool {
    told(files).contains(&format!("\"serial\": {serial},"))
}

fn outcome(server: &Serving, secondary: &Secondary, outcome: &str) {
    server.log(&[&secondary.address().to_string(), outcome]);
}

#[test]
fn a_secondary_is_told_again_until_it_answers_itself() {
    let (lossy, refusing, forged) = (Secondary::new(), Secondary::new(), Secondary::new());
    let files = files(&[("example.com", &[&lossy, &refusing, &forged])]);
    let server = files.serve();

    let lost = lossy.receive();
    assert_eq!(lost.serial(), 1);
    refusing.answer(&refusing.receive(), 5);
    outcome(&server, &refusing, "does not want to know");
    let first = forged.receive();
    let mut with_another_id = first.answer(0);
    with_another_id[1] ^= 1;
    forged.0.send_to(&with_another_id, first.from).unwrap();
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.send_to(&first.answer(0), first.from).unwrap();
    // Not even an echo of our own message is an answer.
    forged.0.send_to(&first.octets, first.from).unwrap();

    // Nothing is written before all have answered or were given up.
    assert_eq!(told(&files), "");
    lossy.answer(&lossy.receive(), 0);
    outcome(&server, &lossy, "knows that zone example.com. changed");
    // It would not be told again if a forged answer had counted.
    forged.answer(&forged.receive(), 0);
    outcome(&server, &forged, "knows that zone example.com. changed");
    until("the state file says so", || is_told(&files, 1));
    assert!(!refusing.has_mail(), "who refused is not asked again");
}

#[test]
fn after_a_restart_only_secondaries_of_changed_zones_are_told() {
    let (same, changed) = (Secondary::new(), Secondary::new());
    let files = files(&[("a.example", &[&same]), ("b.example", &[&changed])]);
    let mut server = files.serve();
    for secondary in [&same, &changed] {
        secondary.answer(&secondary.receive(), 0);
    }
    until("the state file says so", || is_told(&files, 1));
    assert_eq!(server.process.stop(), Some(0));

    files.write("zones/b.example.zone", zone(2));
    let _server = files.serve();
    let notify = changed.receive();
    assert_eq!(notify.serial(), 2);
    changed.answer(&notify, 0);
    // It is written when all messages of this start have been answered.
    until("the state file says so", || is_told(&files, 2));
    assert!(is_told(&files, 1), "of the zone that is the same");
    assert!(!same.has_mail());
}
