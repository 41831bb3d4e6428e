//! CNAME and DNAME: chains in and across zones, and where they end.

use crate::support::bed::Bed;

const ONE: &str = "\
$ORIGIN one.example.
$TTL 3600
@       SOA ns hostmaster 1 7200 900 1209600 300
@       NS  ns.elsewhere.
www     A   192.0.2.1
a       CNAME b
b       CNAME www
across  CNAME www.two.example.
back    CNAME back.two.example.
out     CNAME www.elsewhere.
broken  CNAME missing
empty   CNAME www
apex    CNAME @
loop1   CNAME loop2
loop2   CNAME loop1
self    CNAME self
*.cover CNAME gone.cover
cut     NS  ns.elsewhere.
intocut CNAME www.cut
host.old A  192.0.2.9
old2    DNAME new.two.example.
moved   DNAME old2
down    DNAME www
tocut   CNAME www.sub.two.example.
";

const TWO: &str = "\
$ORIGIN two.example.
$TTL 60
@       SOA ns hostmaster 1 7200 900 1209600 30
@       NS  ns.elsewhere.
www     A   192.0.2.2
back    CNAME www.one.example.
host.new A  192.0.2.3
sub     NS  ns.sub
ns.sub  A   192.0.2.4
";

fn bed() -> Bed {
    Bed::new(&[ONE, TWO])
}

#[test]
fn a_chain_is_followed_within_a_zone() {
    let told = bed().ask("a.one.example. A");
    assert_eq!(
        told.answer(),
        [
            "a.one.example. 3600 CNAME b.one.example.",
            "b.one.example. 3600 CNAME www.one.example.",
            "www.one.example. 3600 A 192.0.2.1"
        ]
    );
    assert_eq!(told.flags(), "aa");
}

#[test]
fn a_cname_that_is_asked_for_is_not_followed() {
    let told = bed().ask("a.one.example. CNAME");
    assert_eq!(told.answer(), ["a.one.example. 3600 CNAME b.one.example."]);
}

#[test]
fn a_chain_is_followed_across_zones_and_back() {
    let told = bed().ask("across.one.example. A");
    assert_eq!(
        told.answer(),
        ["across.one.example. 3600 CNAME www.two.example.", "www.two.example. 60 A 192.0.2.2"]
    );
    let told = bed().ask("back.one.example. A");
    assert_eq!(
        told.answer(),
        [
            "back.one.example. 3600 CNAME back.two.example.",
            "back.two.example. 60 CNAME www.one.example.",
            "www.one.example. 3600 A 192.0.2.1"
        ]
    );
}

#[test]
fn a_chain_ends_where_the_served_zones_end() {
    let told = bed().ask("out.one.example. A");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert_eq!(told.answer(), ["out.one.example. 3600 CNAME www.elsewhere."]);
    assert!(told.authority().is_empty());
}

#[test]
fn the_end_of_a_chain_gives_the_response_code() {
    let told = bed().ask("broken.one.example. A");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NXDomain", "aa"));
    assert_eq!(told.answer(), ["broken.one.example. 3600 CNAME missing.one.example."]);
    assert!(told.authority()[0].starts_with("one.example. 300 SOA"));
    let told = bed().ask("empty.one.example. AAAA");
    assert_eq!(told.rcode(), "NoError");
    assert!(told.authority()[0].starts_with("one.example. 300 SOA"));
}

#[test]
fn a_chain_to_the_apex_points_at_the_name_and_not_at_a_pointer() {
    let told = bed().ask("apex.one.example. NS");
    assert_eq!(
        told.answer(),
        ["apex.one.example. 3600 CNAME one.example.", "one.example. 3600 NS ns.elsewhere."]
    );
}

#[test]
fn a_loop_ends_after_one_round() {
    let told = bed().ask("loop1.one.example. A");
    assert_eq!(told.rcode(), "NoError");
    assert_eq!(
        told.answer(),
        [
            "loop1.one.example. 3600 CNAME loop2.one.example.",
            "loop2.one.example. 3600 CNAME loop1.one.example."
        ]
    );
    assert_eq!(bed().ask("self.one.example. A").answer().len(), 1);
    assert_eq!(bed().ask("x.cover.one.example. A").answer().len(), 2);
}

#[test]
fn a_long_chain_is_cut_off() {
    let mut zone = "$ORIGIN long.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.x.\n".to_owned();
    for link in 0..40 {
        zone.push_str(&format!("c{link} 60 CNAME c{}\n", link + 1));
    }
    let told = Bed::new(&[&zone]).ask("c0.long. A");
    assert_eq!(told.rcode(), "NoError");
    assert_eq!(told.answer().len(), 17);
}

#[test]
fn a_chain_into_a_delegation_ends_with_a_referral() {
    let told = bed().ask("intocut.one.example. A");
    assert_eq!(told.flags(), "aa");
    assert_eq!(told.answer(), ["intocut.one.example. 3600 CNAME www.cut.one.example."]);
    assert_eq!(told.authority(), ["cut.one.example. 3600 NS ns.elsewhere."]);
    let told = bed().ask("tocut.one.example. A");
    assert_eq!(told.authority(), ["sub.two.example. 60 NS ns.sub.two.example."]);
    assert_eq!(told.additional(), ["ns.sub.two.example. 60 A 192.0.2.4"]);
}

#[test]
fn a_dname_moves_the_names_below_it() {
    let told = bed().ask("host.old2.one.example. A");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert_eq!(
        told.answer(),
        [
            "old2.one.example. 3600 DNAME new.two.example.",
            "host.old2.one.example. 3600 CNAME host.new.two.example.",
            "host.new.two.example. 60 A 192.0.2.3"
        ]
    );
    let told = bed().ask("none.old2.one.example. A");
    assert_eq!(told.rcode(), "NXDomain");
    assert!(told.authority()[0].starts_with("two.example. 30 SOA"));
}

#[test]
fn a_dname_does_not_move_its_own_name() {
    let told = bed().ask("old2.one.example. A");
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("NoError", 0));
    assert_eq!(bed().ask("old2.one.example. DNAME").answer().len(), 1);
}

#[test]
fn dnames_follow_one_another() {
    let told = bed().ask("host.moved.one.example. A");
    assert_eq!(
        told.answer(),
        [
            "moved.one.example. 3600 DNAME old2.one.example.",
            "host.moved.one.example. 3600 CNAME host.old2.one.example.",
            "old2.one.example. 3600 DNAME new.two.example.",
            "host.old2.one.example. 3600 CNAME host.new.two.example.",
            "host.new.two.example. 60 A 192.0.2.3"
        ]
    );
}

#[test]
fn a_cname_made_by_a_dname_is_the_answer_to_cname() {
    let told = bed().ask("host.moved.one.example. CNAME");
    assert_eq!(told.answer().len(), 2);
    assert!(told.authority().is_empty());
}

#[test]
fn a_name_that_a_dname_makes_too_long_is_yxdomain() {
    let label = "x".repeat(62);
    let zone = format!(
        "$ORIGIN d.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.x.\n\
         short 60 DNAME {label}.{label}.example.\n"
    );
    let bed = Bed::new(&[&zone]);
    let told = bed.ask(&format!("{label}.{label}.short.d. A"));
    assert_eq!((told.rcode().as_str(), told.answer().len()), ("YXDomain", 1));
    assert_eq!(bed.ask(&format!("{label}.short.d. A")).answer().len(), 2);
}

#[test]
fn a_pointer_finds_its_suffix_through_names_compressed_before() {
    // The zone of the second link starts inside the first link's data, the third's data is all
    // pointer, and DS of a served child is answered by the zone above it.
    let one = "$ORIGIN a.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.x.\nq 60 CNAME x.c\nc 60 NS ns.x.\n";
    let two = "$ORIGIN c.a.\n@ 60 SOA ns h 1 2 3 4 6\n@ 60 NS ns.x.\nx 60 CNAME @\n";
    let told = Bed::new(&[one, two]).ask("q.a. DS");
    assert_eq!(told.answer(), ["q.a. 60 CNAME x.c.a.", "x.c.a. 60 CNAME c.a."]);
    assert_eq!(told.authority(), ["a. 5 SOA ns.a. h.a. 1 2 3 4 5"]);
}
