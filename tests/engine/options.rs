//! Options in the OPT record of a reply: server identifier, idle time, extended error, padding.

use hickory_proto::op::{Message, OpCode};
use meridian::engine::{Clock, Reply, Request, Secrets, Settings, Snapshot, Transport};
use meridian::steering::Panic;
use meridian::zone::Zones;

use crate::support::bed::{Bed, Made, edns_query, option_query, query, source, subnet_query};

const NSID: u16 = 3;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;

const ALL: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];

fn zone() -> String {
    let mut zone = "\
$ORIGIN example.com.
$TTL 60
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns.elsewhere.
www A 192.0.2.1
"
    .to_owned();
    for n in 0..40 {
        zone.push_str(&format!("big A 192.0.2.{n}\n"));
    }
    zone
}

fn bed(settings: Settings, made: Vec<Made>) -> Bed {
    let steered = made.iter().zip(0..).map(|(made, record)| made.steered(record)).collect();
    let zones = Zones::build(vec![source(&zone())], steered).unwrap();
    Bed::with(Snapshot { zones, settings, ..Snapshot::default() }, made)
}

fn plain() -> Bed {
    bed(Settings::default(), Vec::new())
}

#[test]
fn the_identifier_is_told_to_those_who_ask_and_only_when_there_is_one() {
    let named = bed(Settings { nsid: (*b"fra\xff2").into(), ..Settings::default() }, Vec::new());
    let asks = option_query("www.example.com. A", &[(NSID, b"")]);
    for transport in ALL {
        let told = named.send(&asks, transport);
        assert_eq!(told.option(NSID).as_deref(), Some(&b"fra\xff2"[..]));
        assert_eq!(told.answer().len(), 1);
        let told = named.send(&edns_query("www.example.com. A", 1232), transport);
        assert_eq!(told.option(NSID), None);
        assert_eq!(plain().send(&asks, transport).option(NSID), None);
    }
    // RFC 5001 section 2.1: what a client says in it does not matter.
    let told = named.send(&option_query("nope. A", &[(NSID, b"me")]), Transport::Udp);
    assert!(told.option(NSID).is_some());
}

#[test]
fn the_idle_time_is_told_where_a_connection_can_be_idle() {
    let bed = bed(Settings { keepalive: 300, ..Settings::default() }, Vec::new());
    for sent in [&b""[..], &[0, 1], &[9]] {
        let asks = option_query("www.example.com. A", &[(KEEPALIVE, sent)]);
        for transport in [Transport::Tcp, Transport::Tls] {
            let told = bed.send(&asks, transport);
            assert_eq!(told.option(KEEPALIVE), Some(vec![0x01, 0x2c]));
            let told = bed.send(&edns_query("www.example.com. A", 1232), transport);
            assert_eq!(told.option(KEEPALIVE), None);
        }
        for transport in [Transport::Udp, Transport::Https] {
            let told = bed.send(&asks, transport);
            assert_eq!((told.answer().len(), told.option(KEEPALIVE)), (1, None));
        }
        // RFC 9250 section 5.5.2: an error of the connection.
        assert_eq!(bed.octets(&asks.to_vec().unwrap(), Transport::Quic), None);
    }
}

#[test]
fn padded_queries_get_padded_replies_where_nobody_can_read_them() {
    let bed = bed(Settings { keepalive: 300, ..Settings::default() }, Vec::new());
    for question in ["www.example.com. A", "big.example.com. A", "nope.example.com. A", "x. A"] {
        for sent in [&[][..], &[0; 100]] {
            let asks = option_query(question, &[(PADDING, sent)]);
            for transport in [Transport::Tls, Transport::Https, Transport::Quic] {
                let told = bed.send(&asks, transport);
                assert_eq!(told.size % 468, 0, "{question}");
                let padding = told.option(PADDING).unwrap();
                assert!(padding.len() < 468 && padding.iter().all(|octet| *octet == 0));
                let told = bed.send(&edns_query(question, 1232), transport);
                assert_eq!(told.option(PADDING), None);
            }
            for transport in [Transport::Udp, Transport::Tcp] {
                assert_eq!(bed.send(&asks, transport).option(PADDING), None);
            }
        }
    }
}

#[test]
fn padding_ends_where_the_room_does() {
    let bed = plain();
    let message = option_query("big.example.com. A", &[(PADDING, b"")]).to_vec().unwrap();
    let whole = 12 + 21 + 40 * 16 + 11 + 4;
    for (room, len, answers) in
        [(whole - 1, 468, 0), (whole, whole, 40), (whole + 9, whole + 9, 40), (2000, 936, 40)]
    {
        let transport = Transport::Tls;
        let (client, message) = (bed.client, &message[..]);
        let request =
            Request { message, client: &client, local: &None, transport, clock: &Clock::at(1) };
        let mut out = vec![0; room];
        let reply = bed.engine.respond(&request, &mut bed.scratch.borrow_mut(), &mut out);
        assert!(matches!(reply, Reply::Message(found) if found == len), "{room}: {reply:?}");
        let told = Message::from_vec(&out[..len]).unwrap();
        assert_eq!((told.answers.len(), told.metadata.truncation), (answers, answers == 0));
    }
}

#[test]
fn a_refusal_says_whether_nobody_may_or_the_name_is_elsewhere() {
    let bed = plain();
    for (question, code) in
        [("example.net. A", 20), (". NS", 20), ("example.com. AXFR", 18), ("example.com. IXFR", 18)]
    {
        let told = bed.send(&edns_query(question, 1232), Transport::Udp);
        assert_eq!(told.rcode(), "Refused");
        assert_eq!(told.extended_error(), Some((code, String::new())), "{question}");
        let told = bed.send(&query(question), Transport::Udp);
        assert!(told.message.edns.is_none());
    }
    for opcode in [OpCode::Notify, OpCode::Update] {
        let mut message = edns_query("example.com. SOA", 1232);
        message.metadata.op_code = opcode;
        let told = bed.send(&message, Transport::Udp);
        assert_eq!(told.extended_error(), Some((18, String::new())));
    }
    for question in ["www.example.com. A", "nope.example.com. A", "www.example.com. TKEY"] {
        let told = bed.send(&edns_query(question, 1232), Transport::Udp);
        assert_eq!(told.extended_error(), None, "{question}");
    }
}

#[test]
fn an_answer_given_while_all_is_down_says_so() {
    let bed = bed(
        Settings::default(),
        vec![
            Made::new("last.example.com.", 0, &["30 A 192.0.2.1"]).in_panic(Panic::LastKnown),
            Made::new("all.example.com.", 0, &["30 A 192.0.2.1"]).in_panic(Panic::Substitute),
            Made::new("to.example.com.", 0, &["30 CNAME www.example.com."])
                .in_panic(Panic::Substitute),
            Made::failing("fail.example.com.").in_panic(Panic::Substitute),
            Made::new("up.example.com.", 0, &["30 A 192.0.2.1"]),
        ],
    );
    let text = "all members are down".to_owned();
    for (question, rcode, error) in [
        ("last.example.com. A", "NoError", Some((3, text.clone()))),
        ("all.example.com. A", "NoError", Some((0, text.clone()))),
        ("to.example.com. A", "NoError", Some((0, text.clone()))),
        ("fail.example.com. A", "ServFail", Some((0, text.clone()))),
        ("up.example.com. A", "NoError", None),
    ] {
        let told = bed.send(&edns_query(question, 1232), Transport::Udp);
        assert_eq!((told.rcode().as_str(), told.extended_error()), (rcode, error), "{question}");
        assert!(bed.send(&query(question), Transport::Udp).message.edns.is_none());
    }
}

#[test]
fn an_extended_error_never_takes_the_room_of_records() {
    let records: Vec<String> = (0..40).map(|n| format!("30 A 192.0.2.{n}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let made = || Made::new("many.example.com.", 0, &records);
    let up = bed(Settings::default(), vec![made()]);
    let down = bed(Settings::default(), vec![made().in_panic(Panic::Substitute)]);
    let mut seen = [false; 3];
    for size in 600..800 {
        let message = edns_query("many.example.com. A", size);
        let (up, down) = (up.send(&message, Transport::Udp), down.send(&message, Transport::Udp));
        assert_eq!((up.answer(), up.flags()), (down.answer(), down.flags()), "{size}");
        assert!(down.size <= usize::from(size));
        let case = match (down.answer().is_empty(), down.extended_error()) {
            (true, _) => 0,
            (false, None) => 1,
            (false, Some(_)) => 2,
        };
        seen[case] = true;
    }
    assert_eq!(seen, [true; 3]);
}

#[test]
fn with_all_options_a_reply_stays_within_the_size_of_the_client() {
    let settings = Settings {
        nsid: [7; 128].into(),
        cookies: Some(Secrets::new([1; 16], [])),
        ..Settings::default()
    };
    let bed = bed(settings, Vec::new());
    let longest = format!("{0}.{0}.{0}.{1}.", "x".repeat(63), "y".repeat(61));
    for name in ["big.example.com.", "www.example.com.", "nope.example.com.", &longest] {
        for size in (512..1232).step_by(7) {
            let mut message = subnet_query(&format!("{name} A"), "2001:db8::", 128);
            let edns = message.edns.as_mut().unwrap();
            edns.set_max_payload(size);
            for (code, data) in [(NSID, &b""[..]), (COOKIE, b"cliently"), (PADDING, b"")] {
                let option = hickory_proto::rr::rdata::opt::EdnsOption::Unknown(code, data.into());
                edns.options_mut().insert(option);
            }
            let told = bed.send(&message, Transport::Udp);
            assert!(told.size <= usize::from(size), "{name} {size}");
            assert!(told.option(NSID).is_some() && told.option(COOKIE).is_some());
            assert!(told.subnet().is_some());
        }
    }
}
