//! The checks a zone passes before it is served, from master file to findings.

use std::collections::HashSet;
use std::path::Path;

use meridian::wire::{Name, Type};
use meridian::zone::check::{Checked, Mistake, check};
use meridian::zone::master::parse_text;

const HEAD: &str = "$TTL 300\n@ SOA ns1 admin 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n";

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn check_text(text: &str, steered: &[&str]) -> Checked {
    let file = parse_text(text.as_bytes(), Path::new("test.zone"), name("example."))
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let steered: HashSet<Name> = steered.iter().copied().map(name).collect();
    check(&file.apex, file.records, &steered)
}

/// A good zone with some records behind it.
fn with(records: &str) -> Checked {
    check_text(&format!("{HEAD}{records}"), &[])
}

fn errors(checked: &Checked) -> Vec<String> {
    checked.errors.iter().map(ToString::to_string).collect()
}

fn warnings(checked: &Checked) -> Vec<String> {
    checked.warnings.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_clean(checked: &Checked) {
    assert_eq!((errors(checked), warnings(checked)), (vec![], vec![]));
}

#[track_caller]
fn assert_error(checked: &Checked, part: &str) {
    let errors = errors(checked);
    assert!(errors.len() == 1 && errors[0].contains(part), "{errors:#?}");
}

#[track_caller]
fn assert_warning(checked: &Checked, part: &str) {
    let warnings = warnings(checked);
    assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:#?}");
    assert_eq!(errors(checked), [""; 0]);
}

#[test]
fn a_zone_with_everything_in_its_place_is_clean() {
    assert_clean(&with(
        "www A 192.0.2.2\n\
         www AAAA 2001:db8::2\n\
         alias CNAME www\n\
         alias RRSIG CNAME 13 2 300 20300101000000 20200101000000 1 @ AAAA\n\
         alias NSEC www CNAME RRSIG NSEC\n\
         moved DNAME other.example.net.\n\
         sub NS ns.sub\n\
         sub NS ns.elsewhere.net.\n\
         sub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n\
         ns.sub A 192.0.2.3\n\
         @ MX 10 www\n\
         _sip._tcp SRV 0 0 5060 www\n",
    ));
}

#[test]
fn a_zone_without_soa_or_name_server_is_refused() {
    let checked = check_text("$ORIGIN example.\n$TTL 1\nwww A 192.0.2.1\n", &[]);
    assert_eq!(
        checked.errors.iter().map(|finding| finding.mistake.clone()).collect::<Vec<_>>(),
        [Mistake::NoSoa(name("example.")), Mistake::NoNs(name("example."))]
    );
}

#[test]
fn a_second_soa_is_refused_at_the_apex_and_below() {
    assert_error(&with("@ SOA ns1 admin 2 2 3 4 5\n"), "more than one SOA record: keep one");
    assert_error(&with("sub SOA ns1 admin 2 2 3 4 5\n"), "one file holds one zone");
}

#[test]
fn a_record_outside_the_zone_is_refused_with_its_place() {
    assert_error(
        &with("www.example.com. A 192.0.2.1\n"),
        "test.zone:5:1: www.example.com. is not in the zone example.",
    );
}

#[test]
fn an_alias_stands_alone() {
    assert_error(&with("a CNAME b\na A 192.0.2.1\na TXT x\n"), "has CNAME and A records");
    assert_error(&with("a TXT x\na CNAME b\n"), "has CNAME and TXT records");
    assert_error(&with("a CNAME b\na CNAME c\n"), "more than one CNAME record");
    assert_error(&with("@ CNAME b.example.net.\n"), "example. has CNAME and SOA");
}

#[test]
fn dname_has_one_record_and_nothing_below() {
    assert_error(&with("d DNAME a.net.\nd DNAME b.net.\n"), "more than one DNAME record");
    assert_error(
        &with("d DNAME a.net.\nx.y.D A 192.0.2.1\n"),
        "stands below the DNAME record at d",
    );
    assert_error(&with("d DNAME a.net.\nd NS a.net.\n"), "is delegated by NS records");
    // At the apex it may stand beside NS, and everything else is below it.
    assert_error(&with("@ DNAME a.net.\n"), "ns1.example. stands below the DNAME record");
}

#[test]
fn name_servers_in_the_zone_have_addresses() {
    assert_error(&with("@ NS ns2\n"), "the name server ns2.example. of example. has no address");
    assert_clean(&with("@ NS ns2\nns2 AAAA 2001:db8::1\n"));
    assert_clean(&with("@ NS ns2.deep.w\n*.w A 192.0.2.1\n"));
    // `x.w` exists, so the wildcard does not answer at it.
    assert_error(&with("@ NS x.w\n*.w A 192.0.2.1\nx.w TXT t\n"), "x.w.example. of example.");
    assert_error(&with("@ NS x.w\n*.w A 192.0.2.1\ny.x.w TXT t\n"), "x.w.example. of example.");
}

#[test]
fn a_steered_name_counts_as_a_name_with_addresses() {
    let text = format!("{HEAD}@ NS ns2\n@ MX 1 a.app\n");
    assert_clean(&check_text(&text, &["NS2.example.", "*.app.example."]));
    assert_error(&check_text(&text, &["a.app.example."]), "ns2.example.");
}

#[test]
fn delegations_need_glue_only_at_or_below_the_cut() {
    assert_error(&with("sub NS ns.sub\n"), "ns.sub.example. of sub.example. has no address");
    assert_error(&with("sub NS sub\n"), "sub.example. of sub.example. has no address");
    assert_clean(&with("sub NS sub\nsub A 192.0.2.1\n"));
    assert_clean(&with("sub NS ns.other\nother NS ns.other.net.\n"));
    assert_warning(&with("sub NS nowhere\n"), "nowhere.example., which has no address");
}

#[test]
fn records_below_a_cut_are_never_served() {
    let cut = "sub NS ns.sub\nns.sub A 192.0.2.1\n";
    assert_warning(&with(&format!("{cut}www.sub A 192.0.2.9\n")), "sub.example. is delegated");
    assert_warning(&with(&format!("{cut}sub TXT x\n")), "the TXT record of sub.example.");
    assert_warning(
        &with(&format!("{cut}x.y.sub NS ns.z.net.\n")),
        "the NS record of x.y.sub.example. is never served: sub.example. is delegated",
    );
}

#[test]
fn targets_that_are_aliases_are_warned_of() {
    for target in ["@ NS alias", "@ MX 1 alias", "_x._tcp SRV 0 0 1 alias", "sub NS alias"] {
        let checked = with(&format!("alias CNAME www\nwww A 192.0.2.1\n{target}\n"));
        assert_warning(&checked, "points to alias.example., an alias");
    }
}

#[test]
fn duplicates_are_dropped_whatever_their_case() {
    let checked = with("www A 192.0.2.2\nWWW 60 A 192.0.2.2\n@ NS NS1.Example.\n");
    assert_eq!(checked.records.len(), 4);
    assert_eq!(
        checked.warnings.iter().map(|finding| finding.mistake.clone()).collect::<Vec<_>>(),
        [
            Mistake::Duplicate(name("www.example."), Type::A),
            Mistake::Duplicate(name("example."), Type::NS)
        ]
    );
}

#[test]
fn the_lowest_ttl_wins_in_an_rrset() {
    let checked = with("w 60 A 192.0.2.2\nW 30 A 192.0.2.3\nw 90 A 192.0.2.4\nw 10 TXT x\n");
    assert_warning(&checked, "the A records of W.example. have different TTLs");
    let ttls: Vec<u32> = checked.records[3..].iter().map(|record| record.ttl).collect();
    assert_eq!(ttls, [30, 30, 30, 10]);
}

#[test]
fn signatures_at_one_name_may_have_different_ttls() {
    let signature = "13 2 300 20300101000000 20200101000000 1 @ AAAA";
    assert_clean(&with(&format!(
        "w 60 A 192.0.2.2\nw 60 RRSIG A {signature}\nw 30 TXT x\nw 30 RRSIG TXT {signature}\n"
    )));
}

#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    let many: String = (0..50).map(|n| format!("a{n}.example.net. A 192.0.2.1\n")).collect();
    let checked = with(&many);
    assert_eq!((checked.errors.len(), checked.unlisted), (20, 30));
}
