//! `meridian export`: what others read is what is served.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::support::dns::Ask;
use crate::support::program::{CONFIG, Files};

const SERVER: &str = r#"
[geoip]
databases = []
[geoip.networks]
"20.0.0.0/8"     = { country = "US", subdivision = "US-CA" }
"81.2.0.0/15"    = { country = "GB" }
"2001:db8::/32"  = { country = "GB" }
"#;

const ZONE: &str = "\
$TTL 300
@      SOA   ns1 hostmaster 1 7200 900 1209600 60
@      NS    ns1
@      MX    10 mail
@      TXT   \"v=DKIM1; k=rsa\" \"more\"
@      CAA   0 issue \"ca.example.net\"
ns1    A     192.0.2.53
ns1    AAAA  2001:db8::53
mail   A     192.0.2.25
shop   CNAME www
_s._tcp SRV  0 1 993 mail
odd    HINFO a b
";

const POLICIES: &str = r#"
[pool.us]
members = ["192.0.2.1", "192.0.2.2"]
[pool.eu]
members = ["198.51.100.1", "2001:db8:e::1"]
[pool.cdn]
members = [{ cname = "cdn.example.net" }]
[policy.world]
kind = "geo"
rules = [
  { match = "continent:EU", to = ["eu", "us"] },
  { match = "subdivision:US-CA", to = "us" },
  { match = "net:203.0.113.0/24", to = "eu" },
]
default = "us"
[policy.drawn]
kind = "weighted"
targets = [{ to = "us", weight = 3 }, "eu"]
[policy.v4]
kind = "geo"
rules = [{ match = ["continent:EU", "country:JP"], to = ["one", "two"] }]
default = "two"
[pool.one]
members = [{ address = "192.0.2.11", weight = 3 }, { address = "192.0.2.12", weight = 1 }]
balance = "weighted"
[pool.two]
members = ["192.0.2.21"]

[record."www.example.com"]
use = "world"
ttl = 30
[record."drawn.example.com"]
use = "drawn"
[record."cdn.example.com"]
use = "cdn"
[record."four.example.com"]
use = "v4"
ttl = 60
"#;

fn files() -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/p.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
}

fn printed(files: &Files, arguments: &[&str]) -> String {
    let output = files.run(arguments);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{arguments:?}");
    output.stdout
}

#[test]
fn the_map_has_every_address_once_and_says_what_is_served() {
    let files = files();
    let csv = printed(&files, &["export", "map", "www.example.com"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("prefix,pool"));
    let rows: Vec<(IpNet, &str)> = lines
        .map(|line| line.split_once(',').unwrap())
        .map(|(net, pool)| (net.parse().unwrap(), pool))
        .collect();
    let v4 = rows.iter().filter(|(net, _)| net.addr().is_ipv4());
    let all: u64 = v4.map(|(net, _)| 1_u64 << (32 - net.prefix_len())).sum();
    assert_eq!(all, 1 << 32, "every IPv4 address is in one prefix");

    let server = files.serve();
    let members = |pool: &str| if pool == "us" { "192.0.2.1" } else { "198.51.100.1" };
    for (net, pool) in &rows {
        let length = if net.addr().is_ipv4() { 32 } else { 128 };
        let client: IpAddr = net.addr();
        let told = Ask::new("www.example.com", "A").from(&format!("{client}/{length}"));
        let told = told.udp(server.address()).set();
        assert!(told.contains(&members(pool).to_owned()), "{net} is {pool}: {told:?}");
    }
    assert!(rows.contains(&("81.2.0.0/15".parse().unwrap(), "eu")), "{csv}");
    let without = printed(&files, &["export", "map", "www.example.com", "--down", "eu"]);
    assert!(without.starts_with("prefix,pool\n0.0.0.0/0,us\n"), "{without}");
    assert!(without.lines().skip(1).all(|row| row.ends_with(",us")), "{without}");
}

#[test]
fn draws_stand_in_the_map_with_their_shares() {
    let csv = printed(&files(), &["export", "map", "drawn.example.com"]);
    assert_eq!(csv, "prefix,pool\n0.0.0.0/0,us 75.0 %|eu 25.0 %\n::/0,us 75.0 %|eu 25.0 %\n");
}

#[test]
fn a_zone_of_one_view_is_a_zone_file_that_answers_the_same() {
    let files = files();
    let text = printed(&files, &["export", "zone", "example.com", "--client", "81.2.69.1"]);
    for part in [
        "$ORIGIN example.com.\n$TTL 300\n",
        "\nwww.example.com. 30 A 198.51.100.1\nwww.example.com. 30 AAAA 2001:db8:e::1\n",
        "\ncdn.example.com. 30 CNAME cdn.example.net.\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    // The file is served by itself, without any policy.
    let plain = Files::new().with(CONFIG, SERVER).with("zones/example.com.zone", &text);
    plain.write("config/policies/none.toml", "");
    let (one, other) = (files.serve(), plain.serve());
    for (name, rtype) in [
        ("www.example.com", "A"),
        ("www.example.com", "AAAA"),
        ("four.example.com", "A"),
        ("cdn.example.com", "CNAME"),
        ("example.com", "MX"),
    ] {
        let ask = Ask::new(name, rtype).from("81.2.69.1/32");
        let (told, view) = (ask.udp(one.address()).set(), ask.udp(other.address()).set());
        // A draw has one member at a time.
        assert!(
            !told.is_empty() && told.iter().all(|data| view.contains(data)),
            "{name}: {view:?}"
        );
    }
}

#[test]
fn octodns_reads_what_it_can_say_and_the_rest_is_told() {
    let files = files();
    let output = files.run(&["export", "octodns", "example.com"]);
    assert_eq!(output.code, 1, "{output:?}");
    for part in [
        "drawn.example.com.: policy `drawn` (weighted) has no counterpart there",
        "www.example.com.: pool `us` has no AAAA",
        "odd.example.com. HINFO of ",
    ] {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{}", output.stderr);
    }
    for part in [
        "'':\n  - type: MX\n    ttl: 300\n    values:\n    - { preference: 10, exchange: mail.example.com. }\n",
        "- 'v=DKIM1\\; k=rsamore'\n",
        "'shop':\n  type: CNAME\n  ttl: 300\n  values:\n  - www.example.com.\n",
        "- pool: one\n      geos: ['EU', 'AS-JP']\n",
        "      one:\n        fallback: two\n        values:\n        - { value: '192.0.2.11', weight: 3 }\n",
    ] {
        assert!(output.stdout.contains(part), "{part:?} is not in:\n{}", output.stdout);
    }
    // What was written is read again, and is the same.
    files.write("source/example.com.yaml", &output.stdout);
    let back = files.run(&["import", "octodns", "source", "--out", "back"]);
    assert!(back.code < 2, "{back:?}\n{}", output.stdout);
    let cases = "[case.a]\nname = \"four.example.com\"\nclient = \"20.1.2.3\"\nexpect = { answers = \"192.0.2.21\" }\n";
    files.write("cases.toml", cases);
    let tested = files.run(&["test", "cases.toml", "--config", "back/meridian.toml"]);
    assert_eq!(tested.code, 0, "{tested:?}");
}

#[test]
fn names_that_are_not_there_are_refused_with_the_nearest() {
    let files = files();
    for (arguments, said) in [
        (&["export", "map", "wwww.example.com"][..], "did you mean `www.example.com.`?"),
        (&["export", "map", "www.example.com", "--down", "use"], "did you mean `us`?"),
        (&["export", "octodns", "example.org"], "there is no zone `example.org.`"),
        (&["export", "zone", "example.com"], "--client"),
    ] {
        let output = files.run(arguments);
        assert!(output.code == 2 && output.stderr.contains(said), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, "");
    }
}
