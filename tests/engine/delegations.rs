//! Where a zone ends: referrals, glue, DS, and zones served beside their parents.

use crate::support::bed::Bed;

const PARENT: &str = "\
$ORIGIN example.com.
$TTL 3600
@            SOA ns hostmaster 1 7200 900 1209600 300
@            NS  ns
ns           A   192.0.2.53
plain        NS  ns.elsewhere.example.
inside       NS  ns1.inside
inside       NS  ns2.inside
ns1.inside   A   192.0.2.1
ns1.inside   AAAA 2001:db8::1
ns2.inside   A   192.0.2.2
sibling      NS  ns1.inside
sibling      NS  ns
signed       NS  ns.elsewhere.example.
signed       DS  1 13 2 0000000000000000000000000000000000000000000000000000000000000000
deep.inside  NS  ns.never.example.
x.y.inside   A   192.0.2.3
host.child   A   192.0.2.66
child        NS  ns.child
ns.child     A   192.0.2.67
child        DS  2 13 2 0000000000000000000000000000000000000000000000000000000000000000
";

const CHILD: &str = "\
$ORIGIN child.example.com.
$TTL 600
@     SOA ns hostmaster 1 7200 900 1209600 30
@     NS  ns
ns    A   192.0.2.77
www   A   192.0.2.78
";

#[test]
fn a_name_at_or_below_a_cut_is_referred_without_authority() {
    let bed = Bed::new(&[PARENT]);
    for question in ["plain.example.com. A", "plain.example.com. NS", "a.b.plain.example.com. ANY"]
    {
        let told = bed.ask(question);
        assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", ""));
        assert!(told.answer().is_empty());
        assert_eq!(told.authority(), ["plain.example.com. 3600 NS ns.elsewhere.example."]);
        assert!(told.additional().is_empty());
    }
}

#[test]
fn a_referral_brings_glue() {
    let told = Bed::new(&[PARENT]).ask("www.inside.example.com. A");
    assert_eq!(
        told.authority(),
        [
            "inside.example.com. 3600 NS ns1.inside.example.com.",
            "inside.example.com. 3600 NS ns2.inside.example.com."
        ]
    );
    assert_eq!(
        told.additional(),
        [
            "ns1.inside.example.com. 3600 A 192.0.2.1",
            "ns1.inside.example.com. 3600 AAAA 2001:db8::1",
            "ns2.inside.example.com. 3600 A 192.0.2.2"
        ]
    );
}

#[test]
fn glue_comes_from_sibling_delegations_and_from_the_zone_itself() {
    let told = Bed::new(&[PARENT]).ask("sibling.example.com. A");
    assert_eq!(
        told.additional(),
        [
            "ns1.inside.example.com. 3600 A 192.0.2.1",
            "ns1.inside.example.com. 3600 AAAA 2001:db8::1",
            "ns.example.com. 3600 A 192.0.2.53"
        ]
    );
}

#[test]
fn glue_is_no_answer_and_a_cut_below_a_cut_is_nothing() {
    let bed = Bed::new(&[PARENT]);
    for owner in ["ns1.inside", "x.y.inside", "y.inside", "deep.inside", "x.deep.inside"] {
        let told = bed.ask(&format!("{owner}.example.com. A"));
        assert!(told.answer().is_empty(), "{owner}");
        assert_eq!(told.flags(), "");
        assert!(told.authority()[0].starts_with("inside.example.com. 3600 NS"), "{owner}");
    }
}

#[test]
fn ds_at_a_cut_is_answered_with_authority_by_the_parent() {
    let bed = Bed::new(&[PARENT]);
    let told = bed.ask("signed.example.com. DS");
    assert_eq!(told.flags(), "aa");
    assert!(told.answer()[0].starts_with("signed.example.com. 3600 DS [00, 01"));
    let told = bed.ask("plain.example.com. DS");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert!(told.authority()[0].starts_with("example.com. 300 SOA"));
    // Below the cut it is the child's again.
    assert_eq!(bed.ask("x.plain.example.com. DS").flags(), "");
}

#[test]
fn a_child_served_beside_its_parent_answers_for_itself() {
    let bed = Bed::new(&[PARENT, CHILD]);
    let told = bed.ask("www.child.example.com. A");
    assert_eq!(told.answer(), ["www.child.example.com. 600 A 192.0.2.78"]);
    assert_eq!(told.flags(), "aa");
    let told = bed.ask("child.example.com. NS");
    assert_eq!(told.answer(), ["child.example.com. 600 NS ns.child.example.com."]);
    assert_eq!(told.additional(), ["ns.child.example.com. 600 A 192.0.2.77"]);
}

#[test]
fn the_parents_data_under_a_served_child_is_not_served() {
    for zones in [[PARENT, CHILD], [CHILD, PARENT]] {
        let bed = Bed::new(&zones);
        let told = bed.ask("host.child.example.com. A");
        assert_eq!(told.rcode(), "NXDomain");
        assert!(told.authority()[0].starts_with("child.example.com. 30 SOA"));
        let told = bed.ask("ns.child.example.com. A");
        assert_eq!(told.answer(), ["ns.child.example.com. 600 A 192.0.2.77"]);
    }
}

#[test]
fn ds_at_a_served_childs_apex_is_answered_from_the_parents_side() {
    let bed = Bed::new(&[CHILD, PARENT]);
    let told = bed.ask("child.example.com. DS");
    assert!(told.answer()[0].starts_with("child.example.com. 3600 DS [00, 02"));
    // Only the child is served: it says that it has none.
    let told = Bed::new(&[CHILD]).ask("child.example.com. DS");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert!(told.authority()[0].starts_with("child.example.com. 30 SOA"));
}

#[test]
fn ds_at_a_childs_apex_is_no_data_of_the_parent_even_without_a_delegation() {
    let parent = "$ORIGIN example.com.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.example.net.\n";
    let bed = Bed::new(&[parent, CHILD]);
    let told = bed.ask("child.example.com. DS");
    assert!(told.authority()[0].starts_with("example.com. 5 SOA"));
}

#[test]
fn ds_of_a_grandchild_below_anothers_zone_is_referred_to_that_zone() {
    let grandchild = CHILD.replace("child.example.com.", "a.plain.example.com.");
    let bed = Bed::new(&[PARENT, &grandchild]);
    let told = bed.ask("a.plain.example.com. DS");
    assert_eq!(told.authority(), ["plain.example.com. 3600 NS ns.elsewhere.example."]);
    let told = bed.ask("www.a.plain.example.com. A");
    assert_eq!(told.answer(), ["www.a.plain.example.com. 600 A 192.0.2.78"]);
    assert_eq!(told.flags(), "aa");
}
