//! Names that steering answers for, and their client subnets and scopes.

use meridian::engine::{Settings, Snapshot, Transport};
use meridian::zone::Zones;

use crate::support::bed::{Bed, Made, edns_query, query, source, subnet_query};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 3600
@        SOA ns hostmaster 1 7200 900 1209600 300
@        NS  ns.elsewhere.
www      TXT \"static\"
to       CNAME www
static   A   192.0.2.200
*.wild   CNAME www
moved    DNAME region
";

fn made() -> Vec<Made> {
    vec![
        Made::new(
            "www.example.com.",
            20,
            &["30 A 192.0.2.1", "30 A 192.0.2.2", "30 HTTPS 1 . alpn=h2"],
        ),
        Made::new("example.com.", 0, &["30 A 192.0.2.3"]),
        Made::new("*.app.example.com.", 24, &["30 A 192.0.2.4"]),
        Made::new("cdn.example.com.", 16, &["30 CNAME www.example.com."]),
        Made::new("away.example.com.", 8, &["30 CNAME lb.example.net."]),
        Made::failing("down.example.com."),
        Made::new("far.example.com.", 12, &["30 CNAME nowhere.example.com."]),
        Made::new("eu.region.example.com.", 9, &["30 A 192.0.2.5"]),
    ]
}

fn bed() -> Bed {
    Bed::steered(&[ZONE], made())
}

#[test]
fn a_steered_type_is_answered_by_steering_and_a_static_one_by_the_zone() {
    let told = bed().ask("www.example.com. A");
    assert_eq!(
        told.answer(),
        ["www.example.com. 30 A 192.0.2.1", "www.example.com. 30 A 192.0.2.2"]
    );
    assert_eq!(told.flags(), "aa");
    assert_eq!(bed().ask("www.example.com. TXT").answer(), ["www.example.com. 3600 TXT static"]);
    assert_eq!(bed().ask("www.example.com. HTTPS").answer().len(), 1);
}

#[test]
fn a_type_that_neither_has_is_no_data() {
    let told = bed().ask("www.example.com. AAAA");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert!(told.authority()[0].starts_with("example.com. 300 SOA"));
}

#[test]
fn the_apex_a_new_name_and_a_wildcard_can_be_steered() {
    let bed = bed();
    assert_eq!(bed.ask("example.com. A").answer(), ["example.com. 30 A 192.0.2.3"]);
    assert_eq!(bed.ask("example.com. SOA").answer().len(), 1);
    assert_eq!(bed.ask("x.app.example.com. A").answer(), ["x.app.example.com. 30 A 192.0.2.4"]);
    assert_eq!(bed.ask("app.example.com. A").rcode(), "NoError");
    assert_eq!(bed.ask("www.example.com. ANY").answer(), ["www.example.com. 3600 HINFO RFC8482"]);
    assert_eq!(bed.ask("cdn.example.com. ANY").answer(), ["cdn.example.com. 3600 HINFO RFC8482"]);
}

#[test]
fn a_static_cname_to_a_steered_name_is_followed() {
    for alias in ["to.example.com.", "any.wild.example.com."] {
        assert_eq!(
            bed().ask(&format!("{alias} A")).answer(),
            [
                format!("{alias} 3600 CNAME www.example.com."),
                "www.example.com. 30 A 192.0.2.1".to_owned(),
                "www.example.com. 30 A 192.0.2.2".to_owned()
            ]
        );
    }
    let told = bed().ask("eu.moved.example.com. A");
    assert_eq!(told.answer().last().unwrap(), "eu.region.example.com. 30 A 192.0.2.5");
}

#[test]
fn a_steered_alias_is_followed_where_it_leads_to_a_served_zone() {
    let bed = bed();
    assert_eq!(
        bed.ask("cdn.example.com. A").answer(),
        [
            "cdn.example.com. 30 CNAME www.example.com.",
            "www.example.com. 30 A 192.0.2.1",
            "www.example.com. 30 A 192.0.2.2"
        ]
    );
    assert_eq!(
        bed.ask("cdn.example.com. CNAME").answer(),
        ["cdn.example.com. 30 CNAME www.example.com."]
    );
    assert_eq!(
        bed.ask("away.example.com. A").answer(),
        ["away.example.com. 30 CNAME lb.example.net."]
    );
}

#[test]
fn a_record_that_says_to_fail_fails() {
    let told = bed().ask("down.example.com. A");
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("ServFail", 0));
}

#[test]
fn the_client_is_the_subnet_when_it_has_a_length_and_else_the_sender() {
    let bed = bed();
    let address = |bed: &Bed| bed.seen().unwrap().address.to_string();
    bed.send(&query("www.example.com. A"), Transport::Udp);
    assert_eq!(address(&bed), "198.51.100.7");
    bed.send(&subnet_query("www.example.com. A", "203.0.113.0", 24), Transport::Udp);
    assert_eq!(address(&bed), "203.0.113.0");
    bed.send(&subnet_query("www.example.com. A", "0.0.0.0", 0), Transport::Udp);
    assert_eq!(address(&bed), "198.51.100.7");
    bed.send(&subnet_query("www.example.com. A", "2001:db8:1::", 48), Transport::Tcp);
    assert_eq!(address(&bed), "2001:db8:1::");
    bed.send(&subnet_query("www.example.com. A", "2002:c000:221::", 48), Transport::Tcp);
    assert_eq!(address(&bed), "192.0.2.33");
    assert_eq!(bed.seen().unwrap().offset, 16);
}

fn scope(bed: &Bed, question: &str) -> u8 {
    let told = bed.send(&subnet_query(question, "203.0.113.0", 24), Transport::Udp);
    let (address, source, scope) = told.subnet().expect("a client subnet");
    assert_eq!((address.to_string().as_str(), source), ("203.0.113.0", 24));
    scope
}

#[test]
fn the_scope_is_that_of_the_steered_answer() {
    let bed = bed();
    assert_eq!(scope(&bed, "www.example.com. A"), 20);
    assert_eq!(scope(&bed, "x.app.example.com. A"), 24);
    // A steered NODATA carries its scope.
    assert_eq!(scope(&bed, "www.example.com. AAAA"), 20);
}

#[test]
fn what_does_not_look_at_the_client_has_scope_0() {
    let bed = bed();
    for question in [
        "www.example.com. TXT",
        "static.example.com. A",
        "static.example.com. AAAA",
        "nope.example.com. A",
        "elsewhere. A",
    ] {
        assert_eq!(scope(&bed, question), 0, "{question}");
    }
}

#[test]
fn a_chains_scope_is_the_longest_of_its_scopes() {
    let bed = bed();
    assert_eq!(scope(&bed, "to.example.com. A"), 20);
    assert_eq!(scope(&bed, "cdn.example.com. A"), 20);
    assert_eq!(scope(&bed, "cdn.example.com. CNAME"), 16);
    assert_eq!(scope(&bed, "far.example.com. A"), 12);
}

#[test]
fn without_a_subnet_none_is_answered_and_of_length_0_one_of_scope_0() {
    let bed = bed();
    let told = bed.send(&edns_query("www.example.com. A", 1232), Transport::Udp);
    assert!(told.message.edns.is_some());
    assert_eq!(told.subnet(), None);
    let told = bed.send(&subnet_query("www.example.com. A", "0.0.0.0", 0), Transport::Udp);
    assert_eq!(told.subnet(), Some(("0.0.0.0".parse().unwrap(), 0, 0)));
}

#[test]
fn with_ecs_disabled_the_subnet_is_neither_used_nor_echoed() {
    let made = made();
    let steered = made.iter().zip(0..).map(|(made, record)| made.steered(record)).collect();
    let zones = Zones::build(vec![source(ZONE)], steered).unwrap();
    let settings = Settings { ecs_enabled: false, ..Settings::default() };
    let bed = Bed::with(Snapshot { zones, settings, ..Snapshot::default() }, made);
    let told = bed.send(&subnet_query("www.example.com. A", "203.0.113.0", 24), Transport::Udp);
    assert_eq!(told.subnet(), None);
    assert_eq!(bed.seen().unwrap().address.to_string(), "198.51.100.7");
}
