//! AXFR and IXFR: who gets a zone, and what it gets.

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record};
use meridian::engine::{Clock, Reply, Request, Transport};

use super::client::{NOW, exchange, rcode, records, signed};
use super::{ZONE, bed, bed_with_slots, holders, key, neighbours};
use crate::support::bed::{Bed, edns_query, query};

const REFUSED: u8 = 5;
const NOTAUTH: u8 = 9;
const NOTIMP: u8 = 4;
const SERVFAIL: u8 = 2;

fn ask(bed: &Bed, question: &str, transport: Transport) -> Vec<Vec<u8>> {
    exchange(bed, &query(question).to_vec().unwrap(), transport)
}

#[test]
fn a_transfer_holds_every_record_once_between_two_soas() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let messages = ask(&bed(ZONE, &[neighbours()]), "eXample.com. AXFR", transport);
        assert_eq!(messages.len(), 1);
        let mut records = records(&messages);
        let soa = "Example.COM. 60 SOA ns.sub.Example.COM. hostmaster.Example.COM. \
                   7 7200 900 1209600 300";
        assert_eq!(records.first().unwrap(), soa);
        assert_eq!(records.pop().unwrap(), soa);
        records.remove(0);
        records.sort();
        assert_eq!(
            records,
            [
                "*.wild.Example.COM. 60 TXT any",
                "Example.COM. 60 MX 10 mail.Example.COM.",
                "Example.COM. 60 NS ns.elsewhere.test.",
                "Example.COM. 60 NS ns.sub.Example.COM.",
                "a.b.c.Example.COM. 60 CNAME mail.Example.COM.",
                "below.sub.Example.COM. 60 TXT hidden",
                "mail.Example.COM. 60 A 192.0.2.1",
                "mail.Example.COM. 60 A 192.0.2.2",
                "ns.sub.Example.COM. 60 A 192.0.2.3",
                "sub.Example.COM. 60 NS ns.sub.Example.COM.",
                "www.Example.COM. 30 A 203.0.113.1",
                "www.Example.COM. 30 A 203.0.113.2",
            ]
        );
    }
}

#[test]
fn only_those_who_may_have_the_zone_get_it() {
    let nobody = bed(ZONE, &[]);
    assert_eq!(rcode(&ask(&nobody, "example.com. AXFR", Transport::Tcp)), REFUSED);
    let elsewhere =
        meridian::engine::transfer::Allow { net: Some("192.0.2.0/24".parse().unwrap()), key: None };
    let strangers = bed(ZONE, &[elsewhere, holders()]);
    assert_eq!(rcode(&ask(&strangers, "example.com. AXFR", Transport::Tcp)), REFUSED);
    let unsigned = query("example.com. AXFR").to_vec().unwrap();
    let (wrong, _) = signed(&unsigned, &key("other."), NOW);
    assert_eq!(rcode(&exchange(&strangers, &wrong, Transport::Tcp)), REFUSED);
    let (right, _) = signed(&unsigned, &key("transfer."), NOW);
    assert_eq!(records(&exchange(&strangers, &right, Transport::Tcp)).len(), 14);
}

#[test]
fn a_name_that_begins_no_zone_is_not_ours_to_give() {
    let bed = bed(ZONE, &[neighbours()]);
    for name in ["www.example.com.", "sub.example.com.", "com.", ".", "example.net."] {
        assert_eq!(rcode(&ask(&bed, &format!("{name} AXFR"), Transport::Tcp)), NOTAUTH, "{name}");
    }
}

#[test]
fn a_zone_goes_over_streams_alone() {
    let bed = bed(ZONE, &[neighbours()]);
    for transport in [Transport::Udp, Transport::Https, Transport::Quic] {
        assert_eq!(rcode(&ask(&bed, "example.com. AXFR", transport)), NOTIMP, "{transport:?}");
    }
}

/// A query for IXFR of a client that has this serial.
fn ixfr(serial: u32) -> Vec<u8> {
    let mut message = query("example.com. IXFR");
    let name = |text| Name::from_ascii(text).unwrap();
    let soa = SOA::new(name("ns."), name("h."), serial, 1, 1, 1, 1);
    message.add_authority(Record::from_rdata(name("example.com."), 0, RData::SOA(soa)));
    message.to_vec().unwrap()
}

#[test]
fn ixfr_gets_the_zone_when_it_is_newer_and_the_soa_alone_when_it_is_not() {
    let bed = bed(ZONE, &[neighbours()]);
    for (serial, transport, count) in [
        (6, Transport::Tcp, 14),
        (u32::MAX, Transport::Tls, 14),
        (7, Transport::Tcp, 1),
        (8, Transport::Tcp, 1),
        (6, Transport::Udp, 1),
    ] {
        let records = records(&exchange(&bed, &ixfr(serial), transport));
        assert_eq!(records.len(), count, "{serial} over {transport:?}");
        assert!(records[0].contains(" SOA "));
    }
    // Without a serial it is no IXFR.
    assert_eq!(rcode(&ask(&bed, "example.com. IXFR", Transport::Tcp)), 1);
    let nobody = super::bed(ZONE, &[]);
    assert_eq!(rcode(&exchange(&nobody, &ixfr(6), Transport::Udp)), REFUSED);
}

/// A zone of many names, and one RRset longer than a message of a transfer.
fn large() -> String {
    let mut zone = ZONE.to_owned();
    for index in 0..5000 {
        zone += &format!("host{index} 60 A 192.0.2.{}\n", index % 256);
    }
    for index in 0..2000 {
        zone += &format!("big 60 NS ns{index}.deep.name.big\n");
    }
    let string = format!("\"{}\" ", "x".repeat(255));
    zone + &format!("long 60 TXT {}\n", string.repeat(200))
}

#[test]
fn a_large_zone_comes_in_many_messages_of_a_sane_size() {
    // TCP queries with EDNS have it in every answer.
    let message = edns_query("example.com. AXFR", 1232).to_vec().unwrap();
    let bed = bed(&large(), &[neighbours()]);
    let messages = exchange(&bed, &message, Transport::Tcp);
    assert!(messages.len() > 10, "{} messages", messages.len());
    let over: Vec<usize> = messages.iter().map(Vec::len).filter(|len| *len > 16_384).collect();
    // The one record that is longer by itself.
    assert!(matches!(over[..], [51_200..52_000]), "{over:?}");
    for octets in &messages {
        assert!(Message::from_vec(octets).unwrap().edns.is_some());
    }
    let mut records = records(&messages);
    assert_eq!(records.len(), 14 + 7001);
    assert_eq!(records.first(), records.last());
    records.sort();
    records.dedup();
    assert_eq!(records.len(), 13 + 7001);
}

#[test]
fn transfers_beyond_the_limit_are_told_to_come_again() {
    let bed = bed_with_slots(ZONE, &[neighbours()], 1);
    let message = query("example.com. AXFR").to_vec().unwrap();
    let request = Request {
        message: &message,
        client: &bed.client,
        local: &None,
        transport: Transport::Tcp,
        clock: &Clock::at(1),
    };
    let mut out = vec![0; 65_535];
    let first = bed.engine.respond(&request, &mut bed.scratch.borrow_mut(), &mut out);
    assert!(matches!(first, Reply::Transfer(_)));
    assert_eq!(rcode(&exchange(&bed, &message, Transport::Tcp)), SERVFAIL);
    drop(first);
    assert_eq!(records(&exchange(&bed, &message, Transport::Tcp)).len(), 14);
}
