//! `meridian import` from other DNS servers: answers are as there, and what cannot be is told.

use crate::support::import::{
    CALIFORNIA, Expected, GB, JP, OFFICE, US, files, holds, import, read, report_has, serves,
};
use crate::support::program::Files;

#[test]
fn gdnsd_resources_become_policies_and_its_zones_stay_as_they_are() {
    let files = files(&["gdnsd/config", "gdnsd/example.com"]);
    assert_eq!(import(&files, "gdnsd", &[]).code, 1);
    report_has(
        &files,
        &[
            "service type `odd` of plugin extmon",
            "multifo!unused: no record uses it",
            "source/example.com:16: geoip!nothing: there is no such resource",
            "source/example.com:9: `www.example.com.`: geoip!www",
        ],
    );
    let zone = read(&files, "zones/example.com.zone");
    assert!(zone.contains("ns2.example.net.") && !zone.contains("DYN"), "{zone}");
    holds(
        &files,
        r#"
[case."two of three are enough"]
name = "ring.example.com"
client = "20.1.2.3"
down = "192.0.2.41"
expect = { answers = ["192.0.2.42", "192.0.2.43"] }
[case."one of three is not, and then all are told"]
name = "ring.example.com"
client = "20.1.2.3"
down = ["192.0.2.41", "192.0.2.42"]
expect = { answers = ["192.0.2.41", "192.0.2.42", "192.0.2.43"] }
[case."the secondary"]
name = "pair.example.com"
client = "20.1.2.3"
down = "192.0.2.31"
expect = { answers = "192.0.2.32" }
[case."Asia has no other data centre"]
name = "www.example.com"
client = "133.11.0.1"
down = "www-asia"
expect = { answers = ["203.0.113.11", "203.0.113.12"] }
[case."by weight"]
name = "shares.example.com"
client = "20.1.2.3"
expect = { answers = ["192.0.2.51", "192.0.2.52"] }
[case."names by weight"]
name = "names.example.com"
client = "20.1.2.3"
expect = { answers = ["one.example.net", "two.example.net"] }
[case."one resource inside of another"]
name = "orders.example.com"
client = "20.1.2.3"
down = "orders-dc1"
expect = { pool = "ring" }
"#,
    );
    let at: [Expected<'_>; 5] = [
        (US, &["192.0.2.11"]),
        (CALIFORNIA, &["203.0.113.11", "203.0.113.12"]),
        (GB, &["198.51.100.11"]),
        (JP, &["203.0.113.11", "203.0.113.12"]),
        (OFFICE, &["198.51.100.11"]),
    ];
    serves(&files, "www.example.com", &at);
    serves(&files, "us.www.example.com", &[(JP, &["192.0.2.11"])]);
    serves(&files, "near.example.com", &[(US, &["192.0.2.21"]), (GB, &["198.51.100.21"])]);
    serves(&files, "mail.example.com", &[(US, &["192.0.2.25"])]);
}

#[test]
fn mistakes_of_gdnsd_files_are_shown_with_their_line() {
    let files = Files::new().with("source/config", "plugins => {\n  static => {\n");
    let broken = files.run(&["import", "gdnsd", "source", "--out", "out"]);
    assert!(
        broken.code == 2 && broken.stderr.contains("source/config:3: `}` is missing"),
        "{broken:?}"
    );
    files.write("source/config", "plugins => {}\n");
    files.write("source/example.com", "@ SOA a b 1 2 3 4 5\nwww DYNA ; nothing\n");
    let broken = files.run(&["import", "gdnsd", "source", "--out", "out"]);
    assert!(broken.code == 2 && broken.stderr.contains("source/example.com:2: "), "{broken:?}");
}

#[test]
fn octodns_rules_pools_and_fallbacks_are_a_geo_policy() {
    let files = files(&["octodns/example.com.yaml"]);
    assert_eq!(import(&files, "octodns", &["--name-server", "ns1.example.net"]).code, 1);
    report_has(
        &files,
        &[
            "`old.example.com.` URLFWD",
            "`cloudflare = { proxied = true }`: this is for octoDNS and its providers",
            "`198.51.100.13` is down by its status",
            "`www.example.com.` A: rules, pools and fallbacks",
        ],
    );
    let zone = read(&files, "zones/example.com.zone");
    for part in [
        "@ 3600 TXT \"v=DKIM1; k=rsa; p=abc\"",
        "_imaps._tcp 3600 SRV 0 1 993 mail.example.com.",
        "sip 3600 NAPTR 10 100 \"S\" \"SIP\" \"\" _sip._udp.example.com.",
    ] {
        assert!(zone.contains(part), "{part} is not in:\n{zone}");
    }
    holds(
        &files,
        r#"
[case."Europe by weight"]
name = "www.example.com"
client = "81.2.69.1"
expect = { answers = ["198.51.100.11", "198.51.100.12"] }
[case."Asia falls back to America"]
name = "www.example.com"
client = "133.11.0.1"
down = "www-apac"
expect = { pool = "www-na" }
[case."the plain values are told when nothing is up"]
name = "www.example.com"
client = "133.11.0.1"
down = ["www-apac", "www-na"]
expect = { answers = "192.0.2.99" }
[case."a name by place"]
name = "cdn.example.com"
client = "81.2.69.1"
expect = { answers = "one.example.net" }
"#,
    );
    let at: [Expected<'_>; 4] = [
        (US, &["192.0.2.11", "192.0.2.12"]),
        (CALIFORNIA, &["203.0.113.11"]),
        (JP, &["203.0.113.11"]),
        (OFFICE, &["192.0.2.11", "192.0.2.12"]),
    ];
    serves(&files, "www.example.com", &at);
}

#[test]
fn powerdns_services_and_lua_records_become_policies() {
    let files = files(&["powerdns/geo.yaml", "powerdns/example.com.zone"]);
    assert_eq!(import(&files, "powerdns", &[]).code, 1);
    report_has(
        &files,
        &[
            "`near`: pickclosest: where these addresses are is not known here",
            "`hard.example.com.` LUA A latlon():sub(1, 3) .. 'x': this is more of Lua",
            "`other.example.com.` LUA TXT: only A, AAAA and CNAME",
            "`url`: option useragent",
            "`www.geo.example.com.`: a service over 5 names",
        ],
    );
    let zone = read(&files, "zones/example.com.zone");
    assert!(zone.contains("mail   A    192.0.2.25") && !zone.contains("LUA"), "{zone}");
    holds(
        &files,
        r#"
[case."one that is up is drawn"]
name = "up.example.com"
client = "20.1.2.3"
down = "192.0.2.11"
expect = { answers = "192.0.2.12" }
[case."the second group"]
name = "url.example.com"
client = "20.1.2.3"
down = ["192.0.2.21", "192.0.2.22"]
expect = { answers = "198.51.100.21" }
[case."by weight"]
name = "shares.example.com"
client = "20.1.2.3"
expect = { answers = ["192.0.2.41", "192.0.2.42"] }
[case."names by continent"]
name = "names.example.com"
client = "81.2.69.1"
expect = { answers = "eu.example.net" }
[case."IPv6 of a service"]
name = "www.geo.example.com"
client = "81.2.69.1"
type = "AAAA"
expect = { answers = "2001:db8:e::1" }
[case."weights of a service"]
name = "www.geo.example.com"
client = "20.1.2.3"
expect = { answers = ["192.0.2.1", "192.0.2.2"] }
"#,
    );
    let names: [(&str, &[Expected<'_>]); 2] = [
        ("where.example.com", &[(GB, &["198.51.100.71"]), (US, &["192.0.2.71"])]),
        (
            "www.geo.example.com",
            &[(GB, &["198.51.100.1"]), (JP, &["192.0.2.9"]), (OFFICE, &["192.0.2.8"])],
        ),
    ];
    for (name, expected) in names {
        serves(&files, name, expected);
    }
}

#[test]
fn knot_answers_by_place_network_and_weight() {
    let files = files(&[
        "knot/knot.conf",
        "knot/geo.conf",
        "knot/nets.conf",
        "knot/shares.conf",
        "knot/example.com.zone",
    ]);
    assert_eq!(import(&files, "knot", &[]).code, 1);
    report_has(&files, &["mod-geoip: `geodb-file", "`foo.example.com.`: 4 alternatives"]);
    let zone = read(&files, "zones/example.com.zone");
    assert!(zone.contains("www.example.com. MX   10 mail"), "what followed has its owner:\n{zone}");
    assert!(zone.contains("net 3600 AAAA 2001:db8::98"), "{zone}");
    holds(
        &files,
        r#"
[case."a type that only one place has"]
name = "www.example.com"
type = "TXT"
client = "81.2.69.1"
expect = { pool = "www-gb" }
[case."by weight"]
name = "many.example.com"
client = "20.1.2.3"
expect = { answers = ["192.0.2.21", "192.0.2.22"] }
[case."another type is as it was"]
name = "net.example.com"
type = "AAAA"
client = "203.0.113.9"
expect = { answers = "2001:db8::98" }
"#,
    );
    let names: [(&str, &[Expected<'_>]); 3] = [
        (
            "foo.example.com",
            &[
                (CALIFORNIA, &["ca.foo.example.net."]),
                (US, &["us.foo.example.net."]),
                (JP, &["all.foo.example.net."]),
            ],
        ),
        (
            "www.example.com",
            &[(GB, &["198.51.100.1", "198.51.100.2"]), (US, &["192.0.2.1"]), (JP, &["192.0.2.99"])],
        ),
        ("net.example.com", &[(OFFICE, &["192.0.2.11", "192.0.2.12"]), (US, &["192.0.2.98"])]),
    ];
    for (name, expected) in names {
        serves(&files, name, expected);
    }
}

#[test]
fn geodns_labels_with_places_are_one_name() {
    let files = files(&["geodns/example.com.json"]);
    assert_eq!(import(&files, "geodns", &["--name-server", "ns1.example.net"]).code, 1);
    report_has(&files, &["targeting by regiongroup", "`shop.example.com.`: as `www.example.com.`"]);
    let zone = read(&files, "zones/example.com.zone");
    assert!(
        zone.contains("app.mail 600 A 192.0.2.26") && zone.contains("@ 600 MX 20 mail"),
        "{zone}"
    );
    holds(
        &files,
        r#"
[case."by weight"]
name = "www.example.com"
client = "133.11.0.1"
expect = { answers = ["192.0.2.1", "192.0.2.2"] }
[case."an alias is the same"]
name = "shop.example.com"
client = "203.0.113.7"
expect = { answers = "192.0.2.4" }
[case."a name by place"]
name = "cdn.example.com"
client = "81.2.69.1"
expect = { answers = "eu.cdn.example.net" }
"#,
    );
    let at: [Expected<'_>; 2] =
        [(GB, &["198.51.100.1", "198.51.100.2"]), (CALIFORNIA, &["192.0.2.3"])];
    serves(&files, "www.example.com", &at);
}

#[test]
fn bind_addresses_take_turns_where_named_conf_says_so() {
    let files = files(&["bind/named.conf", "bind/db.example"]);
    assert_eq!(import(&files, "bind", &[]).code, 1);
    report_has(
        &files,
        &["directory /var/cache/bind", "order random: they take turns", "order cyclic"],
    );
    let zone = read(&files, "zones/example.com.zone");
    assert!(zone.contains("fixed  IN A    192.0.2.12"), "a fixed order stays:\n{zone}");
    assert!(zone.contains("www.example.com. IN TXT  \"beside it\""), "{zone}");
    serves(&files, "www.example.com", &[(US, &["192.0.2.1", "192.0.2.2"])]);
    serves(&files, "example.com", &[(US, &["192.0.2.80", "192.0.2.81"])]);
}
