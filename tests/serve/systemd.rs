//! What systemd is told, through a socket such as it has.

use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::dns::{Ask, socket};
use crate::support::program::{CONFIG, Files, PATIENCE, Process, SERVER, ZONE, until};

/// A server's files, and the socket that it tells.
struct Bed {
    files: Files,
    told: UnixDatagram,
}

impl Bed {
    fn new() -> Bed {
        let files = Files::new().with(CONFIG, SERVER).with("zones/example.com.zone", ZONE);
        let told = UnixDatagram::bind(files.path("notify")).unwrap();
        told.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Bed { files, told }
    }

    fn start(&self, watchdog: &str) -> Process {
        let path = self.files.path("notify");
        let variables = [("NOTIFY_SOCKET", path.as_path()), ("WATCHDOG_USEC", Path::new(watchdog))];
        self.files.start_with(&variables, &["serve", "--listen", "127.0.0.1:0"])
    }

    /// The next message, if one is there.
    fn next(&self) -> Option<String> {
        let mut octets = [0; 4096];
        match self.told.recv(&mut octets) {
            Ok(length) => Some(String::from_utf8(octets[..length].to_vec()).unwrap()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message with this line in it; all before it are passed over but for those with
    /// one of the others.
    fn wait(&self, line: &str, not: &[&str]) -> String {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let Some(message) = self.next() else { continue };
            if message.lines().any(|own| own == line) {
                return message;
            }
            for not in not {
                assert!(!message.lines().any(|own| own == *not), "{not} before {line}: {message}");
            }
        }
        panic!("{line} was not told");
    }
}

fn address(process: &Process) -> std::net::SocketAddr {
    let line = process.stderr.wait("an address", |line| line.contains("answering for "));
    let (_, rest) = line.rsplit_once(" on ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn it_is_ready_when_it_answers_and_not_before() {
    let bed = Bed::new();
    // The first round of checks waits for a target that does not answer.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    bed.files.write(
        "config/policies/web.toml",
        format!(
            "[monitor.dns]\nkind = \"dns\"\nquery = \"example.com\"\nport = {}\ntimeout = \"500ms\"\n\
             [pool.east]\nmonitor = \"dns\"\nmembers = [\"127.0.0.1\"]\n\
             [record.\"www.example.com\"]\nuse = \"east\"\n",
            silent.local_addr().unwrap().port()
        ),
    );
    let mut process = bed.start("0");
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.recv_from(&mut [0; 512]).expect("the first check");
    assert_eq!(bed.next(), None, "it is not ready while the first check is under way");
    let ready = bed.wait("READY=1", &[]);
    assert!(ready.contains("STATUS=answering for 1 zone\n"), "{ready}");
    // Nothing is waited for any more: what it was asked is answered.
    let server = address(&process);
    assert_eq!(Ask::new("ns1.example.com", "A").over(&socket(server)).one(), "192.0.2.53");
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn reloads_are_told_when_they_begin_and_end_whoever_asks_for_them() {
    let bed = Bed::new();
    let mut process = bed.start("0");
    bed.wait("READY=1", &["RELOADING=1"]);
    // There is something to roll back to: it is kept while queries are answered already.
    let first = bed.files.path("state/generations/1.json");
    until("the first generation is kept", || first.exists());
    let reloaded = |status: &str| {
        let begin = bed.wait("RELOADING=1", &["READY=1"]);
        let time = begin.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
        let end = bed.wait("READY=1", &["RELOADING=1"]);
        assert!(end.contains(&format!("STATUS={status}\n")), "{end}");
    };
    bed.files.write("zones/example.com.zone", ZONE.replace("192.0.2.53", "192.0.2.54"));
    process.signal("HUP");
    reloaded("generation 2 in force");
    assert_eq!(bed.files.run(&["ctl", "reload"]).code, 0);
    reloaded("generation 3 in force");
    bed.files.write("zones/example.com.zone", "broken");
    assert_eq!(bed.files.run(&["ctl", "reload"]).code, 1);
    reloaded("generation 3 in force; the last reload failed");
    assert_eq!(bed.files.run(&["ctl", "rollback", "1"]).code, 0);
    reloaded("generation 4 in force");
    process.signal("TERM");
    bed.wait("STOPPING=1", &["READY=1"]);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_as_long_as_the_server_is_alive() {
    let bed = Bed::new();
    // Half of it is 100 ms.
    let mut process = bed.start("200000");
    bed.wait("READY=1", &["WATCHDOG=1"]);
    for _ in 0..5 {
        bed.wait("WATCHDOG=1", &[]);
    }
    // A process that stands still tells nothing; what it told before is there already.
    process.signal("STOP");
    let status = format!("/proc/{}/status", process.id());
    until("it stands still", || fs::read_to_string(&status).unwrap().contains("State:\tT"));
    while bed.next().is_some() {}
    assert_eq!(bed.next(), None);
    process.signal("CONT");
    bed.wait("WATCHDOG=1", &[]);
    process.signal("TERM");
    bed.wait("STOPPING=1", &[]);
    assert_eq!(process.wait().code(), Some(0));
    while let Some(message) = bed.next() {
        assert!(!message.contains("WATCHDOG"), "{message}");
    }
}

#[test]
fn nobody_is_told_where_nobody_listens() {
    let bed = Bed::new();
    let gone = bed.files.path("gone");
    let mut process = bed
        .files
        .start_with(&[("NOTIFY_SOCKET", gone.as_path())], &["serve", "--listen", "127.0.0.1:0"]);
    let server = address(&process);
    assert_eq!(Ask::new("ns1.example.com", "A").udp(server).one(), "192.0.2.53");
    process.stderr.wait("a warning", |line| line.contains("systemd is not told"));
    assert_eq!(process.stop(), Some(0));
}
