//! Which names exist and what they have: RFC 1034 section 4.3.2, RFC 4592, RFC 2308, RFC 8482.

use meridian::engine::Transport;

use crate::support::bed::{Bed, query};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 3600
@       SOA ns.dns hostmaster 1 7200 900 1209600 300
@       NS  ns.dns
ns.dns  A   192.0.2.53
www     A   192.0.2.1
www     A   192.0.2.2
www     600 TXT \"hello\"
www     60  TXT \"again\"
a.b.c   A   192.0.2.3
*.wild  A   192.0.2.4
*.wild  MX  10 mail.wild
x.y.wild A  192.0.2.5
*.alias CNAME www
sub.*.wild A 192.0.2.6
deleg.wild NS ns.elsewhere.example.
twice   A   192.0.2.7
twice   A   192.0.2.7
odd     TYPE65280 \\# 3 010203
";

const SOA: &str = "example.com. 300 SOA ns.dns.example.com. hostmaster.example.com. \
                   1 7200 900 1209600 300";

#[test]
fn an_rrset_is_answered_whole_and_with_authority() {
    let told = Bed::new(&[ZONE]).ask("www.example.com. A");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert_eq!(
        told.answer(),
        ["www.example.com. 3600 A 192.0.2.1", "www.example.com. 3600 A 192.0.2.2"]
    );
    assert!(told.authority().is_empty() && told.additional().is_empty());
}

#[test]
fn ttls_that_differ_within_an_rrset_become_the_smallest() {
    let told = Bed::new(&[ZONE]).ask("www.example.com. TXT");
    assert_eq!(told.answer(), ["www.example.com. 60 TXT hello", "www.example.com. 60 TXT again"]);
}

#[test]
fn a_record_that_repeats_is_answered_once() {
    let told = Bed::new(&[ZONE]).ask("twice.example.com. A");
    assert_eq!(told.answer(), ["twice.example.com. 3600 A 192.0.2.7"]);
}

#[test]
fn the_question_is_echoed_in_the_case_it_came_in() {
    let bed = Bed::new(&[ZONE]);
    let mut question = query("wWw.ExAmPlE.cOm. A").to_vec().unwrap();
    let reply = bed.octets(&question, Transport::Udp).unwrap();
    let end = question.len();
    assert_eq!(reply[12..end], question.split_off(12));
    assert_eq!(reply[end..end + 2], [0xc0, 0x0c]);
}

#[test]
fn a_name_without_the_type_is_no_data_with_the_negative_ttl() {
    let told = Bed::new(&[ZONE]).ask("www.example.com. AAAA");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", "aa"));
    assert!(told.answer().is_empty());
    assert_eq!(told.authority(), [SOA]);
}

#[test]
fn the_negative_ttl_is_that_of_the_soa_when_it_is_smaller() {
    let zone = "@ 60 SOA ns hostmaster 1 7200 900 1209600 300\n@ 60 NS ns.other.";
    let told = Bed::new(&[&format!("$ORIGIN short.example.\n{zone}\n")]).ask("x.short.example. A");
    assert!(told.authority()[0].starts_with("short.example. 60 SOA"), "{:?}", told.authority());
}

#[test]
fn the_soa_itself_keeps_its_own_ttl() {
    let told = Bed::new(&[ZONE]).ask("example.com. SOA");
    assert_eq!(told.answer(), [SOA.replace(" 300 SOA", " 3600 SOA")]);
}

#[test]
fn a_name_that_does_not_exist_is_nxdomain() {
    let bed = Bed::new(&[ZONE]);
    for question in ["nope.example.com. A", "x.www.example.com. A", "a.b.c.d.example.com. TXT"] {
        let told = bed.ask(question);
        assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NXDomain", "aa"));
        assert_eq!(told.authority(), [SOA]);
    }
}

#[test]
fn an_empty_non_terminal_exists() {
    let bed = Bed::new(&[ZONE]);
    for question in ["b.c.example.com. A", "c.example.com. A", "dns.example.com. ANY"] {
        let told = bed.ask(question);
        assert_eq!(told.rcode(), "NoError", "{question}");
        assert_eq!(told.authority(), [SOA]);
    }
}

#[test]
fn a_wildcard_answers_names_of_any_depth_that_do_not_exist() {
    let bed = Bed::new(&[ZONE]);
    for owner in ["q.wild.example.com.", "r.q.wild.example.com."] {
        let told = bed.ask(&format!("{owner} A"));
        assert_eq!(told.answer(), [format!("{owner} 3600 A 192.0.2.4")]);
        assert_eq!(told.flags(), "aa");
        assert_eq!(bed.ask(&format!("{owner} TXT")).authority(), [SOA]);
    }
}

#[test]
fn a_wildcard_does_not_answer_beside_or_below_names_that_exist() {
    let bed = Bed::new(&[ZONE]);
    // y.wild is an empty non-terminal: it exists, and is the closest encloser of z.y.wild.
    assert_eq!(bed.ask("y.wild.example.com. A").rcode(), "NoError");
    assert!(bed.ask("y.wild.example.com. A").answer().is_empty());
    assert_eq!(bed.ask("z.y.wild.example.com. A").rcode(), "NXDomain");
    assert_eq!(bed.ask("z.x.y.wild.example.com. A").rcode(), "NXDomain");
}

#[test]
fn a_wildcard_is_a_name_too() {
    let bed = Bed::new(&[ZONE]);
    assert_eq!(bed.ask("*.wild.example.com. A").answer(), ["*.wild.example.com. 3600 A 192.0.2.4"]);
    // The closest encloser of this is the wildcard itself, and it has no wildcard below it.
    assert_eq!(bed.ask("x.*.wild.example.com. A").rcode(), "NXDomain");
    assert_eq!(
        bed.ask("sub.*.wild.example.com. A").answer(),
        ["sub.*.wild.example.com. 3600 A 192.0.2.6"]
    );
}

#[test]
fn a_wildcard_cname_is_followed() {
    let told = Bed::new(&[ZONE]).ask("any.alias.example.com. A");
    assert_eq!(
        told.answer(),
        [
            "any.alias.example.com. 3600 CNAME www.example.com.",
            "www.example.com. 3600 A 192.0.2.1",
            "www.example.com. 3600 A 192.0.2.2"
        ]
    );
}

#[test]
fn a_wildcard_does_not_reach_into_a_delegation() {
    let told = Bed::new(&[ZONE]).ask("q.deleg.wild.example.com. A");
    assert_eq!((told.rcode().as_str(), told.flags().as_str()), ("NoError", ""));
    assert_eq!(told.authority(), ["deleg.wild.example.com. 3600 NS ns.elsewhere.example."]);
}

#[test]
fn any_gets_one_small_record_where_there_is_something() {
    let bed = Bed::new(&[ZONE]);
    let told = bed.ask("www.example.com. ANY");
    assert_eq!(told.answer(), ["www.example.com. 3600 HINFO RFC8482"]);
    assert_eq!(bed.ask("nope.example.com. ANY").rcode(), "NXDomain");
    // RFC 8482 section 4.2: a CNAME is returned as it is.
    let told = bed.ask("q.alias.example.com. ANY");
    assert_eq!(told.answer(), ["q.alias.example.com. 3600 CNAME www.example.com."]);
}

#[test]
fn a_type_nobody_knows_is_served_as_it_is() {
    let told = Bed::new(&[ZONE]).ask("odd.example.com. TYPE65280");
    assert_eq!(told.message.answers.len(), 1);
    assert_eq!(told.size, 12 + 21 + 12 + 3);
}

#[test]
fn the_root_is_a_zone_like_any_other() {
    let root = ". 3600 SOA a.root. h.root. 1 2 3 4 5\n. 3600 NS a.root.\na.root. 60 A 192.0.2.1\n";
    let bed = Bed::new(&[root, ZONE]);
    assert_eq!(bed.ask(". NS").answer(), [". 3600 NS a.root."]);
    assert_eq!(bed.ask("nope. A").rcode(), "NXDomain");
    assert_eq!(bed.ask("a.root. A").answer(), ["a.root. 60 A 192.0.2.1"]);
    assert_eq!(bed.ask("nope.example.com. A").authority(), [SOA]);
}

#[test]
fn of_many_zones_the_longest_match_answers() {
    let zone = |apex: &str, address: &str| {
        format!(
            "$ORIGIN {apex}\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n* 60 A {address}\n\
             ns 60 A 192.0.2.53\n"
        )
    };
    let zones: Vec<String> = [("z.", 1), ("b.z.", 2), ("a.b.z.", 3), ("d.c.b.z.", 4)]
        .map(|(apex, last)| zone(apex, &format!("192.0.2.{last}")))
        .into();
    let bed = Bed::new(&zones.iter().map(String::as_str).collect::<Vec<_>>());
    for (owner, last) in [
        ("x.z.", 1),
        ("x.y.z.", 1),
        ("x.b.z.", 2),
        ("x.y.b.z.", 2),
        ("x.a.b.z.", 3),
        ("x.d.c.b.z.", 4),
    ] {
        let told = bed.ask(&format!("{owner} A"));
        assert_eq!(told.answer(), [format!("{owner} 60 A 192.0.2.{last}")]);
    }
    // Between a zone and the one below it the upper one knows that there is something.
    assert_eq!(bed.ask("c.b.z. A").rcode(), "NoError");
    assert!(bed.ask("c.b.z. A").answer().is_empty());
}
