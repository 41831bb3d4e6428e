//! Malformed messages to a real server, over UDP and TCP: FORMERR, another valid reply or
//! silence; and a good question is answered afterwards.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Message, MessageType, ResponseCode};

use crate::support::dns::{Ask, connect, framed, receive_framed, socket};
use crate::support::program::{CONFIG, Files, Serving};

const ZONE: &str = "\
$TTL 300
@      SOA   ns1 hostmaster 1 7200 900 1209600 60
@      NS    ns1
@      MX    10 mail
ns1    A     192.0.2.53
mail   A     192.0.2.25
shop   CNAME www
*.wild TXT   \"any\"
old    DNAME wild
sub    NS    ns.sub
ns.sub A     192.0.2.54
";

const POLICIES: &str = r#"
[pool.us]
members = ["192.0.2.10", "2001:db8:a::10"]
[pool.eu]
members = ["198.51.100.10", "2001:db8:e::10"]
[policy.world]
kind = "geo"
default = "us"
rules = [{ match = "net:81.0.0.0/8", to = "eu" }]
[record."www.example.com"]
use = "world"
"#;

/// Messages sent before their replies are looked at: fewer than a socket's buffer holds.
const BURST: usize = 64;

fn serve() -> (Files, Serving) {
    let files = Files::new()
        .with(
            CONFIG,
            "[server]\nworkers = 2\n[geoip]\ndatabases = []\n[limits]\ntcp_per_client = 1024\n",
        )
        .with("config/policies/services.toml", POLICIES)
        .with("zones/example.com.zone", ZONE);
    let serving = files.serve();
    (files, serving)
}

/// Valid questions of many kinds.
fn valid() -> Vec<Vec<u8>> {
    let ask = |name: &str, rtype| Ask::new(&format!("{name}example.com"), rtype);
    [
        ask("www.", "A"),
        ask("www.", "AAAA").from("81.2.69.0/24"),
        ask("shop.", "A").from("2001:db8::/56"),
        ask("", "MX").size(4096),
        ask("x.old.", "TXT").size(512),
        ask("host.sub.", "A"),
        ask("nope.", "A").from("0.0.0.0/0"),
    ]
    .iter()
    .map(|ask| ask.message(0x1234))
    .collect()
}

/// Every truncation and every change of one octet. Changes of the id are left out: any is good.
fn malformed() -> impl Iterator<Item = Vec<u8>> {
    valid().into_iter().flat_map(|message| {
        let cut = (0..message.len()).map(|length| message[..length].to_vec());
        let places = (2..message.len()).flat_map(|place| (1..=u8::MAX).map(move |by| (place, by)));
        let changed = places.map(|(place, by)| {
            let mut changed = message.clone();
            changed[place] ^= by;
            changed
        });
        cut.chain(changed).collect::<Vec<_>>()
    })
}

/// Marks the question that ends a burst.
const LAST: u16 = 0xbeef;

fn last() -> Vec<u8> {
    Ask::new("www.example.com", "A").from("81.2.69.0/24").message(LAST)
}

fn id(octets: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.first()?, *octets.get(1)?]))
}

fn assert_good(reply: &[u8]) {
    let message = Message::from_vec(reply).unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    assert_eq!(message.answers[0].data.to_string(), "198.51.100.10");
}

/// That a reply to something malformed is itself in order.
fn assert_valid(reply: &[u8]) {
    assert!(reply.len() >= 12 && reply[2] & 0x80 != 0, "{reply:x?}");
    // Opcodes that hickory-proto has no name for, it does not read.
    if reply[2] & 0x78 == 0 {
        let message = Message::from_vec(reply).unwrap_or_else(|e| panic!("{e}: {reply:x?}"));
        assert_eq!(message.metadata.message_type, MessageType::Response);
    }
}

#[test]
fn malformed_datagrams_are_answered_or_not_and_the_server_goes_on() {
    let (_files, mut serving) = serve();
    let asking = socket(serving.address());
    let mut octets = vec![0; 65_535];
    let mut codes = HashSet::new();
    let mut messages = malformed().peekable();
    while messages.peek().is_some() {
        for message in messages.by_ref().take(BURST) {
            asking.send(&message).unwrap();
        }
        // One port is one worker, which answers in order.
        asking.send(&last()).unwrap();
        loop {
            let length = asking.recv(&mut octets).expect("an answer to the good question");
            let reply = &octets[..length];
            if id(reply) == Some(LAST) {
                assert_good(reply);
                break;
            }
            assert_valid(reply);
            codes.insert(reply[3] & 0x0f);
        }
    }
    // NOERROR, FORMERR, NXDOMAIN, NOTIMP and REFUSED all happen; SERVFAIL never.
    assert!([0, 1, 3, 4, 5].iter().all(|code| codes.contains(code)), "{codes:?}");
    assert!(!codes.contains(&2), "{codes:?}");
    assert_good_everywhere(&mut serving);
}

#[test]
fn every_truncation_of_a_question_with_a_header_is_formerr() {
    let (_files, serving) = serve();
    let asking = socket(serving.address());
    for message in valid() {
        for length in 12..message.len() {
            asking.send(&message[..length]).unwrap();
            let mut reply = [0; 512];
            let length = asking.recv(&mut reply).unwrap();
            assert_eq!((length >= 12, reply[3] & 0x0f), (true, 1), "{:x?}", &reply[..length]);
        }
    }
}

#[test]
fn malformed_messages_over_tcp_are_answered_or_end_the_connection_and_the_server_goes_on() {
    let (_files, mut serving) = serve();
    let mut stream = connect(serving.address());
    let mut messages = malformed();
    let mut left: Vec<Vec<u8>> = Vec::new();
    loop {
        left.extend(messages.by_ref().take(BURST - left.len()));
        if left.is_empty() {
            break;
        }
        let burst: Vec<u8> =
            left.iter().chain([&last()]).flat_map(|message| framed(message)).collect();
        // The server may have closed in the middle of it.
        let _ = stream.write_all(&burst);
        let mut answered = 0;
        loop {
            match receive_framed(&mut stream) {
                Some(reply) if id(&reply) == Some(LAST) => {
                    assert_good(&reply);
                    assert_eq!(answered, left.len());
                    left.clear();
                    break;
                }
                Some(reply) => {
                    assert_valid(&reply);
                    answered += 1;
                }
                // The first without an answer ended the connection.
                None => {
                    left.drain(..=answered);
                    stream = connect(serving.address());
                    break;
                }
            }
        }
    }
    assert_good_everywhere(&mut serving);
}

#[test]
fn broken_framing_over_tcp_does_no_harm() {
    let (_files, mut serving) = serve();
    let good = framed(&last());
    let frames: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0, 0],
        vec![0xff, 0xff],
        vec![0xff, 0xff, 1, 2, 3],
        good[..good.len() - 1].to_vec(),
        [good.clone(), vec![0, 0]].concat(),
        [vec![0, 11], vec![0; 11]].concat(),
        b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n".to_vec(),
        [&[0x16, 0x03, 0x01, 0x02, 0x00][..], &[7; 512]].concat(),
        vec![0; 65_537],
    ];
    for frame in frames {
        let mut stream: TcpStream = connect(serving.address());
        // The server may close before all is written, or reset.
        let _ = stream.write_all(&frame);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert_good_everywhere(&mut serving);
}

#[test]
fn octets_in_one_piece_or_one_by_one_make_the_same_question() {
    let (_files, serving) = serve();
    let mut stream = connect(serving.address());
    for octet in framed(&last()) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_good(&receive_framed(&mut stream).unwrap());
}

#[test]
fn random_datagrams_from_many_clients_do_no_harm() {
    let (_files, mut serving) = serve();
    // A linear congruence will do: it is noise that is wanted, the same every time.
    let mut state = 0x2545_f491_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for _ in 0..16 {
        let asking = socket(serving.address());
        for _ in 0..64 {
            let length = usize::from(noise());
            let octets: Vec<u8> = (0..length).map(|_| noise()).collect();
            asking.send(&octets).unwrap();
        }
        wait_for_last(&asking);
    }
    assert_good_everywhere(&mut serving);
}

/// Asks the good question and takes everything up to its answer.
fn wait_for_last(asking: &UdpSocket) {
    asking.send(&last()).unwrap();
    let mut octets = vec![0; 65_535];
    loop {
        let length = asking.recv(&mut octets).expect("an answer to the good question");
        if id(&octets[..length]) == Some(LAST) {
            return assert_good(&octets[..length]);
        }
    }
}

/// That every worker, and TCP, still answers, and nothing was complained of.
fn assert_good_everywhere(serving: &mut Serving) {
    let address: SocketAddr = serving.address();
    let ask = Ask::new("www.example.com", "A").from("81.2.69.0/24");
    for _ in 0..16 {
        assert_eq!(ask.udp(address).one(), "198.51.100.10");
    }
    assert_eq!(ask.tcp(address).one(), "198.51.100.10");
    assert_eq!(serving.process.stop(), Some(0));
    let log = serving.process.stderr.all();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}
