//! `meridian import` from other DNS servers: answers are as there, and what cannot be is told.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "support/dns.rs"]
mod dns;
#[path = "support/import.rs"]
mod import;
#[path = "support/mmdb.rs"]
#[allow(dead_code)] // databases of other tests need more
mod mmdb;
#[path = "support/program.rs"]
mod program;

use import::{CALIFORNIA, GB, JP, OFFICE, US, files, holds, import, read, report_has, serves};
use program::Files;

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
    let at: [(&str, &[&str]); 5] = [
        (US, &["192.0.2.11"]),
        (CALIFORNIA, &["203.0.113.11", "203.0.113.12"]),
        (GB, &["198.51.100.11"]),
        (JP, &["203.0.113.11", "203.0.113.12"]),
        (OFFICE, &["198.51.100.11"]),
    ];
    serves(&files, "www.example.com", &at);
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
