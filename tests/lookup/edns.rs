//! OPT in and out: RFC 6891.

use hickory_proto::op::{Edns, OpCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use meridian::engine::Transport;

use crate::bed::{Bed, edns_query, query, subnet_query};

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
    assert_eq!(told.rcode(), "NotImp");
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
