//! Compressed replies say what the records say, wherever they stand.

use meridian::engine::Transport;
use meridian::wire::Name;
use proptest::prelude::*;

use crate::support::bed::{Bed, file, name, query};

/// A few labels, so that names share suffixes, in both cases.
fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "B",
        "ab",
        "Example",
        "example",
        "com",
        "x-y",
        "long-label-here",
    ])
}

fn target() -> impl Strategy<Value = String> {
    let tails =
        prop::sample::select(vec!["example.com.", "EXAMPLE.com.", "com.", "", "b.example.com."]);
    (prop::collection::vec(label(), 0..4), tails).prop_map(|(labels, tail)| {
        let labels: String = labels.iter().map(|label| format!("{label}.")).collect();
        match format!("{labels}{tail}") {
            empty if empty.is_empty() => ".".to_owned(),
            whole => whole,
        }
    })
}

proptest! {
    #[test]
    fn a_reply_decodes_to_the_records_of_the_zone(
        targets in prop::collection::vec(target(), 1..12),
        rtype in prop::sample::select(vec!["NS", "MX", "PTR", "SRV", "RP", "KX", "MINFO", "AFSDB"]),
        owner in prop::sample::select(vec!["q", "q.b", "@", "*.w"]),
    ) {
        prop_assume!(!(rtype == "NS" && owner != "@"));
        let mut zone = "$ORIGIN example.com.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n".to_owned();
        for (n, target) in targets.iter().enumerate() {
            let data = match rtype {
                "MX" | "KX" | "AFSDB" => format!("{n} {target}"),
                "SRV" => format!("0 0 {n} {target}"),
                "RP" | "MINFO" => format!("{target} {}", targets[0]),
                _ => target.clone(),
            };
            zone.push_str(&format!("{owner} {rtype} {data}\n"));
        }
        if rtype != "NS" {
            zone.push_str("@ NS ns.x.\n");
        }
        let asked = match owner {
            "@" => "eXample.com.".to_owned(),
            "*.w" => "Any.w.example.COM.".to_owned(),
            owner => format!("{owner}.example.com."),
        };
        let octets = query(&format!("{asked} {rtype}")).to_vec().unwrap();
        let reply = Bed::new(&[&zone]).octets(&octets, Transport::Tcp).unwrap();
        let mut told = uncompressed(&reply);
        let wanted = file(&zone).records.into_iter();
        let mut wanted: Vec<Vec<u8>> = wanted
            .filter(|record| record.rtype == rtype.parse().unwrap())
            .map(|record| record.rdata.to_ascii_lowercase())
            .collect();
        told.sort();
        wanted.sort();
        wanted.dedup();
        told.dedup();
        prop_assert_eq!(told, wanted);
    }
}

/// The data of the answer section in lower case, names in full, as hickory reads them.
fn uncompressed(reply: &[u8]) -> Vec<Vec<u8>> {
    use hickory_proto::rr::RData;
    let message = hickory_proto::op::Message::from_vec(reply).unwrap();
    let wire = |name: &hickory_proto::rr::Name| -> Vec<u8> {
        name.to_string().parse::<Name>().unwrap().to_lower().as_wire().to_vec()
    };
    let data = |record: &hickory_proto::rr::Record| match &record.data {
        RData::NS(ns) => wire(&ns.0),
        RData::PTR(ptr) => wire(&ptr.0),
        RData::MX(mx) => [&mx.preference.to_be_bytes()[..], &wire(&mx.exchange)].concat(),
        RData::SRV(srv) => {
            let front = [srv.priority, srv.weight, srv.port].map(u16::to_be_bytes).concat();
            [front, wire(&srv.target)].concat()
        }
        // Types hickory does not read names in; the old one is read here.
        RData::Unknown { code, rdata } if u16::from(*code) == 14 => {
            two_names(reply, &rdata.anything)
        }
        RData::Unknown { rdata, .. } => rdata.anything.to_ascii_lowercase(),
        other => panic!("{other:?}"),
    };
    message.answers.iter().map(data).collect()
}

/// Two names in a row that may end in pointers into `message`.
fn two_names(message: &[u8], data: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut rest = data;
    for _ in 0..2 {
        let mut inside = rest;
        let mut behind = None;
        loop {
            match inside[0] {
                0 => {
                    whole.push(0);
                    rest = behind.unwrap_or(&inside[1..]);
                    break;
                }
                len @ 1..=63 => {
                    let end = 1 + usize::from(len);
                    whole.extend(inside[..end].to_ascii_lowercase());
                    inside = &inside[end..];
                }
                high => {
                    let to = usize::from(u16::from_be_bytes([high, inside[1]]) & 0x3fff);
                    behind = behind.or(Some(&inside[2..]));
                    inside = &message[to..];
                }
            }
        }
    }
    whole
}

#[test]
fn an_answer_larger_than_pointers_reach_is_whole() {
    let mut zone = "$ORIGIN example.com.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.x.\n".to_owned();
    for n in 0..1200 {
        zone.push_str(&format!("big MX {n} host{n}.of.some.department\n"));
        if n % 3 == 0 {
            zone.push_str(&format!("host{n}.of.some.department A 10.1.{}.{}\n", n / 250, n % 250));
        }
    }
    zone.push_str("to CNAME big\n");
    let bed = Bed::new(&[&zone]);
    for (question, aliases) in [("big.example.com. MX", 0), ("to.example.com. MX", 1)] {
        let told = bed.ask(question);
        assert!(told.size > 0x4000);
        assert_eq!(told.answer().len(), 1200 + aliases);
        for (n, text) in told.answer().iter().skip(aliases).enumerate() {
            let host = format!("host{n}.of.some.department.example.com.");
            assert_eq!(*text, format!("big.example.com. 60 MX {n} {host}"));
        }
        assert_eq!(told.additional().len(), 400);
        assert_eq!(
            told.additional()[399],
            "host1197.of.some.department.example.com. 60 A 10.1.4.197"
        );
    }
    assert_eq!(name("big.example.com.").label_count(), 3);
}
