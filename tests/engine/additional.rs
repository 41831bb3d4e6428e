//! What comes along in the additional section.

use crate::support::bed::{Bed, Made};

const ZONE: &str = "\
$ORIGIN example.com.
$TTL 3600
@       SOA ns1 hostmaster 1 7200 900 1209600 300
@       NS  ns1
@       NS  ns2.example.net.
@       A   192.0.2.100
ns1     A   192.0.2.1
ns1     AAAA 2001:db8::1
@       MX  10 mail
@       MX  20 mail
@       MX  30 @
mail    A   192.0.2.2
_s._tcp SRV 0 1 80 mail
_s._tcp SRV 1 1 80 steered
_s._tcp SRV 2 1 80 .
web     A   192.0.2.3
web     HTTPS 1 . alpn=h2
toweb   HTTPS 0 web
toweb   A   192.0.2.9
none    HTTPS 0 .
none    A   192.0.2.10
*.w     HTTPS 1 . alpn=h2
*.w     A   192.0.2.4
";

fn bed() -> Bed {
    Bed::steered(&[ZONE], vec![Made::new("steered.example.com.", 0, &["30 A 192.0.2.5"])])
}

#[test]
fn ns_brings_the_addresses_of_names_in_the_zone() {
    assert_eq!(
        bed().ask("example.com. NS").additional(),
        ["ns1.example.com. 3600 A 192.0.2.1", "ns1.example.com. 3600 AAAA 2001:db8::1"]
    );
}

#[test]
fn mx_brings_each_address_once() {
    assert_eq!(
        bed().ask("example.com. MX").additional(),
        ["mail.example.com. 3600 A 192.0.2.2", "example.com. 3600 A 192.0.2.100"]
    );
}

#[test]
fn srv_leaves_steered_names_out() {
    let told = bed().ask("_s._tcp.example.com. SRV");
    assert_eq!(told.answer().len(), 3);
    assert_eq!(told.additional(), ["mail.example.com. 3600 A 192.0.2.2"]);
}

#[test]
fn https_brings_addresses_of_its_owner_or_its_target() {
    let bed = bed();
    let addresses = |question| bed.ask(question).additional();
    assert_eq!(addresses("web.example.com. HTTPS"), ["web.example.com. 3600 A 192.0.2.3"]);
    let through_alias = addresses("toweb.example.com. HTTPS");
    assert_eq!(through_alias.len(), 2);
    assert_eq!(through_alias[0], "web.example.com. 3600 A 192.0.2.3");
    assert!(through_alias[1].starts_with("web.example.com. 3600 HTTPS 1 ."));
    assert!(addresses("none.example.com. HTTPS").is_empty());
    assert_eq!(addresses("any.w.example.com. HTTPS"), ["any.w.example.com. 3600 A 192.0.2.4"]);
}

#[test]
fn a_target_in_another_served_zone_is_found() {
    let other = "$ORIGIN example.net.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns2\nns2 60 A 192.0.2.6\n";
    let told = Bed::new(&[ZONE, other]).ask("example.com. NS");
    assert_eq!(told.additional().last().unwrap(), "ns2.example.net. 60 A 192.0.2.6");
}

#[test]
fn glue_is_for_referrals_only() {
    let zone = format!("{ZONE}sub NS ns.sub\nns.sub A 192.0.2.7\nglued MX 10 ns.sub\n");
    assert!(Bed::new(&[&zone]).ask("glued.example.com. MX").additional().is_empty());
}
