//! Cookies: RFC 7873, RFC 9018.

use hickory_proto::op::{Message, OpCode};
use meridian::engine::{Secrets, Settings, Snapshot, Transport};
use meridian::zone::Zones;

use crate::support::bed::{Bed, Told, edns_query, option_query, query, source};

const ZONE: &str = "\
$ORIGIN example.com.
@ 60 SOA ns hostmaster 1 7200 900 1209600 300
@ 60 NS ns.elsewhere.
www 60 A 192.0.2.1
";

const COOKIE: u16 = 10;
const CLIENT: &[u8] = b"cliently";
/// A time in milliseconds.
const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn bed(cookies: Option<Secrets>) -> Bed {
    let zones = Zones::build(vec![source(ZONE)], Vec::new()).unwrap();
    let settings = Settings { cookies, ..Settings::default() };
    Bed { now: NOW, ..Bed::with(Snapshot { zones, settings, ..Snapshot::default() }, Vec::new()) }
}

fn secret(octet: u8) -> [u8; 16] {
    [octet; 16]
}

fn signing_with(octet: u8) -> Bed {
    bed(Some(Secrets::new(secret(octet), [])))
}

/// Asks for an address with this cookie.
fn ask(bed: &Bed, cookie: &[u8]) -> Told {
    bed.send(&option_query("www.example.com. A", &[(COOKIE, cookie)]), Transport::Udp)
}

/// The cookie in a reply.
fn cookie(told: &Told) -> Vec<u8> {
    told.option(COOKIE).expect("a cookie")
}

/// Sends a cookie and no question.
fn ask_nothing(bed: &Bed, options: &[(u16, &[u8])]) -> Told {
    let mut message = option_query("www.example.com. A", options);
    message.queries.clear();
    bed.send(&message, Transport::Udp)
}

#[test]
fn a_client_gets_its_answer_and_a_cookie_that_is_kept_for_half_an_hour() {
    let mut bed = signing_with(1);
    let told = ask(&bed, CLIENT);
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("NoError", 1));
    let first = cookie(&told);
    assert_eq!((first.len(), &first[..8], &first[8..12]), (24, CLIENT, &[1, 0, 0, 0][..]));
    bed.now = NOW + 30 * MINUTE;
    assert_eq!(cookie(&ask(&bed, &first)), first);
    bed.now = NOW + 31 * MINUTE;
    let second = cookie(&ask(&bed, &first));
    assert_ne!(second, first);
    assert_eq!(cookie(&ask(&bed, &second)), second);
}

#[test]
fn a_bad_cookie_is_replaced_and_the_answer_given_all_the_same() {
    let bed = signing_with(1);
    let good = cookie(&ask(&bed, CLIENT));
    for server in [&[7; 8][..], &[7; 16], &[7; 32]] {
        let told = ask(&bed, &[CLIENT, server].concat());
        assert_eq!((told.rcode().as_str(), told.answer().len()), ("NoError", 1));
        assert_eq!(cookie(&told), good);
    }
}

#[test]
fn a_cookie_that_cannot_be_one_gets_formerr_without_a_cookie() {
    let bed = signing_with(1);
    for len in [0, 1, 7, 9, 15, 41, 200] {
        let told = ask(&bed, &vec![7; len]);
        assert_eq!(told.rcode(), "FormErr", "{len}");
        assert!(told.message.edns.is_some());
        assert_eq!((told.option(COOKIE), told.message.queries.len()), (None, 1));
    }
}

#[test]
fn of_several_cookies_the_first_counts() {
    let mut octets = option_query("www.example.com. A", &[(COOKIE, CLIENT)]).to_vec().unwrap();
    let len = octets.len();
    octets[len - 13] += 12;
    octets.extend([0, 10, 0, 8]);
    octets.extend(b"no other");
    let reply = signing_with(1).octets(&octets, Transport::Udp).unwrap();
    let told = Told { size: reply.len(), message: Message::from_vec(&reply).unwrap() };
    assert_eq!(&cookie(&told)[..8], CLIENT);
}

#[test]
fn servers_that_share_a_secret_accept_each_others_cookies_while_it_is_changed() {
    let (old, new) = (secret(1), secret(2));
    let stages = [
        bed(Some(Secrets::new(old, []))),
        bed(Some(Secrets::new(old, [new]))),
        bed(Some(Secrets::new(new, [old]))),
        bed(Some(Secrets::new(new, []))),
    ];
    let confirms = |bed: &Bed, cookie: &[u8]| ask_nothing(bed, &[(COOKIE, cookie)]).rcode();
    for pair in stages.windows(2) {
        for (here, there) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            assert_eq!(confirms(there, &cookie(&ask(here, CLIENT))), "NoError");
        }
    }
    let made_by_first = cookie(&ask(&stages[0], CLIENT));
    assert_eq!(confirms(&stages[3], &made_by_first), "BadCookie");
}

#[test]
fn a_cookie_alone_is_asked_for_confirmed_or_turned_down() {
    let mut bed = signing_with(1);
    let told = ask_nothing(&bed, &[(COOKIE, CLIENT)]);
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", ""));
    assert!(told.message.queries.is_empty() && told.answer().is_empty());
    let good = cookie(&told);
    let told = ask_nothing(&bed, &[(COOKIE, &good)]);
    assert_eq!((told.rcode().as_str(), cookie(&told)), ("NoError", good.clone()));
    bed.now = NOW + 61 * MINUTE;
    let told = ask_nothing(&bed, &[(COOKIE, &good)]);
    assert_eq!(told.rcode(), "BadCookie");
    assert_ne!(cookie(&told), good);
    for options in [&[][..], &[(3, &b""[..])]] {
        let told = ask_nothing(&bed, options);
        assert_eq!(told.rcode(), "FormErr");
        assert!(told.message.edns.is_some());
    }
}

#[test]
fn a_cookie_is_for_one_address() {
    let mut bed = signing_with(1);
    let good = cookie(&ask(&bed, CLIENT));
    bed.client = "198.51.100.7:9999".parse().unwrap();
    assert_eq!(ask_nothing(&bed, &[(COOKIE, &good)]).rcode(), "NoError");
    bed.client = "[2001:db8::7]:5353".parse().unwrap();
    assert_eq!(ask_nothing(&bed, &[(COOKIE, &good)]).rcode(), "BadCookie");
}

#[test]
fn every_kind_of_reply_brings_a_cookie_and_no_reply_without_edns_does() {
    let bed = signing_with(1);
    for transport in [Transport::Udp, Transport::Tcp, Transport::Quic] {
        for question in [
            "www.example.com. A",
            "www.example.com. TXT",
            "nope.example.com. A",
            "elsewhere. A",
            "example.com. AXFR",
            "www.example.com. TKEY",
        ] {
            let message = option_query(question, &[(COOKIE, CLIENT)]);
            assert_eq!(cookie(&bed.send(&message, transport)).len(), 24, "{question}");
            assert_eq!(bed.send(&edns_query(question, 1232), transport).option(COOKIE), None);
            assert!(bed.send(&query(question), transport).message.edns.is_none());
        }
    }
    for opcode in [OpCode::Notify, OpCode::Update, OpCode::Status] {
        let mut message = option_query("example.com. SOA", &[(COOKIE, CLIENT)]);
        message.metadata.op_code = opcode;
        assert_eq!(cookie(&bed.send(&message, Transport::Udp)).len(), 24, "{opcode:?}");
    }
}

#[test]
fn without_a_secret_cookies_are_passed_over() {
    let bed = bed(None);
    let told = ask(&bed, CLIENT);
    assert_eq!((told.rcode().as_str(), told.option(COOKIE)), ("NoError", None));
    assert_eq!(ask_nothing(&bed, &[(COOKIE, CLIENT)]).rcode(), "FormErr");
}
