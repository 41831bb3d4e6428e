//! The query log of real servers: lines in files, and dnstap to a reader on a Unix socket.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use meridian::server::query_log::dnstap::Message;
use serde_json::Value;

use crate::support::control::{http, http_address};
use crate::support::dns::{Ask, socket};
use crate::support::dnstap::Reader;
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n\
                    www A 192.0.2.10\nwww A 192.0.2.11\n";

fn config(log: &str) -> String {
    format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n[log]\n{log}\n")
}

/// A server with these lines in `[log]`.
fn files(log: &str) -> Files {
    Files::new().with(CONFIG, config(log)).with("zones/example.com.zone", ZONE)
}

/// The lines of a file that are there as a whole.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::to_owned).collect()
}

/// Waits until a file has so many lines.
fn wait_for(path: &Path, count: usize) -> Vec<String> {
    until(&format!("there are {count} lines"), || lines(path).len() >= count);
    lines(path)
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// The value of a sample of the metrics, 0 when there is none.
fn metric(serving: &Serving, sample: &str) -> u64 {
    let text = http(http_address(serving), "GET", "/metrics", "", "").1;
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

fn written(serving: &Serving, to: &str) -> u64 {
    metric(serving, &format!("meridian_query_log_written_total{{to=\"{to}\"}}"))
}

fn lost(serving: &Serving, at: &str) -> u64 {
    metric(serving, &format!("meridian_query_log_lost_total{{at=\"{at}\"}}"))
}

fn ask() -> Ask {
    Ask::new("www.example.com", "A")
}

#[test]
fn each_query_is_a_line_over_every_transport() {
    let files = files("queries = \"../q.log\"");
    let serving = files.serve();
    ask().udp(serving.address());
    ask().from("81.2.69.0/24").udp(serving.address());
    Ask::new("nowhere.example.com", "AAAA").tcp(serving.address());
    Ask::new("example.org", "TYPE4711").udp(serving.address());
    let lines = wait_for(&files.path("q.log"), 4);
    let line = |part: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(part)).collect();
        let [line] = found[..] else { panic!("{part} in {lines:?}") };
        words(line)
    };
    let plain = line("rd,aa - 192.0.2.1");
    assert_eq!(plain[1], "udp");
    assert!(plain[2].starts_with("127.0.0.1#") && plain[3] == "127.0.0.1", "{plain:?}");
    assert_eq!(plain[4..8], ["www.example.com.", "IN", "A", "NOERROR"]);
    let mut addresses: Vec<_> = plain[11].split(',').collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["192.0.2.10", "192.0.2.11"]);
    assert_eq!(line("81.2.69.0")[10], "81.2.69.0/24/0");
    let nowhere = line("nowhere");
    assert_eq!(nowhere[1], "tcp");
    assert_eq!(nowhere[4..8], ["nowhere.example.com.", "IN", "AAAA", "NXDOMAIN"]);
    assert_eq!(nowhere[9..], ["rd,aa", "-", "-"]);
    assert_eq!(line("example.org")[4..8], ["example.org.", "IN", "TYPE4711", "REFUSED"]);
    assert!(plain[0].starts_with("20") && plain[0].ends_with('Z') && plain[0].len() == 24);
    assert_eq!(written(&serving, "lines"), 4);
}

#[test]
fn a_line_may_be_an_object_of_json_on_stdout() {
    let files = files("queries = \"stdout\"\nqueries_format = \"json\"");
    let serving = files.serve();
    ask().from("2001:db8::/56").udp(serving.address());
    let line = serving.process.stdout.wait("a query", |line| line.starts_with('{'));
    let entry: Value = serde_json::from_str(&line).unwrap();
    for (key, value) in [
        ("transport", "udp"),
        ("client", "127.0.0.1"),
        ("server", "127.0.0.1"),
        ("name", "www.example.com."),
        ("class", "IN"),
        ("type", "A"),
        ("rcode", "NOERROR"),
        ("subnet", "2001:db8::/56"),
    ] {
        assert_eq!(entry[key], value, "{line}");
    }
    assert_eq!(entry["scope"], 0);
    assert_eq!(entry["addresses"].as_array().unwrap().len(), 2);
    assert!(entry["port"].as_u64().unwrap() > 0 && entry["size"].as_u64().unwrap() > 60);
}

#[test]
fn a_file_that_is_moved_is_begun_anew_and_no_line_is_lost() {
    let files = files("queries = \"../q.log\"");
    let serving = files.serve();
    let (path, moved) = (files.path("q.log"), files.path("q.log.1"));
    let socket = socket(serving.address());
    ask().over(&socket);
    wait_for(&path, 1);
    fs::rename(&path, &moved).unwrap();
    let mut asked = 1;
    until("there is a new file", || {
        ask().over(&socket);
        asked += 1;
        path.exists()
    });
    until("all are there", || lines(&path).len() + lines(&moved).len() == asked);
    assert!(lines(&path).iter().chain(&lines(&moved)).all(|line| words(line).len() == 12));
    assert_eq!(lost(&serving, "lines"), 0);
}

#[test]
fn a_reload_changes_everything_about_it() {
    let files = files("");
    let serving = files.serve();
    let socket = socket(serving.address());
    ask().over(&socket);
    let reload = |log: &str, generation: u32| {
        files.write(CONFIG, config(log));
        serving.process.signal("HUP");
        let number = u64::from(generation);
        until("it is in force", || metric(&serving, "meridian_config_generation") == number);
    };
    let (text, json) = (files.path("text.log"), files.path("json.log"));
    reload("queries = \"../text.log\"", 2);
    // The log is told of a reload, and does not hold it up.
    until("it is logged", || {
        ask().over(&socket);
        !lines(&text).is_empty()
    });
    reload("queries = \"../json.log\"\nqueries_format = \"json\"", 3);
    until("it is logged elsewhere", || {
        ask().over(&socket);
        !lines(&json).is_empty()
    });
    assert!(lines(&json).iter().all(|line| line.starts_with('{')));
    assert!(lines(&text).iter().all(|line| words(line).len() == 12));
    reload("", 4);
    serving.log(&["no queries are logged any more"]);
    (0..100).for_each(|_| drop(Ask::new("late.example.com", "A").over(&socket)));
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
    let logged = [lines(&text), lines(&json)].concat();
    assert!(!logged.iter().any(|line| line.contains("late")), "{logged:?}");
}

#[test]
fn a_sample_is_about_one_in_so_many() {
    let files = files("queries = \"../q.log\"\nqueries_sample = 10");
    let serving = files.serve();
    let socket = socket(serving.address());
    (0..2000).for_each(|_| drop(ask().over(&socket)));
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
    // 200, give or take nine times the deviation.
    let count = lines(&files.path("q.log")).len();
    assert!((80..=320).contains(&count), "{count} of 2000");
}

#[test]
fn a_full_disk_is_said_once_and_counted_and_queries_are_answered() {
    let files = files("queries = \"/dev/full\"");
    let serving = files.serve();
    let socket = socket(serving.address());
    for round in 1..=5 {
        ask().over(&socket);
        until("it is lost", || lost(&serving, "lines") == round);
    }
    let said = serving.log(&["cannot write the query log, /dev/full"]);
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(serving.process.stderr.all().matches("cannot write the query log").count(), 1);
    assert_eq!(written(&serving, "lines"), 0);
}

#[test]
fn a_file_that_cannot_be_opened_yet_is_opened_when_it_can_be() {
    let files = files("queries = \"../later/q.log\"");
    let serving = files.serve();
    serving.log(&["cannot write the query log", "later/q.log", "No such file"]);
    ask().udp(serving.address());
    until("it is lost", || lost(&serving, "lines") == 1);
    fs::create_dir(files.path("later")).unwrap();
    serving_again(&serving, &files.path("later/q.log"));
    serving.log(&["is written again; 1 queries lost"]);
}

/// Asks until a line is there.
fn serving_again(serving: &Serving, path: &Path) {
    let socket = socket(serving.address());
    until("it is written", || {
        if path.exists() {
            ask().over(&socket);
        }
        !lines(path).is_empty()
    });
}

fn listen(files: &Files) -> UnixListener {
    UnixListener::bind(files.path("tap.sock")).unwrap()
}

const DNSTAP: &str = "dnstap = \"../tap.sock\"";

/// Sends a message as it is, and gives the reply.
fn exchange(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).unwrap();
    let mut reply = vec![0; 2000];
    let length = socket.recv(&mut reply).unwrap();
    reply.truncate(length);
    reply
}

#[test]
fn a_reader_of_dnstap_gets_queries_and_responses_to_the_octet() {
    let files = files(DNSTAP);
    files.write(CONFIG, config(DNSTAP).replace("[server]", "[server]\nnsid = \"g{generation}\""));
    let listener = listen(&files);
    let accepted = thread::spawn(move || Reader::accept(&listener));
    let serving = files.serve();
    let socket = socket(serving.address());
    let message = ask().from("81.2.69.0/24").message(4711);
    let reply = exchange(&socket, &message);
    // What is no query has a frame too.
    let broken = exchange(&socket, &message[..15]);
    let reader = accepted.join().unwrap();
    let mut process = serving.process;
    process.signal("TERM");
    let frames = reader.finish();
    assert_eq!(process.wait().code(), Some(0));
    let messages: Vec<_> = frames.iter().map(|frame| Message::read(frame).unwrap()).collect();
    let sender = Some("127.0.0.1".parse().unwrap());
    let none = &b""[..];
    let query = |query| Message { kind: 1, sender, query, response: none };
    let response = |response| Message { kind: 2, sender, query: none, response };
    let wanted = [query(&message), response(&reply), query(&message[..15]), response(&broken)];
    assert_eq!(messages, wanted);
    assert!(frames.iter().all(|frame| frame.starts_with(b"\x0a\x02g1\x12")));
}

#[test]
fn a_reader_that_comes_late_or_comes_back_misses_nothing_that_there_was_room_for() {
    let files = files(DNSTAP);
    let serving = files.serve();
    serving.log(&["nobody takes queries at", "tap.sock", "No such file"]);
    let socket = socket(serving.address());
    let messages: Vec<_> = (0..30).map(|id| ask().message(id)).collect();
    messages[..10].iter().for_each(|message| drop(exchange(&socket, message)));
    let listener = listen(&files);
    let mut reader = Reader::accept(&listener);
    let queries = |reader: &mut Reader, wanted: &[Vec<u8>]| {
        for message in wanted {
            let frame = reader.frame().unwrap();
            assert_eq!(Message::read(&frame).unwrap().query, message);
            assert!(Message::read(&reader.frame().unwrap()).unwrap().is_response());
        }
    };
    queries(&mut reader, &messages[..10]);
    // Gone without a word; what was not begun is sent to the next one.
    drop(reader);
    messages[10..20].iter().for_each(|message| drop(exchange(&socket, message)));
    let mut reader = Reader::accept(&listener);
    queries(&mut reader, &messages[10..20]);
    // Gone with its socket.
    drop((reader, listener));
    fs::remove_file(files.path("tap.sock")).unwrap();
    messages[20..].iter().for_each(|message| drop(exchange(&socket, message)));
    let listener = listen(&files);
    queries(&mut Reader::accept(&listener), &messages[20..]);
    until("all are counted", || written(&serving, "dnstap") == 30);
    assert_eq!(lost(&serving, "dnstap"), 0);
}

#[test]
fn who_speaks_something_else_is_no_reader() {
    let files = files(DNSTAP);
    let listener = listen(&files);
    let serving = files.serve();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x01\0\0\0\x01x").unwrap();
    serving.log(&["nobody takes queries at", "it does not take dnstap"]);
    ask().udp(serving.address());
    // It is tried again.
    let mut reader = Reader::accept(&listener);
    assert!(reader.frame().is_ok());
}

#[test]
fn a_reader_that_takes_nothing_costs_neither_answers_nor_lines() {
    const QUERIES: u64 = 30_000;
    let files = files(&format!("{DNSTAP}\nqueries = \"../q.log\""));
    let listener = listen(&files);
    let accepted = thread::spawn(move || Reader::accept(&listener));
    let serving = files.serve();
    let reader = accepted.join().unwrap();
    let socket = socket(serving.address());
    let message = ask().from("81.2.69.0/24").message(4711);
    for asked in 1..=QUERIES {
        assert_eq!(exchange(&socket, &message)[..2], message[..2]);
        // A program that is not optimised takes longer to write a line than to answer.
        if asked % 2000 == 0 {
            until("each is a line", || written(&serving, "lines") == asked);
        }
    }
    let unwritten = lost(&serving, "dnstap");
    assert!((1..QUERIES).contains(&unwritten), "{unwritten}");
    serving.log(&["dnstap does not keep up"]);
    // It takes what there is after all, and then all is accounted for.
    let taken = thread::spawn(move || reader.finish());
    until("the rest is written", || written(&serving, "dnstap") == QUERIES - unwritten);
    assert_eq!((lost(&serving, "queue"), lost(&serving, "lines")), (0, 0));
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
    assert_eq!(taken.join().unwrap().len() as u64, 2 * (QUERIES - unwritten));
    assert_eq!(lines(&files.path("q.log")).len() as u64, QUERIES);
}

#[test]
fn a_flood_is_answered_and_each_query_is_written_or_counted_as_lost() {
    const CLIENTS: u64 = 4;
    const QUERIES: u64 = 8_000;
    let files = files("queries = \"../q.log\"");
    let serving = files.serve();
    let address = serving.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            thread::spawn(move || {
                let (socket, message) = (socket(address), ask().message(4711));
                (0..QUERIES).for_each(|_| drop(exchange(&socket, &message)));
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let all = CLIENTS * QUERIES;
    until("all are sent", || metric(&serving, "meridian_udp_answered_total") == all);
    until("all are accounted for", || {
        written(&serving, "lines") + lost(&serving, "queue") + lost(&serving, "lines") == all
    });
    let logged = written(&serving, "lines");
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
    assert_eq!(lines(&files.path("q.log")).len() as u64, logged);
}

#[test]
fn a_server_stops_although_a_reader_takes_nothing() {
    let files = files(DNSTAP);
    let listener = listen(&files);
    let accepted = thread::spawn(move || Reader::accept(&listener));
    let serving = files.serve();
    let _reader = accepted.join().unwrap();
    let socket = socket(serving.address());
    let message = ask().message(4711);
    (0..3000).for_each(|_| drop(exchange(&socket, &message)));
    let mut process = serving.process;
    assert_eq!(process.stop(), Some(0));
}
