//! TSIG (RFC 8945): what is verified, what is signed, and what is said when it is not right.

use hickory_proto::op::Message;
use meridian::engine::Transport;
use meridian::wire::tsig::{Algorithm, Key, Tsig};

use super::client::{NOW, exchange, rcode, records, signed, tsig_at, verified};
use super::{SECRET, ZONE, bed, holders, key, neighbours};
use crate::support::bed::{edns_query, query, texts};

const FORMERR: u8 = 1;
const NOTAUTH: u8 = 9;

fn soa() -> Vec<u8> {
    edns_query("example.com. SOA", 1232).to_vec().unwrap()
}

#[test]
fn a_signed_query_gets_its_answer_signed_over_every_transport() {
    let bed = bed(ZONE, &[]);
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        for question in ["example.com. SOA", "nothing.example.com. A", "elsewhere. A"] {
            let message = query(question).to_vec().unwrap();
            let plain = exchange(&bed, &message, transport).remove(0);
            let (message, mac) = signed(&message, &key("transfer."), NOW);
            let answer = exchange(&bed, &message, transport).remove(0);
            let checked = verified(&answer, &key("transfer."), &mac, true);
            assert_eq!((checked.bare, checked.error), (plain, 0), "{question}");
            assert_eq!(checked.time, NOW);
        }
    }
}

#[test]
fn other_opcodes_are_signed_too() {
    let mut message = query("example.com. SOA").to_vec().unwrap();
    message[2] = 0x20; // NOTIFY
    let (message, mac) = signed(&message, &key("transfer."), NOW);
    let answer = exchange(&bed(ZONE, &[]), &message, Transport::Udp).remove(0);
    assert_eq!(verified(&answer, &key("transfer."), &mac, true).bare[3] & 0x0f, 5);
}

#[test]
fn every_message_of_a_transfer_is_signed_in_a_chain() {
    let mut zone = ZONE.to_owned();
    for index in 0..3000 {
        zone += &format!("host{index} 60 A 192.0.2.1\n");
    }
    let message = query("example.com. AXFR").to_vec().unwrap();
    let (message, mut prior) = signed(&message, &key("transfer."), NOW);
    let messages = exchange(&bed(&zone, &[holders()]), &message, Transport::Tcp);
    assert!(messages.len() > 2);
    let mut bare = Vec::new();
    for (index, octets) in messages.iter().enumerate() {
        assert!(octets.len() <= 16_384);
        let checked = verified(octets, &key("transfer."), &prior, index == 0);
        prior = checked.mac;
        bare.push(checked.bare);
    }
    assert_eq!(records(&bare).len(), 14 + 3000);
}

#[test]
fn keys_and_macs_that_are_not_right_get_an_unsigned_notauth() {
    let bed = bed(ZONE, &[neighbours()]);
    let strange = key("strange.");
    let other_secret = Key::new(&"transfer.".parse().unwrap(), Algorithm::HmacSha256, b"other");
    let other_algorithm = Key::new(&"transfer.".parse().unwrap(), Algorithm::HmacSha512, SECRET);
    for (key, error) in [(&*strange, 17), (&other_algorithm, 17), (&other_secret, 16)] {
        for question in ["example.com. SOA", "example.com. AXFR"] {
            let message = query(question).to_vec().unwrap();
            let (message, _) = signed(&message, key, NOW);
            let answers = exchange(&bed, &message, Transport::Tcp);
            assert_eq!(rcode(&answers), NOTAUTH);
            let tsig = Tsig::parse(&answers[0], tsig_at(&answers[0])).unwrap();
            assert_eq!((tsig.error.0, tsig.mac, tsig.other), (error, &[][..], &[][..]));
            assert_eq!(tsig.key.as_wire(), key.name().as_wire());
            assert_eq!(tsig.original_id, 0x4d44);
            assert_eq!(answers[0][6..8], [0, 0], "no answer beside it");
        }
    }
}

#[test]
fn another_time_gets_a_signed_notauth_that_says_ours() {
    let bed = bed(ZONE, &[]);
    for time in [NOW - 301, NOW + 301, 0] {
        let (message, mac) = signed(&soa(), &key("transfer."), time);
        let answers = exchange(&bed, &message, Transport::Udp);
        assert_eq!(rcode(&answers), NOTAUTH);
        let checked = verified(&answers[0], &key("transfer."), &mac, true);
        assert_eq!((checked.error, checked.time), (18, time));
        assert_eq!(checked.other, NOW.to_be_bytes()[2..]);
    }
    for time in [NOW - 300, NOW + 300] {
        let (message, _) = signed(&soa(), &key("transfer."), time);
        assert_eq!(rcode(&exchange(&bed, &message, Transport::Udp)), 0);
    }
}

/// The message with its MAC cut to so many octets.
fn cut(message: &[u8], octets: usize) -> Vec<u8> {
    let at = tsig_at(message);
    let mac_at = message.len() - 6 - 32;
    let mut cut = message[..mac_at + octets].to_vec();
    cut.extend(&message[mac_at + 32..]);
    let data_len = at + "\x08transfer\x00".len() + 8;
    cut[data_len + 1] -= 32 - octets as u8;
    cut[mac_at - 1] = octets as u8;
    cut
}

#[test]
fn a_short_mac_is_refused_and_one_too_short_is_malformed() {
    let bed = bed(ZONE, &[]);
    let (message, mac) = signed(&soa(), &key("transfer."), NOW);
    assert_eq!(cut(&message, 32), message);
    let answers = exchange(&bed, &cut(&message, 16), Transport::Udp);
    assert_eq!(rcode(&answers), NOTAUTH);
    assert_eq!(verified(&answers[0], &key("transfer."), &mac[..16], true).error, 22);
    for octets in [0, 9, 15] {
        assert_eq!(rcode(&exchange(&bed, &cut(&message, octets), Transport::Udp)), FORMERR);
    }
}

#[test]
fn an_answer_that_does_not_fit_beside_its_signature_is_cut_and_signed() {
    let mut zone = ZONE.to_owned();
    for index in 0..29 {
        zone += &format!("many 60 A 192.0.2.{index}\n");
    }
    let bed = bed(&zone, &[]);
    let message = query("many.example.com. A").to_vec().unwrap();
    let plain = exchange(&bed, &message, Transport::Udp).remove(0);
    assert!(plain.len() <= 512 && plain[2] & 0x02 == 0);
    let (message, mac) = signed(&message, &key("transfer."), NOW);
    let answer = exchange(&bed, &message, Transport::Udp).remove(0);
    assert!(answer.len() <= 512);
    let checked = verified(&answer, &key("transfer."), &mac, true);
    assert_eq!((checked.bare[2] & 0x02, &checked.bare[6..8]), (0x02, &[0, 0][..]));
}

#[test]
fn two_signatures_and_one_before_other_records_are_malformed() {
    let bed = bed(ZONE, &[]);
    let message = query("example.com. SOA").to_vec().unwrap();
    let (once, _) = signed(&message, &key("transfer."), NOW);
    let (twice, _) = signed(&once, &key("transfer."), NOW);
    assert_eq!(rcode(&exchange(&bed, &twice, Transport::Udp)), FORMERR);
    let mut followed = once.clone();
    followed[11] += 1;
    followed.extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rcode(&exchange(&bed, &followed, Transport::Udp)), FORMERR);
}

#[test]
fn no_prefix_of_a_signed_message_and_no_wrong_octet_breaks_anything() {
    let bed = bed(ZONE, &[holders()]);
    let message = query("example.com. AXFR").to_vec().unwrap();
    let (message, _) = signed(&message, &key("transfer."), NOW);
    for end in 0..message.len() {
        exchange(&bed, &message[..end], Transport::Tcp);
    }
    for place in 2..message.len() {
        for octet in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut wrong = message.clone();
            wrong[place] = octet;
            for answer in exchange(&bed, &wrong, Transport::Tcp) {
                let changed = wrong != message && place < tsig_at(&message);
                assert!(!changed || answer[3] & 0x0f != 0, "octet {place} as {octet}");
            }
        }
    }
}

/// Queries for `example.com. SOA` that dnspython 2.3 signed at NOW with the key
/// `Transfer.Example.` and this test's secret.
const BY_DNSPYTHON: [(Algorithm, &str); 5] = [
    (
        Algorithm::HmacSha1,
        "123401000001000000000001076578616d706c6503636f6d0000060001085472616e73666572074578616d70\
         6c650000fa00ff00000000002f09686d61632d736861310000006553f100012c0014c8104659d52b91fa4751\
         989a96bdd5a96333c743123400000000",
    ),
    (
        Algorithm::HmacSha224,
        "123401000001000000000001076578616d706c6503636f6d0000060001085472616e73666572074578616d70\
         6c650000fa00ff0000000000390b686d61632d7368613232340000006553f100012c001c216568a9153d25cb\
         0431d5cf23d1f026f30c5f561d5785522734d8ba123400000000",
    ),
    (
        Algorithm::HmacSha256,
        "123401000001000000000001076578616d706c6503636f6d0000060001085472616e73666572074578616d70\
         6c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c002003107d403e82a6f8\
         d64bc3f780dd58139a98894d30189967283dd30444f810e0123400000000",
    ),
    (
        Algorithm::HmacSha384,
        "123401000001000000000001076578616d706c6503636f6d0000060001085472616e73666572074578616d70\
         6c650000fa00ff00000000004d0b686d61632d7368613338340000006553f100012c00300529a78059c159a9\
         30cd679085e11f97bbf1b90c259aca0bfeb582976b1e586da147920947315ced7ded929826eefc3212340000\
         0000",
    ),
    (
        Algorithm::HmacSha512,
        "123401000001000000000001076578616d706c6503636f6d0000060001085472616e73666572074578616d70\
         6c650000fa00ff00000000005d0b686d61632d7368613531320000006553f100012c00406fe1cd2bba82ba37\
         1f070e6e2ddb7c86435849c610bbb21d26197118a73f9bcf87c07e8fe4a93c68cf0724d8892a8b4e95e3d042\
         b0dbb155787b91757d2f48e7123400000000",
    ),
];

#[test]
fn what_another_implementation_signs_is_believed_and_signed_alike() {
    for (algorithm, hex) in BY_DNSPYTHON {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        let message: Vec<u8> = digits.chunks(2).map(|pair| octet(pair).unwrap()).collect();
        let key = Key::new(&"transfer.example.".parse().unwrap(), algorithm, SECRET);
        let at = tsig_at(&message);
        let tsig = Tsig::parse(&message, at).unwrap();
        assert!(key.is_of(&tsig));
        assert_eq!(key.verify(&message, &tsig, NOW), Ok(()), "{algorithm:?}");
        let mut bare = tsig.stripped(&message);
        bare[2..4].copy_from_slice(&message[2..4]);
        let (ours, _) = signed(&bare, &key, NOW);
        assert_eq!(ours.to_ascii_lowercase(), message.to_ascii_lowercase(), "{algorithm:?}");
    }
}

#[test]
fn the_answer_reads_as_dns_to_others() {
    let (message, _) = signed(&soa(), &key("transfer."), NOW);
    let answer = exchange(&bed(ZONE, &[]), &message, Transport::Udp).remove(0);
    let read = Message::from_vec(&answer).unwrap();
    assert!(read.edns.is_some());
    assert!(texts(&read.answers)[0].contains(" SOA "));
}
