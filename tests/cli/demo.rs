//! `meridian demo`, as somebody tries it who has just heard of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use crate::support::dns::{Ask, Told};
use crate::support::program::{Files, Process};

/// A demo on free ports, in an empty directory.
struct Demo {
    process: Process,
    empty: Files,
}

impl Demo {
    fn start() -> Demo {
        let empty = Files::new();
        let process = empty.start(&["demo", "--listen", "127.0.0.1:0", "--regions", "0"]);
        process.stdout.wait("the end of the guide", |line| line.contains("DB-IP"));
        Demo { process, empty }
    }

    /// The commands it prints that begin with this word.
    fn commands(&self, word: &str) -> Vec<String> {
        let all = self.process.stdout.all();
        let command = |line: &str| {
            let from = line.find(&format!("{word} "))?;
            Some(line[from..].split('#').next()?.trim().to_owned())
        };
        all.lines().filter(|line| !line.starts_with("Dig")).filter_map(command).collect()
    }

    /// The dig it prints for clients in this city.
    fn dig_of(&self, city: &str) -> String {
        let all = self.process.stdout.all();
        let line = all.lines().find(|line| line.contains("dig ") && line.contains(city)).unwrap();
        line.split('#').next().unwrap().trim().to_owned()
    }

    /// Waits for what it says of a region after `since` lines, and gives the dig in it.
    fn hear(&self, since: usize, what: &str) -> String {
        let line = self.process.stdout.wait_after(since, what, |line| line.contains(what));
        line[line.find("dig ").unwrap()..].to_owned()
    }
}

/// What `dig` would do.
struct Dig {
    server: SocketAddr,
    ask: Ask,
}

impl Dig {
    fn parse(command: &str) -> Dig {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("dig"));
        let (mut host, mut port, mut name, mut subnet) = ("", "53", "", None);
        let mut rtype = "A";
        while let Some(word) = words.next() {
            match word {
                "-p" => port = words.next().unwrap(),
                "+short" => {}
                "AAAA" | "HTTPS" => rtype = word,
                _ if word.starts_with('@') => host = &word[1..],
                _ if word.starts_with("+subnet=") => subnet = word.strip_prefix("+subnet="),
                _ => {
                    assert!(name.is_empty() && !word.starts_with('+'), "{command}");
                    name = word;
                }
            }
        }
        let ask = Ask::new(name, rtype);
        let ask = match subnet {
            Some(subnet) => ask.from(subnet),
            None => ask.size(1232),
        };
        Dig { server: format!("{host}:{port}").parse().unwrap(), ask }
    }

    fn run(&self) -> Told {
        let told = self.ask.udp(self.server);
        assert_eq!(self.ask.tcp(self.server).rcode(), told.rcode());
        told
    }
}

fn dig(command: &str) -> Told {
    Dig::parse(command).run()
}

const NA: &str = "192.0.2.10";
const EU: &str = "198.51.100.10";
const AP: &str = "203.0.113.10";

/// `curl -X POST URL`; the status line and the body.
fn post(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn every_dig_it_prints_is_answered() {
    let demo = Demo::start();
    let digs = demo.commands("dig");
    assert!(digs.len() >= 11, "{digs:?}");
    for command in digs {
        let told = dig(&command);
        assert!(!told.data().is_empty(), "{command}: {}", told.0);
    }
    for (city, address) in [("Minneapolis", NA), ("London", EU), ("Tokyo", AP)] {
        let told = dig(&demo.dig_of(city));
        assert_eq!(told.one(), address, "{city}");
        assert!(told.scope().unwrap() > 0);
    }
}

#[test]
fn each_policy_does_what_the_guide_says_of_it() {
    let demo = Demo::start();
    let server = Dig::parse(&demo.dig_of("London")).server;
    let ask =
        |name: &str, subnet| Ask::new(&format!("{name}.example.com"), "A").from(subnet).udp(server);
    let (london, tokyo) = ("81.2.69.0/24", "133.11.0.0/24");
    for name in ["www", "near", "fast"] {
        assert_eq!((ask(name, london).one(), ask(name, tokyo).one()), (EU.into(), AP.into()));
    }
    assert_eq!(ask("pair", tokyo).one(), EU);
    assert_eq!(ask("shop", tokyo).data(), ["www.example.com.", AP]);
    assert_eq!(ask("rotation", tokyo).set(), [NA, EU, AP]);
    let loyal = ask("loyal", tokyo).one();
    assert!((0..20).all(|_| ask("loyal", tokyo).one() == loyal));
    let mut drawn: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..200 {
        *drawn.entry(ask("shares", tokyo).one()).or_default() += 1;
    }
    assert!(drawn[NA] > drawn[AP] && drawn.len() == 3, "{drawn:?}");
}

#[test]
fn a_region_stopped_and_started_by_a_line_changes_the_answer_and_says_so() {
    let mut demo = Demo::start();
    let london = demo.dig_of("London");
    assert_eq!(dig(&london).one(), EU);

    let since = demo.process.stdout.count();
    demo.process.type_line("stop eu");
    let again = demo.hear(since, "is out of the answers");
    // What it says holds at once, and the dig it shows is the one to try.
    let told = dig(&again);
    assert!(told.one() == NA || told.one() == AP, "{}", told.0);
    assert_eq!(dig(&london).one(), told.one());
    demo.process.stdout.wait("the reason", |line| line.contains("503 for GET /health"));

    let since = demo.process.stdout.count();
    demo.process.type_line("status");
    demo.process.stdout.wait_after(since, "the state of eu", |line| {
        line.contains("eu") && line.contains("stopped")
    });

    let since = demo.process.stdout.count();
    demo.process.type_line("start eu");
    let again = demo.hear(since, "is back in the answers");
    assert_eq!(dig(&again).one(), EU);
}

#[test]
fn a_region_stopped_and_started_over_http_changes_the_answer_and_says_so() {
    let demo = Demo::start();
    let urls = demo.commands("curl -X POST");
    let url = |end: &str| {
        let url = urls.iter().find(|command| command.ends_with(end)).unwrap();
        url.rsplit(' ').next().unwrap().to_owned()
    };
    let since = demo.process.stdout.count();
    assert!(post(&url("/stop")).starts_with("HTTP/1.1 200"));
    assert_ne!(dig(&demo.hear(since, "is out of the answers")).one(), EU);
    let since = demo.process.stdout.count();
    assert!(post(&url("/start")).starts_with("HTTP/1.1 200"));
    assert_eq!(dig(&demo.hear(since, "is back in the answers")).one(), EU);
}

#[test]
fn with_all_regions_stopped_it_still_answers_and_says_what_is_wrong() {
    let mut demo = Demo::start();
    let since = demo.process.stdout.count();
    for region in ["na", "eu", "ap"] {
        demo.process.type_line(&format!("stop {region}"));
    }
    demo.process.stdout.wait_after(since, "the alarm", |line| {
        line.contains("nothing is up for") && line.contains("www.example.com")
    });
    assert_eq!(dig(&demo.dig_of("London")).one(), EU);
}

#[test]
fn quit_ends_it_and_the_end_of_input_does_not() {
    let mut demo = Demo::start();
    demo.process.type_line("nonsense");
    demo.process.stdout.wait("help", |line| line.contains("not understood"));
    demo.process.type_line("help");
    demo.process.stdout.nth(1, "the guide again", |line| line.contains("DB-IP"));
    demo.process.type_line("quit");
    assert_eq!(demo.process.wait().code(), Some(0));

    let mut demo = Demo::start();
    demo.process.end_input();
    let london = demo.dig_of("London");
    // Over HTTP regions can still be stopped, and that is still printed.
    let since = demo.process.stdout.count();
    let stop = demo.commands("curl -X POST").into_iter().find(|c| c.ends_with("/stop")).unwrap();
    post(stop.rsplit(' ').next().unwrap());
    demo.hear(since, "is out of the answers");
    assert!(demo.process.is_running());
    assert_ne!(dig(&london).one(), EU);
    assert_eq!(demo.process.stop(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_said_clearly() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let empty = Files::new();
    let output = empty.run(&["demo", "--listen", &address, "--regions", "0"]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains(&format!("cannot listen on {address} (UDP)")), "{output:?}");
    assert!(output.stderr.contains("ss -lntup"), "{output:?}");
}

#[test]
fn regions_take_other_ports_when_theirs_are_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let empty = Files::new();
    let mut process = empty.start(&["demo", "--listen", "127.0.0.1:0", "--regions", &port]);
    process.stdout.wait("the end of the guide", |line| line.contains("DB-IP"));
    let guide = process.stdout.all();
    assert!(!guide.contains(&format!("127.0.0.1:{port}/")), "{guide}");
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn it_leaves_nothing_behind_in_the_directory() {
    let mut demo = Demo::start();
    demo.process.type_line("quit");
    assert_eq!(demo.process.wait().code(), Some(0));
    assert_eq!(std::fs::read_dir(demo.empty.path("")).unwrap().count(), 0);
}
