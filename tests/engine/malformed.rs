//! Whatever comes from the network gets FORMERR, a valid reply or silence; never a panic.

use hickory_proto::op::{Message, MessageType};
use meridian::engine::Transport;
use proptest::prelude::*;

use crate::support::bed::{Bed, Made, edns_query, query, subnet_query};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 60
@       SOA ns hostmaster 1 7200 900 1209600 300
@       NS  ns
ns      A   192.0.2.53
@       MX  10 ns
*.wild  A   192.0.2.4
a       CNAME www
out     CNAME x.elsewhere.
old     DNAME wild
cut     NS  ns.cut
ns.cut  A   192.0.2.54
";

fn bed() -> Bed {
    let www = Made::new("www.example.com.", 20, &["30 A 192.0.2.1", "30 AAAA 2001:db8::1"]);
    Bed::steered(&[ZONE], vec![www])
}

/// Valid queries of every kind, as octets.
fn valid() -> Vec<Vec<u8>> {
    let mut queries = Vec::new();
    for question in [
        "www.example.com. A",
        "example.com. MX",
        "x.wild.example.com. A",
        "a.example.com. AAAA",
        "x.old.example.com. A",
        "x.cut.example.com. A",
        "nope.example.com. TXT",
        "out.example.com. A",
        "example.com. ANY",
        ". NS",
    ] {
        queries.push(query(question).to_vec().unwrap());
        queries.push(edns_query(question, 1232).to_vec().unwrap());
        queries.push(subnet_query(question, "192.0.2.0", 24).to_vec().unwrap());
    }
    queries.push(subnet_query("www.example.com. A", "2001:db8::", 56).to_vec().unwrap());
    // Two records behind OPT: the cold path reads it.
    let mut unusual = edns_query("www.example.com. A", 1232).to_vec().unwrap();
    unusual[11] = 3;
    unusual.extend(b"\x01k\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x00\x00\x02\x01b");
    unusual.extend(b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00");
    queries.push(unusual);
    queries
}

/// Sends octets both ways and checks what comes back.
fn send(bed: &Bed, octets: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
        let Some(reply) = bed.octets(octets, transport) else {
            assert!(octets.len() < 12 || octets[2] & 0x80 != 0, "silence to {octets:x?}");
            continue;
        };
        assert!(transport == Transport::Tcp || reply.len() <= 1232);
        assert_eq!(reply[..2], octets[..2]);
        // The opcode and RD come back, whatever else is wrong.
        assert_eq!(reply[2] & 0x79, octets[2] & 0x79, "{octets:x?}");
        match Message::from_vec(&reply) {
            Ok(message) => assert_eq!(message.metadata.message_type, MessageType::Response),
            // Opcodes that hickory has no name for, it does not read.
            Err(error) => assert!(octets[2] & 0x78 != 0, "{error}: {octets:x?} {reply:x?}"),
        }
    }
}

#[test]
fn every_truncation_is_answered_with_formerr_or_silence() {
    let bed = bed();
    for octets in valid() {
        for len in 0..octets.len() {
            send(&bed, &octets[..len]);
            if len >= 12 {
                let reply = bed.octets(&octets[..len], Transport::Udp).unwrap();
                assert_eq!(reply[3] & 0x0f, 1, "{len} of {octets:x?}");
            }
        }
        send(&bed, &octets);
        assert_ne!(bed.octets(&octets, Transport::Udp).unwrap()[3] & 0x0f, 1, "{octets:x?}");
    }
}

#[test]
fn every_change_of_one_octet_is_answered_or_met_with_silence() {
    let bed = bed();
    for octets in valid() {
        for place in 0..octets.len() {
            let mut changed = octets.clone();
            for value in 0..=u8::MAX {
                changed[place] = value;
                send(&bed, &changed);
            }
        }
    }
}

#[test]
fn octets_behind_a_message_are_formerr() {
    let bed = bed();
    for mut octets in valid() {
        octets.push(0);
        assert_eq!(bed.octets(&octets, Transport::Udp).unwrap()[3] & 0x0f, 1, "{octets:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_octets_behind_a_query_header_do_no_harm(
        counts in any::<[u8; 4]>(),
        tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let [qd, an, ns, ar] = counts.map(|count| count % 3);
        let mut octets = vec![1, 2, 1, 0, 0, qd, 0, an, 0, ns, 0, ar];
        octets.extend(tail);
        send(&bed_of_thread(), &octets);
    }

    #[test]
    fn random_labels_and_pointers_do_no_harm(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                &b"\x03www"[..], b"\x07example", b"\x03com", b"\x00", b"\xc0\x0c", b"\xc0\x00",
                b"\xff\xff", b"\x00\x01", b"\x00\x29", b"\x00\x00", b"\x04\xd0", b"\x00\x08",
                b"\x00\x01\x18\x00\xc0\x00\x02", b"\x40", b"\x3f",
            ]),
            0..24,
        ),
        counts in any::<[u8; 4]>(),
    ) {
        let [an, ns, ar, _] = counts.map(|count| count % 3);
        let mut octets = vec![1, 2, 1, 0, 0, 1, 0, an, 0, ns, 0, ar];
        octets.extend(parts.concat());
        send(&bed_of_thread(), &octets);
    }
}

fn bed_of_thread() -> std::rc::Rc<Bed> {
    thread_local!(static BED: std::rc::Rc<Bed> = std::rc::Rc::new(bed()));
    BED.with(std::rc::Rc::clone)
}
