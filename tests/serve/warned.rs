//! `meridian serve` with regions that are slow or busy: they keep less of their weight, are not
//! taken out, and get it back.

use std::time::Duration;

use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{Files, SERVER, Serving, until};

/// Two regions that share their clients, and what their monitor has besides `path`.
async fn regions(monitor: &str, behaviour: Behaviour) -> (Files, Server, Server) {
    let (first, second) = (Server::start(behaviour.clone()).await, Server::start(behaviour).await);
    let pool = |name: &str, address: &str, server: &Server| {
        let check = server.address;
        format!(
            "[pool.{name}]\nmonitor = \"web\"\n\
             members = [{{ address = \"{address}\", check = \"{check}\" }}]\n"
        )
    };
    let policies = format!(
        "[monitor.web]\nkind = \"http\"\npath = \"/health\"\nfall = 1\nrise = 1\n{monitor}\n{}{}\
         [policy.shared]\nkind = \"sticky\"\ntargets = [\"east\", \"west\"]\n\
         [record.\"www.example.com\"]\nuse = \"shared\"\nttl = 2\n",
        pool("east", "192.0.2.1", &first),
        pool("west", "198.51.100.1", &second)
    );
    let files = Files::of(SERVER, policies);
    (files, first, second)
}

/// Which addresses 64 clients are told.
fn told(serving: &Serving) -> Vec<String> {
    let ask = |n: u8| Ask::new("www.example.com", "A").from(&format!("10.0.{n}.0/24"));
    let mut seen: Vec<String> = (0..64).map(|n| ask(n).udp(serving.address()).one()).collect();
    seen.sort();
    seen.dedup();
    seen
}

/// `explain` reads the state file, which is written a moment after a change.
fn until_explained(files: &Files, wanted: &[&str]) {
    until("explain knows", || {
        let output = files.run(&["explain", "www.example.com", "--client", "10.0.0.1"]);
        assert_eq!(output.code, 0, "{output:?}");
        wanted.iter().all(|line| output.stdout.contains(line))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_checks_are_slow_gets_fewer_clients_and_is_not_taken_out() {
    let monitor = "interval = \"3s\"\ntimeout = \"3s\"\n\
                   warn = { latency = \"700ms\", weight = \"0%\" }";
    let (files, slow, _quick) = regions(monitor, Behaviour::good()).await;
    let mut serving = files.serve();
    assert_eq!(told(&serving), ["192.0.2.1", "198.51.100.1"]);
    // Three octets, 500 ms apart.
    let head = b"HTTP/1.1 200 So\r\nContent-Length: 3\r\n\r\n".to_vec();
    slow.now(Behaviour::ReplyThenRepeat(head, b"x".into(), Duration::from_millis(500)));
    until("all clients are elsewhere", || told(&serving) == ["198.51.100.1"]);
    let target = slow.address.to_string();
    serving.log(&["WARN", &target, "is warned of (monitor web): took 1", "at most"]);
    let wanted = ["; warned of, 0 % of its weight left", "weight 1, warned: 0 % of it left"];
    until_explained(&files, &wanted);

    slow.now(Behaviour::good());
    until("some clients are back", || told(&serving).len() == 2);
    serving.log(&["INFO", &target, "is no longer warned of (monitor web)"]);
    assert!(!serving.process.stderr.all().contains("is down"));
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_region_gets_fewer_clients_and_is_not_taken_out() {
    let monitor = "interval = \"200ms\"\nload = { json = \"/load\" }\n\
                   warn = { load = 0.8, weight = \"0%\" }";
    let at = |load: &str| Behaviour::status(200, &format!("{{\"load\": {load}}}"));
    let (files, busy, _idle) = regions(monitor, at("0.5")).await;
    let mut serving = files.serve();
    assert_eq!(told(&serving), ["192.0.2.1", "198.51.100.1"]);
    busy.now(at("0.98"));
    until("all clients are elsewhere", || told(&serving) == ["198.51.100.1"]);
    let target = busy.address.to_string();
    serving.log(&[
        "WARN",
        &target,
        "is warned of (monitor web): load 0.8",
        "should be 0.80 at most",
    ]);
    let wanted = ["load 0.9", "; warned of, 0 % of its weight left"];
    until_explained(&files, &wanted);

    busy.now(at("0.5"));
    until("some clients are back", || told(&serving).len() == 2);
    serving.log(&["INFO", &target, "is no longer warned of (monitor web)"]);
    assert!(!serving.process.stderr.all().contains("is down"));
    assert_eq!(serving.process.stop(), Some(0));
}
