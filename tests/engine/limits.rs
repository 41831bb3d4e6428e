//! What stands in the place of answers over a limit, and what does not.

use std::net::SocketAddr;

use hickory_proto::op::{Message, ResponseCode};
use meridian::engine::limits::{Limits, Rates};
use meridian::engine::{Settings, Snapshot, Transport};
use meridian::zone::Zones;

use crate::support::bed::{Bed, edns_query, query, source};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 60
@     SOA ns hostmaster 1 7200 900 1209600 300
@     NS  ns
ns    A   192.0.2.53
www   A   192.0.2.1
*.ali CNAME nope.example.com.
*.oth CNAME nope.example.net.
";

const OTHER: &str = "\
$ORIGIN example.net.
$TTL 60
@     SOA ns.example.com. hostmaster 1 7200 900 1209600 300
@     NS  ns.example.com.
";

/// Four of each kind at once.
fn bed(slip: u32) -> Bed {
    let zones = Zones::build(vec![source(ZONE), source(OTHER)], Vec::new()).unwrap();
    let rates = Rates { answers: 4, nxdomains: 4, errors: 4, queries: 0 };
    let limits = Limits::new(rates, slip, None);
    Bed::with(
        Snapshot {
            zones,
            settings: Settings { limits, ..Settings::default() },
            ..Snapshot::default()
        },
        Vec::new(),
    )
}

fn ask(bed: &Bed, message: &Message) -> Option<Message> {
    let reply = bed.octets(&message.to_vec().unwrap(), Transport::Udp)?;
    Some(Message::from_vec(&reply).unwrap())
}

/// How many of a hundred are answered.
fn answered(bed: &Bed, question: &str) -> usize {
    (0..100).filter(|_| ask(bed, &query(question)).is_some()).count()
}

#[test]
fn a_slipped_answer_is_the_question_with_tc_and_its_code() {
    for (question, rcode) in [
        ("www.example.com. A", ResponseCode::NoError),
        ("nope.example.com. A", ResponseCode::NXDomain),
    ] {
        let bed = bed(1);
        for message in [edns_query(question, 1232), query(question)] {
            let replies = (0..10).map(|_| ask(&bed, &message).unwrap());
            let slipped = replies.last().unwrap();
            assert_eq!(slipped.metadata.response_code, rcode);
            assert!(slipped.metadata.truncation && slipped.metadata.authoritative);
            assert_eq!(slipped.queries, message.queries);
            assert_eq!(slipped.edns.is_some(), message.edns.is_some());
            let records = [&slipped.answers, &slipped.authorities, &slipped.additionals];
            assert!(records.iter().all(|section| section.is_empty()));
        }
        // Nothing of it but the question: no more goes out than came in.
        let message = edns_query(question, 1232).to_vec().unwrap();
        assert_eq!(bed.octets(&message, Transport::Udp).unwrap().len(), message.len());
    }
}

#[test]
fn without_slip_answers_over_the_limit_are_silence() {
    assert_eq!(answered(&bed(0), "www.example.com. A"), 4);
    assert_eq!(answered(&bed(0), "elsewhere.test. A"), 4);
    assert_eq!(answered(&bed(2), "www.example.com. A"), 4 + 48);
    assert_eq!(answered(&bed(2), "elsewhere.test. A"), 4 + 48);
}

#[test]
fn random_names_in_a_zone_are_one_flood() {
    let bed = bed(0);
    let flood = |suffix: &str| {
        let asked = |n: usize| ask(&bed, &query(&format!("x{n}.{suffix} A"))).is_some();
        (0..100).filter(|n| asked(*n)).count()
    };
    assert_eq!(flood("example.com."), 4);
    // However they are missed there.
    assert_eq!(flood("ali.example.com."), 0);
    // Another zone's are another, and whatever leads there counts for it.
    assert_eq!(flood("oth.example.com."), 4);
    assert_eq!(flood("example.net."), 0);
    // No name at all is an error; a name that exists is an answer.
    assert_eq!(flood("elsewhere.test."), 4);
    assert_eq!(answered(&bed, "www.example.com. TXT"), 4);
    assert_eq!(answered(&bed, "www.example.com. A"), 0);
}

#[test]
fn what_is_no_query_is_limited_as_an_error_is() {
    let bed = bed(0);
    let mut malformed = query("www.example.com. A").to_vec().unwrap();
    malformed.push(0);
    let answered = (0..100).filter(|_| bed.octets(&malformed, Transport::Udp).is_some()).count();
    assert_eq!(answered, 4);
    assert!(bed.octets(&malformed, Transport::Tcp).is_some());
}

#[test]
fn streams_are_not_limited() {
    let bed = bed(0);
    answered(&bed, "www.example.com. A");
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic] {
        let told = bed.send(&query("www.example.com. A"), transport);
        assert_eq!(told.message.answers.len(), 1);
    }
}

#[test]
fn a_flood_from_false_senders_leaves_an_innocent_client_its_answers() {
    let mut bed = bed(0);
    let innocent: SocketAddr = "203.0.113.7:5353".parse().unwrap();
    let message = query("www.example.com. A").to_vec().unwrap();
    let random_name = query("kq3v9z.example.com. A").to_vec().unwrap();
    for packet in 0..1_000_000u32 {
        // Every /24 of 16.0.0.0/4 in turn, and one victim between.
        let sender = [packet.wrapping_mul(0x9e37_79b1) >> 4 | 0x1000_0000, 0xc633_6407];
        bed.client = SocketAddr::new(sender[packet as usize % 2].to_be_bytes().into(), 53);
        bed.octets(&random_name, Transport::Udp);
        bed.octets(&message, Transport::Udp);
        if packet % 250_000 == 0 {
            bed.client = innocent;
            assert!(bed.octets(&message, Transport::Udp).is_some());
        }
    }
    bed.client = "198.51.100.7:53".parse().unwrap();
    assert!(bed.octets(&message, Transport::Udp).is_none(), "the victim is still spared");
}
