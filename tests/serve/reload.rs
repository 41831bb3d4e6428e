//! `meridian serve` and SIGHUP: one new generation or none, and no query lost meanwhile.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::dns::{Ask, socket};
use crate::support::hostile::{Behaviour, Refusing, Server};
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

fn zone(serial: u32, address: &str) -> String {
    format!(
        "$TTL 300\n@ SOA ns1 hostmaster {serial} 7200 900 1209600 60\n@ NS ns1\n\
         ns1 A 192.0.2.53\nfixed A {address}\n"
    )
}

/// Checks of which each is one round, and there is no second one while a test runs.
const ONCE: &str = "[monitor.web]\nkind = \"http\"\npath = \"/health\"\ninterval = \"1h\"\n\
                    timeout = \"2s\"\nfall = 2\nrise = 2\n";

fn pool(name: &str, address: &str, check: SocketAddr) -> String {
    format!(
        "[pool.{name}]\nmonitor = \"web\"\n\
         members = [{{ address = \"{address}\", check = \"{check}\" }}]\n"
    )
}

fn pair(targets: &str) -> String {
    format!(
        "[policy.pair]\nkind = \"failover\"\ntargets = [{targets}]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 2\n"
    )
}

fn files(policies: &str) -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/services.toml", policies)
        .with("zones/example.com.zone", zone(1, "192.0.2.1"))
}

fn one(serving: &Serving, name: &str) -> String {
    Ask::new(name, "A").udp(serving.address()).one()
}

/// Asks for a reload and waits until it is over; what was said of it.
fn reload(serving: &Serving) -> String {
    let stderr = &serving.process.stderr;
    let before = stderr.count();
    serving.process.signal("HUP");
    stderr.wait_after(before, "the end of a reload", |line| {
        line.contains("is in force") || line.contains("not reloaded")
    });
    let said = stderr.all();
    said.lines().skip(before).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_changed_zone_is_answered_from_after_a_reload_and_the_log_says_what_changed() {
    let files =
        files("[pool.a]\nmembers = [\"192.0.2.9\"]\n[record.\"www.example.com\"]\nuse = \"a\"\n");
    let mut serving = files.serve();
    assert_eq!(one(&serving, "fixed.example.com"), "192.0.2.1");
    files.write("zones/example.com.zone", zone(2, "192.0.2.2"));
    files.write("zones/example.net.zone", zone(1, "192.0.2.3"));
    files.write(
        "config/policies/services.toml",
        "[pool.a]\nmembers = [\"192.0.2.10\"]\n[record.\"www.example.com\"]\nuse = \"a\"\nttl = 9\n",
    );
    assert!(reload(&serving).contains("generation 2 is in force"));
    assert_eq!(one(&serving, "fixed.example.com"), "192.0.2.2");
    assert_eq!(one(&serving, "fixed.example.net"), "192.0.2.3");
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.10");
    serving.log(&["zones: 1 added (example.net.)", "1 changed (example.com. (serial 1, now 2))"]);
    serving.log(&["members: 1 added (a/192.0.2.10), 1 removed (a/192.0.2.9)"]);
    serving.log(&["records: 1 changed (www.example.com.)"]);
    assert!(reload(&serving).contains("generation 3 is in force"));
    assert!(!serving.process.stderr.all().contains("generation 3, "), "nothing changed");
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported_as_check_does_it() {
    let database = b"not a database".as_slice();
    let files = files("[pool.a]\nmembers = [\"192.0.2.9\"]\n").with("geoip/broken.mmdb", database);
    let mut serving = files.serve();
    let good = zone(2, "192.0.2.2");
    let policies = "config/policies/services.toml";
    let zone_file = "zones/example.com.zone";
    let with_database = SERVER.replace("[]", "[\"../geoip/broken.mmdb\"]");
    let breakages: [(&str, &str, &str, &str); 4] = [
        (
            policies,
            "[pool.a]\nmembers = [\"192.0.2.9\"\n",
            "[pool.a]\nmembers = [\"192.0.2.9\"]\n",
            "services.toml:",
        ),
        (
            policies,
            "[pool.a]\nmember = [\"192.0.2.9\"]\n",
            "[pool.a]\nmembers = [\"192.0.2.9\"]\n",
            "services.toml:2:1",
        ),
        (zone_file, &good.replace("192.0.2.2\n", "192.0.2.257\n"), &good, "example.com.zone:5:9"),
        (CONFIG, &with_database, SERVER, "meridian.toml:8:14"),
    ];
    for (path, broken, repaired, place) in breakages {
        files.write(path, broken);
        files.write("zones/other.zone", zone(1, "192.0.2.4"));
        let said = reload(&serving);
        assert!(said.contains("ERROR") && said.contains("not reloaded"), "{said}");
        assert!(said.contains(place), "{place}: {said}");
        let check = files.run(&["check"]);
        assert_eq!(check.code, 2);
        assert!(said.contains(check.stderr.trim_end()), "{said}\n{}", check.stderr);
        // Nothing of it is half in force.
        assert_eq!(one(&serving, "fixed.example.com"), "192.0.2.1");
        let other = Ask::new("fixed.other", "A").udp(serving.address());
        assert_eq!(other.rcode(), hickory_proto::op::ResponseCode::Refused);
        files.write(path, repaired);
    }
    assert!(reload(&serving).contains("generation 2 is in force"));
    assert_eq!(one(&serving, "fixed.example.com"), "192.0.2.2");
    assert_eq!(one(&serving, "fixed.other"), "192.0.2.4");
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_down_stays_down_without_being_checked_again() {
    let sick = Server::start(Behaviour::status(503, "")).await;
    let good = Server::start(Behaviour::good()).await;
    let (east, west) =
        (pool("east", "192.0.2.1", sick.address), pool("west", "198.51.100.1", good.address));
    let files = files(&format!("{ONCE}{east}{west}{}", pair("\"east\", \"west\"")));
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    let checked = (sick.requests().len(), good.requests().len());
    assert_eq!(checked, (1, 1));

    // It would be up if it were asked. Pools trade their places, one is new, a line moved.
    sick.now(Behaviour::good());
    let new = Server::start(Behaviour::good()).await;
    let more = pool("north", "203.0.113.1", new.address);
    files.write(
        "config/policies/services.toml",
        format!("# a line\n{ONCE}{more}{west}{east}{}", pair("\"east\", \"west\", \"north\"")),
    );
    let said = reload(&serving);
    assert!(said.contains("generation 2 is in force"), "{said}");
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    assert_eq!((sick.requests().len(), good.requests().len()), checked);
    assert_eq!(new.requests().len(), 1);
    assert!(!said.contains("is down") && !said.contains("is up"), "{said}");
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_region_that_is_down_is_never_answered() {
    let good = Server::start(Behaviour::good()).await;
    let nobody = Refusing::new();
    let west = pool("west", "198.51.100.1", good.address);
    let files = files(&format!("{ONCE}{west}{}", pair("\"west\"")));
    let mut serving = files.serve();
    let load = Load::start(serving.address(), "www.example.com", |_| true);
    let east = pool("east", "192.0.2.1", nobody.address);
    let both = format!("{ONCE}{west}{east}{}", pair("\"east\", \"west\""));
    files.write("config/policies/services.toml", both);
    assert!(reload(&serving).contains("generation 2 is in force"));
    serving.log(&["WARN", &nobody.address.to_string(), "is down (monitor web): refused"]);
    serving.log(&["WARN", "pool east is down"]);
    let (answers, _) = load.end();
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["198.51.100.1"]);
    assert_eq!(good.requests().len(), 1);
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_removed_is_checked_no_more_and_others_keep_their_rhythm() {
    let removed = Server::start(Behaviour::good()).await;
    let stays = Server::start(Behaviour::good()).await;
    let monitor = ONCE.replace("1h", "500ms").replace("2s", "400ms");
    let west = pool("west", "198.51.100.1", stays.address);
    let east = pool("east", "192.0.2.1", removed.address);
    let files = files(&format!("{monitor}{east}{west}{}", pair("\"east\", \"west\"")));
    let mut serving = files.serve();
    until("both are checked again", || removed.requests().len() > 1 && stays.requests().len() > 1);
    let one_left = format!("{monitor}{west}{}", pair("\"west\""));
    files.write("config/policies/services.toml", one_left);
    assert!(reload(&serving).contains("generation 2 is in force"));
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    // A check in flight may still arrive.
    let (gone, before) = (removed.requests().len(), stays.requests().len());
    until("the other one goes on", || stays.requests().len() >= before + 4);
    assert!(removed.requests().len() <= gone + 1);
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_known_answer_survives_a_reload() {
    let region = Server::start(Behaviour::good()).await;
    let monitor = ONCE.replace("1h", "500ms").replace("2s", "400ms");
    let policies = format!(
        "{monitor}[pool.a]\nmonitor = \"web\"\nmin_healthy = 1\nmembers = [\n\
         {{ address = \"192.0.2.1\", check = \"{}\" }},\n\
         {{ address = \"192.0.2.2\", check = \"{}\" }},\n]\n\
         [record.\"www.example.com\"]\nuse = \"a\"\non_all_down = \"last-known\"\n",
        Refusing::new().address,
        region.address
    );
    let files = files(&policies);
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.2");
    region.now(Behaviour::Close);
    serving.log(&["pool a is down"]);
    let moved = format!("[pool.0]\nmembers = [\"203.0.113.1\"]\n{policies}");
    files.write("config/policies/services.toml", moved);
    assert!(reload(&serving).contains("generation 2 is in force"));
    // Without what was known both would be answered.
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.2");
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn what_waits_for_a_restart_is_said_and_the_rest_is_in_force() {
    let files = files("");
    let mut serving = files.serve();
    let workers = SERVER.replace("workers  = 2", "workers  = 3\nlisten = [\"127.0.0.1:1\"]");
    files
        .write(CONFIG, format!("{workers}[limits]\ntcp_idle = \"3s\"\n[log]\nlevel = \"debug\"\n"));
    files.write("zones/example.com.zone", zone(2, "192.0.2.2"));
    assert!(reload(&serving).contains("generation 2 is in force"));
    // `listen` was on the command line, which counts after a restart too.
    serving.log(&["WARN", "waiting for a restart: server.workers, limits.tcp_idle, log.level"]);
    assert_eq!(one(&serving, "fixed.example.com"), "192.0.2.2");
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn a_listener_that_is_removed_or_added_waits_for_a_restart() {
    let listen = |addresses| SERVER.replace("workers", &format!("listen = {addresses}\nworkers"));
    let files = files("").with(CONFIG, listen("[\"127.0.0.1:0\", \"127.0.0.2:0\"]"));
    let process = files.start(&["serve"]);
    let line = process.stderr.wait("a listener", |line| line.contains(" on 127.0.0.2:"));
    let (_, address) = line.rsplit_once(" on ").unwrap();
    let address: SocketAddr = address.split(',').next().unwrap().parse().unwrap();
    files.write(CONFIG, listen("[\"127.0.0.1:0\"]"));
    process.signal("HUP");
    process.stderr.wait("a warning", |line| {
        line.contains("WARN") && line.contains("waiting for a restart: server.listen")
    });
    assert_eq!(Ask::new("fixed.example.com", "A").udp(address).one(), "192.0.2.1");
}

/// The certificate that a new client of DNS over TLS is shown.
fn shown(authority: &Authority, address: SocketAddr) -> Vec<u8> {
    let name = "ns.example.com".to_owned().try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(authority.client(b"dot").into(), name).unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).unwrap();
    }
    tls.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_certificate_at_another_path_is_shown_after_a_reload_and_its_files_are_watched() {
    let authority = Authority::new("a");
    let config = |folder: &str| {
        format!(
            "{SERVER}[tls]\nlisten_dot = [\"127.0.0.1:0\"]\n\
             certificate = \"../{folder}/server.pem\"\nkey = \"../{folder}/server.key\"\n"
        )
    };
    let mut files = files("").with(CONFIG, config("one"));
    for folder in ["one", "two"] {
        let (certificate, key) = authority.files("ns.example.com");
        files = files
            .with(&format!("{folder}/server.pem"), certificate)
            .with(&format!("{folder}/server.key"), key);
    }
    let mut serving = files.serve();
    let line = serving.log(&[" on ", "DNS over TLS"]);
    let (_, address) = line.rsplit_once(" on ").unwrap();
    let address: SocketAddr = address.split(',').next().unwrap().parse().unwrap();
    let first = shown(&authority, address);

    files.write(CONFIG, config("missing"));
    assert!(reload(&serving).contains("meridian.toml:"));
    assert_eq!(shown(&authority, address), first);
    files.write(CONFIG, config("two"));
    assert!(reload(&serving).contains("generation 2 is in force"));
    let second = shown(&authority, address);
    assert_ne!(second, first);

    let (certificate, key) = authority.files("ns.example.com");
    files.write("two/server.pem", certificate);
    files.write("two/server.key", key);
    until("what replaces the files is shown", || shown(&authority, address) != second);
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn secondaries_are_told_of_the_zones_that_a_reload_changed() {
    let secondary = UdpSocket::bind("127.0.0.1:0").unwrap();
    secondary.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let notify = format!("[transfer]\nnotify = [\"{}\"]\n", secondary.local_addr().unwrap());
    let files = files("")
        .with(CONFIG, format!("{SERVER}{notify}"))
        .with("zones/example.net.zone", zone(1, "192.0.2.1"));
    let mut serving = files.serve();
    // The name of a zone that is announced, as its first label and its second one begin.
    let told = || {
        let mut octets = [0; 512];
        let (length, from) = secondary.recv_from(&mut octets).unwrap();
        octets[2] |= 0x80;
        secondary.send_to(&octets[..length], from).unwrap();
        if octets[12..].starts_with(b"\x07example\x03com") { "com" } else { "net" }
    };
    let mut first = [told(), told()];
    first.sort_unstable();
    assert_eq!(first, ["com", "net"]);
    for name in ["com", "net"] {
        serving.log(&["knows that zone", &format!("example.{name}. changed")]);
    }
    files.write("zones/example.com.zone", zone(2, "192.0.2.2"));
    let before = serving.process.stderr.count();
    assert!(reload(&serving).contains("generation 2 is in force"));
    assert_eq!(told(), "com");
    serving.process.stderr.wait_after(before, "news", |line| line.contains("example.com. changed"));
    files.write("zones/example.net.zone", zone(2, "192.0.2.2"));
    assert!(reload(&serving).contains("generation 3 is in force"));
    assert_eq!(told(), "net");
    assert_eq!(serving.process.stop(), Some(0));
}

/// So many queries of one socket are under way: fewer than any receive buffer holds, so that
/// none is lost by a queue that is full.
const WINDOW: usize = 16;

/// Sockets that load comes from.
const SOCKETS: usize = 8;

/// Queries in a closed loop over several sockets, each with a window of its own.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<(HashMap<String, u64>, u64)>>,
}

impl Load {
    /// Every query gets one answer that is `right`.
    fn start(server: SocketAddr, name: &'static str, right: fn(&str) -> bool) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..SOCKETS).map(|_| {
            let (stop, socket) = (stop.clone(), socket(server));
            thread::spawn(move || fire(&socket, name, right, &stop))
        });
        Load { threads: threads.collect(), stop }
    }

    /// How often each answer came, and how many queries there were.
    fn end(self) -> (HashMap<String, u64>, u64) {
        self.stop.store(true, SeqCst);
        let (mut answers, mut sent) = (HashMap::new(), 0);
        for thread in self.threads {
            let (more, its) = thread.join().unwrap();
            more.into_iter()
                .for_each(|(answer, count)| *answers.entry(answer).or_insert(0) += count);
            sent += its;
        }
        (answers, sent)
    }
}

fn fire(
    socket: &UdpSocket,
    name: &str,
    right: fn(&str) -> bool,
    stop: &AtomicBool,
) -> (HashMap<String, u64>, u64) {
    let ask = Ask::new(name, "A");
    let query = ask.message(0);
    let mut answers = HashMap::new();
    let (mut sent, mut octets) = (0u64, [0; 1500]);
    // Which identifiers wait for their answer.
    let mut waiting = vec![false; 1 << 16];
    let send = |waiting: &mut Vec<bool>, sent: &mut u64| {
        let id = *sent as u16;
        assert!(!std::mem::replace(&mut waiting[usize::from(id)], true));
        let mut query = query.clone();
        query[..2].copy_from_slice(&id.to_be_bytes());
        socket.send(&query).unwrap();
        *sent += 1;
    };
    for _ in 0..WINDOW {
        send(&mut waiting, &mut sent);
    }
    let mut received = 0u64;
    while received < sent {
        let length = socket.recv(&mut octets).expect("an answer to every query");
        let id = usize::from(u16::from_be_bytes([octets[0], octets[1]]));
        assert!(std::mem::take(&mut waiting[id]), "one answer to each query");
        // An answer of one A record ends with its address.
        assert_eq!(octets[2..4], [0x85, 0x00], "an authoritative answer without error");
        assert_eq!(octets[6..8], [0, 1]);
        let address: [u8; 4] = octets[length - 4..length].try_into().unwrap();
        let answer = std::net::Ipv4Addr::from(address).to_string();
        assert!(right(&answer), "{answer}");
        *answers.entry(answer).or_insert(0) += 1;
        received += 1;
        if !stop.load(SeqCst) {
            send(&mut waiting, &mut sent);
        }
    }
    // Nothing comes twice.
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(socket.recv(&mut octets).is_err());
    assert_eq!(received, sent);
    (answers, sent)
}

#[test]
fn twenty_reloads_under_load_lose_no_query() {
    let mut files =
        files("[pool.a]\nmembers = [\"192.0.2.9\"]\n[record.\"www.example.com\"]\nuse = \"a\"\n");
    for number in 0..200 {
        files = files.with(&format!("zones/z{number}.example.zone"), zone(1, "192.0.2.8"));
    }
    let mut serving = files.serve();
    let load = Load::start(serving.address(), "fixed.example.com", |answer| {
        let last = answer.strip_prefix("192.0.2.").and_then(|last| last.parse::<u32>().ok());
        last.is_some_and(|last| (1..=21).contains(&last))
    });
    for serial in 2..=21 {
        files.write("zones/example.com.zone", zone(serial, &format!("192.0.2.{serial}")));
        let said = reload(&serving);
        assert!(said.contains(&format!("generation {serial} is in force")), "{said}");
        // From now on everybody is answered from it.
        assert_eq!(one(&serving, "fixed.example.com"), format!("192.0.2.{serial}"));
    }
    let (answers, sent) = load.end();
    assert_eq!(answers.values().sum::<u64>(), sent);
    assert_eq!(answers.len(), 21, "every generation was asked: {answers:?}");
    assert!(sent > 1000, "{sent} queries");
    assert_eq!(serving.process.stop(), Some(0));
}

#[test]
fn broken_files_under_load_lose_no_query_and_each_is_named_with_its_line() {
    let files =
        files("[pool.a]\nmembers = [\"192.0.2.9\"]\n[record.\"www.example.com\"]\nuse = \"a\"\n");
    let mut serving = files.serve();
    let load = Load::start(serving.address(), "fixed.example.com", |answer| answer == "192.0.2.1");
    for line in 1..=10 {
        let lines = "# nothing\n".repeat(line - 1);
        files.write("config/policies/services.toml", format!("{lines}[pool.a\n"));
        let said = reload(&serving);
        assert!(said.contains("not reloaded"), "{said}");
        assert!(said.contains(&format!("services.toml:{line}:")), "{said}");
    }
    let (answers, sent) = load.end();
    assert_eq!(answers["192.0.2.1"], sent);
    assert!(sent > 1000, "{sent} queries");
    assert_eq!(serving.process.stop(), Some(0));
}
