//! Messages that are no questions for a zone.

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::DNSClass;
use meridian::engine::Transport;

use crate::support::bed::{Bed, query};

const ZONE: &str = "\
$ORIGIN example.com.
@ 60 SOA ns hostmaster 1 7200 900 1209600 300
@ 60 NS ns.elsewhere.
www 60 A 192.0.2.1
";

fn bed() -> Bed {
    Bed::new(&[ZONE])
}

#[test]
fn a_name_outside_of_all_zones_is_refused() {
    for question in ["example.net. A", "com. NS", ". NS", "notexample.com. A", "elsewhere. DS"] {
        let told = bed().ask(question);
        assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("Refused", ""));
        assert_eq!(told.message.queries.len(), 1);
        assert!(told.authority().is_empty());
    }
    assert_eq!(Bed::new(&[]).ask("example.com. A").rcode(), "Refused");
}

#[test]
fn classes_but_in_are_refused_and_class_any_is_never_authoritative() {
    let mut message = query("www.example.com. A");
    for class in [0, 2, 3, 4, 254, 1000, 65_535] {
        message.queries[0].query_class = DNSClass::from(class);
        assert_eq!(bed().send(&message, Transport::Udp).rcode(), "Refused", "{class}");
    }
    message.queries[0].query_class = DNSClass::ANY;
    let told = bed().send(&message, Transport::Udp);
    assert_eq!((told.answer().len(), told.flags().as_str()), (1, ""));
}

#[test]
fn transfers_are_refused_and_other_meta_types_are_no_questions() {
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(bed().send(&query("example.com. AXFR"), transport).rcode(), "Refused");
        assert_eq!(bed().send(&query("example.com. IXFR"), transport).rcode(), "Refused");
    }
    assert_eq!(bed().ask("example.com. TYPE253").rcode(), "NotImp");
    assert_eq!(bed().ask("example.com. TYPE249").rcode(), "NotImp");
    assert_eq!(bed().ask("example.com. TYPE128").rcode(), "FormErr");
    // Reserved, and in a question a type that nothing has: as BIND and NSD answer it.
    assert_eq!(bed().ask("example.com. TYPE0").rcode(), "NoError");
}

#[test]
fn opcodes_nobody_knows_are_not_implemented() {
    let mut octets = query("www.example.com. A").to_vec().unwrap();
    for opcode in (1..16).filter(|opcode| ![4, 5].contains(opcode)) {
        octets[2] = opcode << 3;
        for message in [&octets[..], &[&octets[..4], &[0; 8]].concat()] {
            let reply = bed().octets(message, Transport::Udp).unwrap();
            assert_eq!((reply[2], reply[3]), (0x80 | opcode << 3, 4), "{opcode}");
            assert_eq!(reply[6..12], [0; 6]);
        }
    }
}

#[test]
fn notify_and_update_are_refused_for_zones_and_not_authorised_for_other_names() {
    for opcode in [OpCode::Notify, OpCode::Update] {
        for (question, rcode) in [
            ("example.com. SOA", "Refused"),
            ("EXAMPLE.com. SOA", "Refused"),
            ("www.example.com. SOA", "NotAuth"),
            ("example.net. SOA", "NotAuth"),
            ("example.com. A", "FormErr"),
        ] {
            let mut message = query(question);
            message.metadata.op_code = opcode;
            let told = bed().send(&message, Transport::Udp);
            assert_eq!((told.rcode().as_str(), told.flags().as_str()), (rcode, ""), "{question}");
            assert_eq!(told.message.metadata.op_code, opcode);
            assert_eq!(told.message.queries.len(), 1);
        }
        let mut message = query("example.com. SOA");
        message.metadata.op_code = opcode;
        message.queries[0].query_class = DNSClass::CH;
        assert_eq!(bed().send(&message, Transport::Udp).rcode(), "NotAuth");
    }
}

#[test]
fn flags_a_response_code_and_records_that_a_query_has_no_use_for_are_ignored() {
    let plain = query("www.example.com. A").to_vec().unwrap();
    let expected = bed().octets(&plain, Transport::Udp).unwrap();
    let mut flags = plain.clone();
    (flags[2], flags[3]) = (0x07, 0xff); // AA, TC, RD; RA, Z, AD, CD and a code
    assert_eq!(bed().octets(&flags, Transport::Udp), Some(expected.clone()));
    let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x09";
    for count in [7, 9, 11] {
        let mut more = plain.clone();
        more[count] = 1;
        more.extend(record);
        assert_eq!(bed().octets(&more, Transport::Udp), Some(expected.clone()), "{count}");
    }
}

#[test]
fn the_question_comes_back_octet_by_octet() {
    for name in ["wWw.eXaMpLe.CoM.", "WWW.EXAMPLE.COM.", "nOpE.example.COM.", "eLsEwHeRe."] {
        for qtype in ["A", "TYPE65280", "ANY", "AXFR", "TYPE128"] {
            let sent = query(&format!("{name} {qtype}")).to_vec().unwrap();
            let reply = bed().octets(&sent, Transport::Udp).unwrap();
            assert_eq!(reply[12..sent.len()], sent[12..], "{name} {qtype}");
        }
    }
}

#[test]
fn types_nobody_knows_are_types_like_any_other() {
    for number in [0x0100, 1000, 32_768, 65_280, 65_534, 65_535] {
        let told = bed().ask(&format!("www.example.com. TYPE{number}"));
        assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"), "{number}");
        assert_eq!((told.answer().len(), told.authority().len()), (0, 1));
    }
}

#[test]
fn a_response_and_a_stump_get_silence() {
    let mut octets = query("www.example.com. A").to_vec().unwrap();
    assert_eq!(bed().octets(&octets[..11], Transport::Udp), None);
    octets[2] |= 0x80;
    assert_eq!(bed().octets(&octets, Transport::Udp), None);
}

#[test]
fn a_malformed_message_gets_formerr_with_its_id_and_rd() {
    let whole = query("www.example.com. A").to_vec().unwrap();
    let mut two = whole.clone();
    two[5] = 2;
    let mut none = whole[..12].to_vec();
    none[5] = 0;
    let mut trailing = whole.clone();
    trailing.push(0);
    let mut overrun = whole.clone();
    overrun[7] = 1;
    let mut pointer = whole[..12].to_vec();
    pointer.extend([0xc0, 12, 0, 1, 0, 1]);
    let header_only = whole[..12].to_vec();
    for octets in [two, none, trailing, overrun, pointer, header_only] {
        let reply = bed().octets(&octets, Transport::Udp).unwrap();
        let message = Message::from_vec(&reply).unwrap();
        assert_eq!(format!("{:?}", message.metadata.response_code), "FormErr", "{octets:x?}");
        assert_eq!(message.metadata.id, 0x4d44);
        assert!(message.metadata.recursion_desired);
    }
}

#[test]
fn an_output_buffer_too_small_for_any_reply_is_silence() {
    use meridian::engine::{Clock, Reply, Request};
    let bed = bed();
    let message = query("www.example.com. A").to_vec().unwrap();
    let transport = Transport::Udp;
    let request = Request {
        message: &message,
        client: &bed.client,
        local: &None,
        transport,
        clock: &Clock::at(1),
    };
    for len in 0..64 {
        let mut out = vec![0; len];
        let reply = bed.engine.respond(&request, &mut bed.scratch.borrow_mut(), &mut out);
        match reply {
            Reply::Drop => assert!(len < message.len()),
            Reply::Transfer(_) => panic!("many messages"),
            Reply::Message(used) => assert!(used <= len),
        }
    }
}
