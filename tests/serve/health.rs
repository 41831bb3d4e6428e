//! `meridian serve` with regions that fail, in front of real health servers: what clients are
//! told meanwhile, and afterwards.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;

use crate::support::certificates::{Authority, self_signed};
use crate::support::dns::{Ask, socket};
use crate::support::hostile::{Behaviour, Refusing, Server};
use crate::support::program::{Files, SERVER, Serving, until};

fn files(policies: &str) -> Files {
    Files::of(SERVER, policies)
}

/// A monitor that notices a failure within about two seconds.
const MONITOR: &str = r#"
[monitor.web]
kind     = "http"
path     = "/health"
interval = "1s"
timeout  = "500ms"
fall     = 2
rise     = 2
"#;

fn pool(name: &str, address: &str, check: SocketAddr) -> String {
    format!(
        "[pool.{name}]\nmonitor = \"web\"\nmembers = [{{ address = \"{address}\", check = \"{check}\" }}]\n"
    )
}

fn one(serving: &Serving, name: &str) -> String {
    Ask::new(name, "A").udp(serving.address()).one()
}

fn until_one(serving: &Serving, name: &str, address: &str) {
    until(&format!("{name} is {address}"), || one(serving, name) == address);
}

/// Queries one after the other, from many ports, until told to stop. Every one is answered.
struct Stream {
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Stream {
    fn start(server: SocketAddr, name: &str) -> Stream {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let ask = Ask::new(name, "A").size(1232);
        let (told, is_over) = (seen.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let sockets: Vec<_> = (0..8).map(|_| socket(server)).collect();
            for socket in sockets.iter().cycle() {
                if is_over.load(SeqCst) {
                    return;
                }
                // Fails when no answer comes.
                told.lock().unwrap().push(ask.over(socket).one());
                thread::sleep(Duration::from_millis(1));
            }
        });
        Stream { seen, stop, thread: Some(thread) }
    }

    fn last(&self) -> Option<String> {
        self.seen.lock().unwrap().last().cloned()
    }

    /// Every answer, with repetitions in a row taken together.
    fn end(mut self) -> Vec<String> {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
        let mut seen = self.seen.lock().unwrap().clone();
        seen.dedup();
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_region_leaves_the_answers_within_3_s_and_no_query_is_lost() {
    let (east, west) = ("192.0.2.10", "198.51.100.10");
    // An address of its own, so that nothing else can take the port meanwhile.
    let first = Server::start_on("127.0.31.1:0", Behaviour::good()).await;
    let second = Server::start(Behaviour::good()).await;
    let at = first.address;
    let policies = format!(
        "{MONITOR}{}{}[policy.pair]\nkind = \"failover\"\ntargets = [\"east\", \"west\"]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 2\n",
        pool("east", east, at),
        pool("west", west, second.address)
    );
    let files = files(&policies);
    let mut serving = files.serve();
    let stream = Stream::start(serving.address(), "www.example.com");
    until("the first region answers", || stream.last().as_deref() == Some(east));

    drop(first);
    let stopped = Instant::now();
    until("the other region answers", || stream.last().as_deref() == Some(west));
    // 2 x 1.1 s between checks; the rest is for a busy machine.
    assert!(stopped.elapsed() < Duration::from_secs(6), "{:?}", stopped.elapsed());
    serving.log(&["WARN", &at.to_string(), "is down (monitor web): refused"]);
    serving.log(&["WARN", "pool east is down"]);

    let _first = Server::start_on(&at.to_string(), Behaviour::good()).await;
    until("the first region is back", || stream.last().as_deref() == Some(east));
    serving.log(&["INFO", &at.to_string(), "is up (monitor web)"]);
    serving.log(&["INFO", "pool east is up"]);
    assert_eq!(stream.end(), [east, west, east]);
    assert_eq!(serving.process.stop(), Some(0));
}

/// What goes wrong, and how the log says so.
fn failures() -> Vec<(&'static str, Behaviour, &'static str)> {
    let pause = Duration::from_millis(20);
    let ok = "HTTP/1.1 200 OK\r\n";
    let head = |rest: &str| format!("{ok}{rest}").into_bytes();
    vec![
        ("hang", Behaviour::Hang, "timed out after 1s waiting for the response head"),
        // The request may be read or not when the connection ends.
        ("close", Behaviour::Close, "connection "),
        (
            "reset",
            Behaviour::ReplyThenReset(head("Content-Length: 9\r\n\r\nok")),
            "connection reset while ",
        ),
        (
            "half-a-head",
            Behaviour::ReplyThenHang(head("Content-Le")),
            "timed out after 1s waiting for the response head",
        ),
        (
            "dripping-head",
            Behaviour::ReplyThenRepeat(head(""), b"X-A: b\r\n".into(), pause),
            "timed out after 1s waiting for the response head",
        ),
        (
            "dripping-body",
            Behaviour::ReplyThenRepeat(head("Content-Length: 9999\r\n\r\n"), b"ok".into(), pause),
            "timed out after 1s reading the body",
        ),
        ("status", Behaviour::status(503, "ok"), "503 for GET /health, wanted 200-299"),
        ("body", Behaviour::status(200, "sorry"), "body without `ok`; it begins `sorry`"),
        (
            "redirect",
            Behaviour::with_headers(302, "Location: http://127.0.0.1/ok\r\n", "ok"),
            "redirected with 302 to `http://127.0.0.1/ok` for GET /health, wanted 200-299",
        ),
        (
            "endless-body",
            Behaviour::ReplyThenRepeat(head("\r\n"), vec![b'x'; 65_536], Duration::ZERO),
            "body without `ok`; it begins `xxx",
        ),
        ("truncated", Behaviour::Reply(head("Content-Length: 99\r\n\r\nok")), "body truncated"),
        ("not-http", Behaviour::Reply(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".into()), "not proper HTTP: "),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_takes_the_region_out_and_is_told_in_the_log() {
    let mut policies = r#"
        [monitor.web]
        kind = "http"
        path = "/health"
        interval = "1s"
        timeout = "1s"
        fall = 2
        rise = 1
        expect = { body = "ok" }
        [pool.backup]
        members = ["198.51.100.1"]
    "#
    .to_owned();
    let failures = failures();
    let mut servers = Vec::new();
    for (index, (name, ..)) in failures.iter().enumerate() {
        let server = Server::start(Behaviour::good()).await;
        policies += &pool(name, &format!("192.0.2.{}", index + 1), server.address);
        policies += &format!(
            "[policy.p-{name}]\nkind = \"failover\"\ntargets = [\"{name}\", \"backup\"]\n\
             [record.\"{name}.example.com\"]\nuse = \"p-{name}\"\nttl = 2\n"
        );
        servers.push(server);
    }
    let files = files(&policies);
    let serving = files.serve();
    let name = |index: usize| format!("{}.example.com", failures[index].0);
    let address = |index: usize| format!("192.0.2.{}", index + 1);
    for index in 0..failures.len() {
        until_one(&serving, &name(index), &address(index));
    }
    for (server, (_, behaviour, _)) in servers.iter().zip(&failures) {
        server.now(behaviour.clone());
    }
    for (index, (_, _, reason)) in failures.iter().enumerate() {
        until_one(&serving, &name(index), "198.51.100.1");
        let target = servers[index].address.to_string();
        serving.log(&[&target, "is down", reason]);
    }
    for server in &servers {
        server.now(Behaviour::good());
    }
    for index in 0..failures.len() {
        until_one(&serving, &name(index), &address(index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_takes_the_region_out_and_is_told_in_the_log() {
    let authority = Authority::new("Meridian test authority");
    let good = Behaviour::good;
    let host = "www.example.com";
    let servers = [
        ("good", Server::start_tls(good(), authority.server(host)).await, ""),
        ("unknown", Server::start_tls(good(), self_signed(host)).await, "certificate: "),
        (
            "other-name",
            Server::start_tls(good(), authority.server("other.example.com")).await,
            "certificate: ",
        ),
        (
            "expired",
            Server::start_tls(good(), authority.server_valid(host, 2020, 2021)).await,
            "certificate: ",
        ),
        ("clear-text", Server::start(Behaviour::Greet(b"hello\r\n".into())).await, "TLS: "),
    ];
    let mut policies = r#"
        [monitor.web]
        kind = "https"
        host = "www.example.com"
        ca = "ca.pem"
        interval = "1s"
        [pool.backup]
        members = ["198.51.100.1"]
    "#
    .to_owned();
    for (name, server, _) in &servers {
        policies += &pool(name, "192.0.2.1", server.address);
        policies += &format!(
            "[policy.p-{name}]\nkind = \"failover\"\ntargets = [\"{name}\", \"backup\"]\n\
             [record.\"{name}.example.com\"]\nuse = \"p-{name}\"\nttl = 2\n"
        );
    }
    let files = files(&policies).with("config/policies/ca.pem", authority.pem());
    let serving = files.serve();
    for (name, server, reason) in &servers {
        // The first round of checks is over before the first answer.
        let expected = if reason.is_empty() { "192.0.2.1" } else { "198.51.100.1" };
        assert_eq!(one(&serving, &format!("{name}.example.com")), expected, "{name}");
        if !reason.is_empty() {
            serving.log(&[&server.address.to_string(), "is down", reason]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_dead_at_the_start_is_never_served_and_the_log_says_why_once() {
    let (nobody, sick) = (Refusing::new(), Server::start(Behaviour::status(503, "")).await);
    let policies = format!(
        "{MONITOR}{}{}[pool.last]\nmembers = [\"203.0.113.10\"]\n\
         [policy.three]\nkind = \"failover\"\ntargets = [\"east\", \"west\", \"last\"]\n\
         [record.\"www.example.com\"]\nuse = \"three\"\nttl = 2\n",
        pool("east", "192.0.2.10", nobody.address),
        pool("west", "198.51.100.10", sick.address)
    );
    let files = files(&policies);
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "203.0.113.10");
    let refused = format!("{} is down (monitor web): refused", nobody.address);
    let wrong = format!("{} is down (monitor web): 503 for GET /health", sick.address);
    serving.log(&[&refused]);
    serving.log(&[&wrong]);
    serving.log(&["pool east is down"]);
    // By the second round a late report of the first would have been told.
    let asked = sick.requests().len();
    until("the checks have gone on", || sick.requests().len() >= asked + 2);
    assert_eq!(serving.process.stop(), Some(0));
    let log = serving.process.stderr.all();
    for target in [nobody.address, sick.address] {
        assert_eq!(log.matches(&format!("{target} is down")).count(), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everything_is_down_each_record_says_what_it_was_told_to_say() {
    let one_member = Server::start(Behaviour::good()).await;
    let other = Server::start(Behaviour::good()).await;
    let mut policies = format!(
        "{MONITOR}[pool.east]\nmonitor = \"web\"\nmembers = [\n\
         {{ address = \"192.0.2.1\", check = \"{}\" }},\n\
         {{ address = \"192.0.2.2\", check = \"{}\" }},\n]\n",
        one_member.address, other.address
    );
    let forms = [
        ("all", "\"all\""),
        ("last-known", "\"last-known\""),
        ("nodata", "\"nodata\""),
        ("servfail", "\"servfail\""),
        ("addresses", "[\"198.51.100.98\", \"198.51.100.99\", \"2001:db8::99\"]"),
    ];
    for (name, form) in forms {
        policies += &format!(
            "[record.\"{name}.example.com\"]\nuse = \"east\"\nttl = 2\non_all_down = {form}\n"
        );
    }
    let files = files(&policies);
    let serving = files.serve();
    let ask = |name: &str, rtype| {
        let told = Ask::new(&format!("{name}.example.com"), rtype)
            .from("192.0.2.0/24")
            .udp(serving.address());
        (told.rcode(), told.set())
    };
    let none = Vec::<String>::new;
    let no_error = ResponseCode::NoError;
    let all_up = (no_error, vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]);
    let only_first = (no_error, vec!["192.0.2.1".to_owned()]);
    assert!(forms.iter().all(|(name, _)| ask(name, "A") == all_up));
    other.now(Behaviour::status(500, ""));
    until("one member is out", || forms.iter().all(|(name, _)| ask(name, "A") == only_first));
    one_member.now(Behaviour::Hang);
    until("all is down", || ask("servfail", "A") == (ResponseCode::ServFail, none()));
    assert_eq!(ask("all", "A"), all_up);
    assert_eq!(ask("last-known", "A"), only_first);
    assert_eq!(ask("nodata", "A"), (no_error, none()));
    let spare = vec!["198.51.100.98".to_owned(), "198.51.100.99".to_owned()];
    assert_eq!(ask("addresses", "A"), (no_error, spare));
    for (name, _) in forms {
        serving.log(&["ERROR", "nothing is up for", &format!("{name}.example.com")]);
    }
    other.now(Behaviour::good());
    let only_second = (no_error, vec!["192.0.2.2".to_owned()]);
    until("one member is back", || forms.iter().all(|(name, _)| ask(name, "A") == only_second));
    for (name, _) in forms {
        serving.log(&["INFO", "something is up again for", &format!("{name}.example.com")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_both_families_stand_in_when_everything_is_down() {
    let nobody = Refusing::new();
    let policies = format!(
        "{MONITOR}{}[record.\"www.example.com\"]\nuse = \"east\"\n\
         on_all_down = [\"198.51.100.99\", \"2001:db8::99\"]\n",
        pool("east", "192.0.2.1", nobody.address)
    );
    let files = files(&policies);
    let serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.99");
    let told = Ask::new("www.example.com", "AAAA").udp(serving.address());
    assert_eq!(told.one(), "2001:db8::99");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_family_that_fails_does_not_take_the_other_along() {
    let v4 = Server::start(Behaviour::good()).await;
    let v6 = Server::start(Behaviour::good()).await;
    let policies = format!(
        "{MONITOR}[pool.east]\nmonitor = \"web\"\nmembers = [\n\
         {{ address = \"192.0.2.1\", check = \"{}\" }},\n\
         {{ address = \"2001:db8:1::1\", check = \"{}\" }},\n]\n\
         [pool.west]\nmembers = [\"198.51.100.1\", \"2001:db8:2::1\"]\n\
         [policy.pair]\nkind = \"failover\"\ntargets = [\"east\", \"west\"]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 2\n",
        v4.address, v6.address
    );
    let files = files(&policies);
    let serving = files.serve();
    let ask = |rtype| Ask::new("www.example.com", rtype).udp(serving.address()).one();
    assert_eq!((ask("A"), ask("AAAA")), ("192.0.2.1".into(), "2001:db8:1::1".into()));
    v4.now(Behaviour::Close);
    until("A is elsewhere", || ask("A") == "198.51.100.1");
    assert_eq!(ask("AAAA"), "2001:db8:1::1");
    v6.now(Behaviour::Close);
    until("AAAA is elsewhere", || ask("AAAA") == "2001:db8:2::1");
    v4.now(Behaviour::good());
    until("A is back", || ask("A") == "192.0.2.1");
    assert_eq!(ask("AAAA"), "2001:db8:2::1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_known_to_be_down_is_not_served_after_a_restart() {
    let sick = Server::start(Behaviour::status(503, "")).await;
    let policies = format!(
        "{}{}[pool.west]\nmembers = [\"198.51.100.1\"]\n\
         [policy.pair]\nkind = \"failover\"\ntargets = [\"east\", \"west\"]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 2\n",
        MONITOR.replace("rise     = 2", "rise     = 100"),
        pool("east", "192.0.2.1", sick.address)
    );
    let files = files(&policies);
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    assert_eq!(serving.process.stop(), Some(0));
    assert!(files.path("state/health.json").is_file());

    // Fewer than `rise` good checks follow: what was known holds.
    sick.now(Behaviour::good());
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    serving.log(&[&sick.address.to_string(), "is down (monitor web)"]);
    // `explain` knows it from the same file.
    let told = files.run(&["explain", "www.example.com", "A", "--client", "192.0.2.1"]);
    assert!(told.stdout.contains("198.51.100.1"), "{told:?}");
    assert!(told.stdout.contains("down: monitor web"), "{told:?}");
    assert_eq!(serving.process.stop(), Some(0));

    // Of a region of which nothing is known, the first check decides.
    std::fs::remove_dir_all(files.path("state")).unwrap();
    let serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_file_is_warned_of_and_does_no_harm() {
    let good = Server::start(Behaviour::good()).await;
    let policies = format!(
        "{MONITOR}{}[record.\"www.example.com\"]\nuse = \"east\"\n",
        pool("east", "192.0.2.1", good.address)
    );
    let files = files(&policies).with("state/health.json", "{ half a fi");
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.1");
    serving.log(&["WARN", "stored health state not used", "health.json"]);
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_the_first_round_of_checks_is_as_orderly_as_any_other() {
    let slow = Server::start(Behaviour::Hang).await;
    // The first round waits for this check as long as for any.
    let monitor = "[monitor.web]\nkind = \"http\"\ninterval = \"1h\"\ntimeout = \"1h\"\n";
    let policies = format!(
        "{monitor}{}[record.\"www.example.com\"]\nuse = \"east\"\n",
        pool("east", "192.0.2.1", slow.address)
    );
    let files = files(&policies);
    let mut process = files.start(&["serve", "--listen", "127.0.0.1:0"]);
    until("the check is under way", || slow.accepted() == 1);
    assert_eq!(process.stop(), Some(0));
    assert!(!process.stderr.all().contains("answering for"), "{}", process.stderr.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_that_share_an_address_share_its_check() {
    let server = Server::start(Behaviour::good()).await;
    let mut policies = MONITOR.to_owned();
    for name in ["a", "b", "c"] {
        policies += &pool(name, "192.0.2.1", server.address);
        policies += &format!("[record.\"{name}.example.com\"]\nuse = \"{name}\"\n");
    }
    let files = files(&policies);
    let serving = files.serve();
    until("the second round", || server.requests().len() >= 2);
    server.now(Behaviour::Close);
    for name in ["a", "b", "c"] {
        serving.log(&[&format!("pool {name} is down")]);
    }
    let log = serving.process.stderr.all();
    let target: IpAddr = server.address.ip();
    assert_eq!(log.matches(&format!("{target}:{} is down", server.address.port())).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_about_to_expire_is_told_in_the_log_and_in_explain_and_the_region_stays_up() {
    let authority = Authority::new("ours");
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // At most a year ahead, and never behind.
    let next_year = 1971 + (since_1970.as_secs() / 31_556_952) as i32;
    let config = authority.server_valid("www.example.com", 2020, next_year);
    let server = Server::start_tls(Behaviour::status(200, r#"{"load": 0.25}"#), config).await;
    let (certificate, key) = authority.files("meridian.example");
    let policies = format!(
        "[monitor.web]\nkind = \"https\"\nhost = \"www.example.com\"\nca = \"ca.pem\"\n\
         client_certificate = \"client.pem\"\nclient_key = \"client.key\"\n\
         load = {{ json = \"/load\" }}\n\
         expect = {{ certificate_days = 400, header = {{ content-length = {{ present = true }} }} }}\n\
         {}[record.\"www.example.com\"]\nuse = \"east\"\n",
        pool("east", "192.0.2.10", server.address)
    );
    let files = files(&policies)
        .with("config/policies/ca.pem", authority.pem())
        .with("config/policies/client.pem", certificate)
        .with("config/policies/client.key", key);
    let mut serving = files.serve();
    let line = serving.log(&["WARN", "certificate expires in "]);
    assert!(line.contains(&server.address.to_string()), "{line}");
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.10");
    assert_eq!(serving.process.stop(), Some(0));
    let explained = files.run(&["explain", "www.example.com", "--client", "192.0.2.1"]).stdout;
    let member = explained.lines().find(|line| line.contains("192.0.2.10 up:")).unwrap();
    assert!(member.contains(", load 0.25; certificate expires in "), "{member}");
}

#[test]
fn a_client_key_of_another_certificate_is_refused_at_load() {
    let authority = Authority::new("ours");
    let ((certificate, _), (_, key)) = (authority.files("a.example"), authority.files("a.example"));
    let policies = "[monitor.web]\nkind = \"https\"\nclient_certificate = \"client.pem\"\n\
                    client_key = \"client.key\"\n[pool.p]\nmonitor = \"web\"\n\
                    members = [\"192.0.2.1\"]\n[record.\"www.example.com\"]\nuse = \"p\"\n";
    let files = files(policies)
        .with("config/policies/client.pem", certificate)
        .with("config/policies/client.key", key);
    let checked = files.run(&["check"]);
    assert_eq!(checked.code, 2);
    assert!(
        checked.stderr.contains("the key is not that of the certificate"),
        "{}",
        checked.stderr
    );
    assert!(checked.stderr.contains("services.toml:4:14"), "{}", checked.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_cannot_be_read_is_told_once_and_shown_in_explain() {
    let server = Server::start(Behaviour::status(200, r#"{"load": 45.2}"#)).await;
    let monitor = format!("{MONITOR}load = {{ json = \"/load\" }}\n");
    let policies = format!(
        "{monitor}{}[record.\"www.example.com\"]\nuse = \"east\"\nttl = 2\n",
        pool("east", "192.0.2.10", server.address)
    );
    let files = files(&policies);
    let mut serving = files.serve();
    serving.log(&["WARN", "load not read", "45.2", "divide a percentage by 100"]);
    until("it is checked again", || server.requests().len() > 2);
    assert_eq!(serving.process.stderr.all().matches("load not read").count(), 1);
    assert_eq!(serving.process.stop(), Some(0));
    let explained = files.run(&["explain", "www.example.com", "--client", "192.0.2.1"]).stdout;
    let member = explained.lines().find(|line| line.contains("192.0.2.10 up:")).unwrap();
    assert!(member.ends_with("; load not known: the log says why"), "{member}");
}

/// A failover from one checked region to one that is not.
fn pair(monitor: &str, check: SocketAddr) -> String {
    format!(
        "[monitor.web]\nkind = \"http\"\npath = \"/health\"\n{monitor}\n{}\
         [pool.west]\nmembers = [\"198.51.100.1\"]\n\
         [policy.pair]\nkind = \"failover\"\ntargets = [\"east\", \"west\"]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 2\n",
        pool("east", "192.0.2.1", check)
    )
}

/// Waits until a server was asked so many times more.
fn until_asked(server: &Server, times: usize) {
    let wanted = server.requests().len() + times;
    until(&format!("{times} checks more"), || server.requests().len() >= wanted);
}

fn explained(files: &Files) -> String {
    files.run(&["explain", "www.example.com", "A", "--client", "192.0.2.1"]).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_went_down_stays_out_while_its_score_is_high_even_after_a_restart() {
    let server = Server::start(Behaviour::good()).await;
    let monitor = "interval = \"500ms\"\nfall = 1\nrise = 1\ndamping = true";
    let files = files(&pair(monitor, server.address));
    let mut serving = files.serve();
    assert_eq!(one(&serving, "www.example.com"), "192.0.2.1");
    server.now(Behaviour::status(503, ""));
    until_one(&serving, "www.example.com", "198.51.100.1");
    server.now(Behaviour::good());
    let target = server.address.to_string();
    serving.log(&["WARN", &target, "stays down (monitor web): damped with a score of 1.0, for 39"]);
    until_asked(&server, 4);
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    assert_eq!(serving.process.stop(), Some(0));

    let told = explained(&files);
    assert!(told.contains("down: monitor web"), "{told}");
    assert!(told.contains("; damped with a score of "), "{told}");
    let mut serving = files.serve();
    until_asked(&server, 2);
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    serving.log(&["WARN", &target, "stays down (monitor web): damped with a score of "]);
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_awaits_a_person_stays_out_even_after_a_restart() {
    let server = Server::start(Behaviour::good()).await;
    let monitor = "interval = \"500ms\"\nfall = 1\nrise = 1\nmanual_resume = true";
    let files = files(&pair(monitor, server.address));
    let mut serving = files.serve();
    server.now(Behaviour::status(503, ""));
    until_one(&serving, "www.example.com", "198.51.100.1");
    server.now(Behaviour::good());
    let target = server.address.to_string();
    serving.log(&["WARN", &target, "stays down (monitor web): awaits resume"]);
    until_asked(&server, 4);
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    assert_eq!(serving.process.stop(), Some(0));

    let told = explained(&files);
    assert!(told.contains("; awaits resume"), "{told}");
    let mut serving = files.serve();
    until_asked(&server, 2);
    assert_eq!(one(&serving, "www.example.com"), "198.51.100.1");
    serving.log(&["WARN", &target, "stays down (monitor web): awaits resume"]);
    assert_eq!(serving.process.stop(), Some(0));
}
