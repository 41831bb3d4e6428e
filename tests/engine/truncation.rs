//! What happens when an answer is larger than the client takes.

use meridian::engine::{Settings, Snapshot, Transport};
use meridian::wire::edns::UdpSize;
use meridian::zone::Zones;

use crate::support::bed::{Bed, Made, edns_query, query, source};

fn zone() -> String {
    let mut zone = "$ORIGIN example.com.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.x.\n".to_owned();
    for n in 0..100 {
        zone.push_str(&format!("big A 192.0.2.{n}\n"));
        zone.push_str(&format!("mail MX {n} m{n}\nm{n} A 192.0.2.{n}\n"));
    }
    zone.push_str("to CNAME big\n");
    for n in 0..13 {
        zone.push_str(&format!("del NS ns{n}.del\nns{n}.del A 192.0.2.{n}\n"));
        zone.push_str(&format!("ns{n}.del AAAA 2001:db8::{n}\n"));
        zone.push_str(&format!("opt NS ns{n}.del\n"));
    }
    for n in 0..40 {
        zone.push_str(&format!("wide NS {}{n}.elsewhere.\n", "n".repeat(40)));
        zone.push_str(&format!("few MX {n} f{n}\nf{n} A 192.0.2.{n}\n"));
    }
    zone
}

#[test]
fn an_answer_that_does_not_fit_is_left_out_whole_and_marked() {
    let bed = Bed::new(&[&zone()]);
    for message in [query("big.example.com. A"), edns_query("big.example.com. A", 4096)] {
        let told = bed.send(&message, Transport::Udp);
        assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aatc"));
        assert!(told.answer().is_empty());
        assert_eq!(told.message.edns.is_some(), message.edns.is_some());
    }
    let told = bed.send(&edns_query("big.example.com. A", 4096), Transport::Tcp);
    assert_eq!((told.answer().len(), told.flags().as_str()), (100, "aa"));
}

#[test]
fn the_smaller_of_the_clients_size_and_ours_decides() {
    let zones = || Zones::build(vec![source(&zone())], Vec::new()).unwrap();
    let bed = |edns_udp_size| {
        let edns_udp_size = UdpSize::new(edns_udp_size);
        let settings = Settings { edns_udp_size, ..Settings::default() };
        Bed::with(Snapshot { zones: zones(), settings, ..Snapshot::default() }, Vec::new())
    };
    let flags = |bed: &Bed, size| {
        let told = bed.send(&edns_query("big.example.com. A", size), Transport::Udp);
        assert!(told.size <= usize::from(size.max(512)));
        told.flags()
    };
    // 12 + 21 + 100 x 16 + 11
    assert_eq!(flags(&bed(4096), 1643), "aatc");
    assert_eq!(flags(&bed(4096), 1644), "aa");
    assert_eq!(flags(&bed(1644), 4096), "aa");
    assert_eq!(flags(&bed(1643), 4096), "aatc");
    // Less than 512 means 512, from either side.
    assert_eq!(bed(100).send(&edns_query("m1.example.com. A", 0), Transport::Udp).flags(), "aa");
}

#[test]
fn the_aliases_before_what_does_not_fit_stay() {
    let told = Bed::new(&[&zone()]).send(&query("to.example.com. A"), Transport::Udp);
    assert_eq!(told.flags(), "aatc");
    assert_eq!(told.answer(), ["to.example.com. 60 CNAME big.example.com."]);
}

#[test]
fn addresses_that_do_not_fit_beside_an_answer_are_left_out_silently() {
    let bed = Bed::new(&[&zone()]);
    let told = bed.send(&edns_query("few.example.com. MX", 1232), Transport::Udp);
    assert_eq!((told.answer().len(), told.flags().as_str()), (40, "aa"));
    let some = told.additional().len();
    assert!(some > 10 && some < 40, "{some}");
}

#[test]
fn a_referral_without_its_glue_is_marked() {
    let bed = Bed::new(&[&zone()]);
    let told = bed.send(&query("x.del.example.com. A"), Transport::Udp);
    assert_eq!(told.flags(), "tc");
    assert_eq!(told.authority().len(), 13);
    assert!(!told.additional().is_empty());
    let told = bed.send(&edns_query("x.del.example.com. A", 1232), Transport::Udp);
    assert_eq!((told.flags().as_str(), told.additional().len()), ("", 26));
}

#[test]
fn glue_from_a_sibling_delegation_can_be_left_out() {
    let bed = Bed::new(&[&zone()]);
    let told = bed.send(&query("x.opt.example.com. A"), Transport::Udp);
    assert_eq!(told.flags(), "");
    assert_eq!(told.authority().len(), 13);
}

#[test]
fn a_referral_that_does_not_fit_is_marked() {
    let told = Bed::new(&[&zone()]).send(&query("x.wide.example.com. A"), Transport::Udp);
    assert_eq!((told.flags().as_str(), told.authority().len()), ("tc", 0));
}

#[test]
fn a_negative_answer_whose_soa_does_not_fit_is_marked() {
    let label = "x".repeat(63);
    let apex = format!("{label}.{label}.{label}.{}.", "y".repeat(30));
    let zone = format!(
        "$ORIGIN {apex}\n@ 60 SOA {label}.{label}.{label}.a. {label}.{label}.{label}.b. 1 2 3 4 5\n\
         @ 60 NS ns.x.\n"
    );
    let told = Bed::new(&[&zone]).send(&query(&format!("a.{apex} A")), Transport::Udp);
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aatc"));
}

#[test]
fn a_steered_answer_that_does_not_fit_is_marked() {
    let records: Vec<String> = (0..40).map(|n| format!("30 A 192.0.2.{n}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let made = vec![Made::new("many.example.com.", 0, &records)];
    let bed = Bed::steered(&[&zone()], made);
    let told = bed.send(&query("many.example.com. A"), Transport::Udp);
    assert_eq!((told.flags().as_str(), told.answer().len()), ("aatc", 0));
    let told = bed.send(&edns_query("many.example.com. A", 1232), Transport::Udp);
    assert_eq!((told.flags().as_str(), told.answer().len()), ("aa", 40));
}
