//! What zones and steered names cannot be built from.

use meridian::wire::Type;
use meridian::zone::{BuildError, RecordId, Steered, ZoneSource, Zones};

use crate::support::bed::{Made, file, name, source};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 60
@       SOA ns hostmaster 1 7200 900 1209600 300
@       NS  ns.elsewhere.
www     A   192.0.2.1
www     TXT \"x\"
alias   CNAME www
cut     NS  ns.elsewhere.
moved   DNAME www
";

fn steered(owner: &str, records: &[&str]) -> Vec<BuildError> {
    let made = Made::new(owner, 0, records);
    Zones::build(vec![source(ZONE)], vec![made.steered(0)]).err().unwrap_or_default()
}

fn line(error: &BuildError) -> u32 {
    match error {
        BuildError::TypeTwice { site, .. }
        | BuildError::SteeredBesideCname { site, .. }
        | BuildError::SteeredCnameBesideData { site, .. }
        | BuildError::RecordOutside { site, .. } => site.line,
        other => panic!("{other}"),
    }
}

#[test]
fn a_type_defined_both_ways_is_an_error_with_the_place_in_the_zone_file() {
    let errors = steered("www.example.com.", &["30 A 192.0.2.2", "30 AAAA 2001:db8::1"]);
    let [error @ BuildError::TypeTwice { owner, rtype: Type::A, .. }] = &errors[..] else {
        panic!("{errors:?}");
    };
    assert_eq!((owner, line(error)), (&name("www.example.com."), 5));
    assert!(steered("www.example.com.", &["30 AAAA 2001:db8::1"]).is_empty());
}

#[test]
fn a_steered_name_must_be_in_a_zone_and_above_its_cuts() {
    let one = |owner| steered(owner, &["30 A 192.0.2.2"]).remove(0);
    assert!(matches!(one("www.example.net."), BuildError::SteeredOutside { .. }));
    for owner in ["cut.example.com.", "x.cut.example.com.", "*.x.cut.example.com."] {
        let error = one(owner);
        assert!(
            matches!(&error, BuildError::SteeredBelowCut { cut, .. } if *cut == name("cut.example.com.")),
            "{error}"
        );
    }
    assert!(matches!(one("x.moved.example.com."), BuildError::SteeredBelowDname { .. }));
    assert!(steered("moved.example.com.", &["30 A 192.0.2.2"]).is_empty());
}

#[test]
fn a_cname_stands_alone_from_either_side() {
    let errors = steered("alias.example.com.", &["30 A 192.0.2.2"]);
    assert!(matches!(errors[..], [BuildError::SteeredBesideCname { .. }]), "{errors:?}");
    let errors = steered("www.example.com.", &["30 CNAME x.example."]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|e| matches!(e, BuildError::SteeredCnameBesideData { .. })));
    let errors = steered("example.com.", &["30 CNAME x.example."]);
    assert!(matches!(errors[..], [BuildError::SteeredCnameAtApex { .. }]), "{errors:?}");
    assert!(steered("new.example.com.", &["30 CNAME x.example."]).is_empty());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let no_soa = ZoneSource::new(name("example.org."), &[]);
    let mut stray = file(ZONE);
    stray.records[4].owner = name("www.example.net.");
    let stray = ZoneSource::new(stray.apex, &stray.records);
    let twice = |record| Steered {
        owner: name("new.example.com."),
        record: RecordId(record),
        types: vec![Type::A],
        cname: false,
    };
    let sources = vec![stray, source(ZONE), no_soa];
    let errors = Zones::build(sources, vec![twice(0), twice(1)]).unwrap_err();
    let [
        BuildError::ZoneTwice { .. },
        outside @ BuildError::RecordOutside { .. },
        BuildError::SteeredTwice { .. },
        BuildError::NoSoa { .. },
    ] = &errors[..]
    else {
        panic!("{errors:?}");
    };
    assert_eq!(line(outside), 7);
}

#[test]
fn an_rrset_that_fits_no_message_is_an_error() {
    let mut zone = ZONE.to_owned();
    for n in 0..5000 {
        zone.push_str(&format!("huge A 10.0.{}.{}\n", n / 250, n % 250));
    }
    let errors = Zones::build(vec![source(&zone)], Vec::new()).unwrap_err();
    assert!(matches!(errors[..], [BuildError::SetTooLarge { rtype: Type::A, .. }]), "{errors:?}");
}

#[test]
fn what_was_built_can_be_listed() {
    let made = Made::new("*.App.example.com.", 0, &["30 A 192.0.2.2"]);
    let child = "$ORIGIN c.example.com.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.x.\n";
    let zones = Zones::build(vec![source(ZONE), source(child)], vec![made.steered(7)]).unwrap();
    let apexes: Vec<_> = zones.zones().map(|zone| zone.apex().to_string()).collect();
    assert_eq!(apexes, ["example.com.", "c.example.com."]);
    let zone_of = |owner| zones.zone_of(&name(owner)).map(|zone| zone.apex().to_string());
    assert_eq!(zone_of("x.c.example.com.").as_deref(), Some("c.example.com."));
    assert_eq!(zone_of("x.y.example.com.").as_deref(), Some("example.com."));
    assert_eq!(zone_of("com."), None);
    assert!(zones.names().any(|listed| listed == name("app.example.com.")));
    assert_eq!(zones.names().count(), zones.name_count());
    let steered: Vec<_> = zones.steered().collect();
    assert_eq!(steered, [(name("*.app.example.com."), RecordId(7))]);
}
