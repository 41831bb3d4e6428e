//! OPT in and out: RFC 6891.

use hickory_proto::op::{Edns, Message, OpCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use meridian::engine::Transport;

use crate::support::bed::{Bed, edns_query, option_query, query, subnet_query};

const ZONE: &str = "\
$ORIGIN example.com.
@ 60 SOA ns hostmaster 1 7200 900 1209600 300
@ 60 NS ns.elsewhere.
www 60 A 192.0.2.1
sub 60 NS ns.elsewhere.
";

#[test]
fn opt_is_answered_with_opt_in_every_kind_of_reply() {
    let bed = Bed::new(&[ZONE]);
    for question in [
        "www.example.com. A",
        "www.example.com. TXT",
        "nope.example.com. A",
        "x.sub.example.com. A",
        "elsewhere. A",
        "example.com. AXFR",
        "www.example.com. TKEY",
    ] {
        let told = bed.send(&edns_query(question, 4096), Transport::Udp);
        let edns = told.message.edns.as_ref().unwrap_or_else(|| panic!("{question}"));
        assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
        let told = bed.send(&query(question), Transport::Udp);
        assert!(told.message.edns.is_none(), "{question}");
    }
    let mut update = edns_query("example.com. SOA", 1232);
    update.metadata.op_code = OpCode::Update;
    let told = bed.send(&update, Transport::Udp);
    assert_eq!(told.rcode(), "Refused");
    assert!(told.message.edns.is_some());
}

#[test]
fn another_version_gets_badvers() {
    let mut message = query("www.example.com. A");
    let mut edns = Edns::new();
    edns.set_version(1);
    message.set_edns(edns);
    let told = Bed::new(&[ZONE]).send(&message, Transport::Udp);
    assert_eq!(told.rcode(), "BadVers");
    assert_eq!(told.message.edns.as_ref().unwrap().version(), 0);
    assert_eq!((told.answer().len(), told.flags().as_str()), (0, ""));
}

#[test]
fn another_version_gets_badvers_and_the_do_flag_whatever_else_it_brings() {
    let bed = Bed::new(&[ZONE]);
    let mut message = option_query("www.example.com. A", &[(3, b""), (10, b"?"), (100, b"x")]);
    let edns = message.edns.as_mut().unwrap();
    edns.set_version(200);
    edns.set_dnssec_ok(true);
    edns.flags_mut().z = 0x1234;
    let told = bed.send(&message, Transport::Udp);
    let edns = told.message.edns.as_ref().unwrap();
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("BadVers", 0));
    assert_eq!((edns.version(), edns.flags().dnssec_ok, edns.flags().z), (0, true, 0));
    assert!(edns.options().options.is_empty());
}

#[test]
fn flags_and_an_extended_code_that_mean_nothing_in_a_query_are_ignored() {
    let bed = Bed::new(&[ZONE]);
    let mut octets = edns_query("www.example.com. A", 1232).to_vec().unwrap();
    let opt = octets.len() - 11;
    octets[opt + 5] = 0x05; // upper bits of a response code
    octets[opt + 7] = 0x7f; // all flags but DO
    octets[opt + 8] = 0xff;
    let reply = bed.octets(&octets, Transport::Udp).unwrap();
    let told = Message::from_vec(&reply).unwrap();
    let edns = told.edns.unwrap();
    assert_eq!((told.answers.len(), u16::from(told.metadata.response_code)), (1, 0));
    assert_eq!((edns.flags().dnssec_ok, edns.flags().z), (false, 0));
}

#[test]
fn opt_anywhere_but_once_at_the_root_in_the_additional_section_gets_formerr() {
    let bed = Bed::new(&[ZONE]);
    let plain = query("www.example.com. A").to_vec().unwrap();
    let opt: &[u8] = &[0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0];
    let owned = [b"\x01a", opt].concat();
    let overrun = [&opt[..10], &[9]].concat();
    let unfinished = [&opt[..10], &[3, 0, 3, 0]].concat();
    for (counts, tail) in [
        ([0, 0, 2], [opt, opt].concat()),
        ([0, 0, 1], owned),
        ([1, 0, 0], opt.to_vec()),
        ([0, 1, 0], opt.to_vec()),
        ([0, 0, 1], overrun),
        ([0, 0, 1], unfinished),
    ] {
        let mut octets = plain.clone();
        (octets[7], octets[9], octets[11]) = (counts[0], counts[1], counts[2]);
        octets.extend(&tail);
        let reply = bed.octets(&octets, Transport::Udp).unwrap();
        let told = Message::from_vec(&reply).unwrap();
        assert_eq!(format!("{:?}", told.metadata.response_code), "FormErr", "{tail:?}");
        assert_eq!((told.queries.len(), told.answers.len()), (1, 0));
    }
}

#[test]
fn a_size_below_512_means_512() {
    let bed = Bed::new(&[ZONE]);
    for size in [0, 1, 511] {
        let told = bed.send(&edns_query("www.example.com. A", size), Transport::Udp);
        assert_eq!((told.answer().len(), told.flags().as_str()), (1, "aa"), "{size}");
    }
}

#[test]
fn many_defined_options_at_once_are_no_trouble() {
    // What RFC 8906 section 8.2.10 sends: NSID, cookie, expire, and here a subnet and padding.
    let mut message = subnet_query("www.example.com. A", "0.0.0.0", 0);
    for (code, data) in [(3, &b""[..]), (10, b"cliently"), (9, b""), (11, b""), (12, &[0; 9])] {
        let option = EdnsOption::Unknown(code, data.into());
        message.edns.as_mut().unwrap().options_mut().insert(option);
    }
    let told = Bed::new(&[ZONE]).send(&message, Transport::Udp);
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("NoError", 1));
    assert_eq!(told.subnet(), Some(("0.0.0.0".parse().unwrap(), 0, 0)));
}

#[test]
fn the_do_flag_is_echoed_and_nothing_is_invented_for_it() {
    let mut message = edns_query("www.example.com. A", 1232);
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    let told = Bed::new(&[ZONE]).send(&message, Transport::Udp);
    assert!(told.message.edns.as_ref().unwrap().flags().dnssec_ok);
    assert_eq!(told.answer().len(), 1);
    let told = Bed::new(&[ZONE]).send(&edns_query("www.example.com. A", 1232), Transport::Udp);
    assert!(!told.message.edns.as_ref().unwrap().flags().dnssec_ok);
}

#[test]
fn options_nobody_knows_are_passed_over() {
    let mut message = subnet_query("www.example.com. A", "192.0.2.0", 24);
    let options = message.edns.as_mut().unwrap().options_mut();
    options.insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    let told = Bed::new(&[ZONE]).send(&message, Transport::Udp);
    assert_eq!(told.rcode(), "NoError");
    assert_eq!(told.message.edns.as_ref().unwrap().options().options.len(), 1);
}

#[test]
fn a_bad_client_subnet_gets_formerr_with_opt_and_without_subnet() {
    let bed = Bed::new(&[ZONE]);
    for data in [
        &[0, 0, 0, 0][..],
        &[0, 3, 8, 0, 1],
        &[0, 1, 33, 0, 1, 2, 3, 4, 0],
        &[0, 1, 24, 0, 192, 0],
        &[0, 1, 24, 0, 192, 0, 2, 0],
        &[0, 1, 20, 0, 192, 0, 0x21],
        &[0, 1, 24, 24, 192, 0, 2],
        &[0, 1],
    ] {
        let mut octets = edns_query("www.example.com. A", 1232).to_vec().unwrap();
        let len = octets.len();
        octets[len - 1] = data.len() as u8 + 4;
        octets.extend([0, 8, 0, data.len() as u8]);
        octets.extend(data);
        let reply = bed.octets(&octets, Transport::Udp).unwrap();
        let message = hickory_proto::op::Message::from_vec(&reply).unwrap();
        assert_eq!(format!("{:?}", message.metadata.response_code), "FormErr", "{data:?}");
        assert_eq!(message.queries.len(), 1);
        assert!(message.edns.unwrap().options().options.is_empty());
    }
}
