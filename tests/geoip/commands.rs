//! `meridian geoip lookup` and `info` say where an address is and who says so.

use meridian::cli::geoip;
use meridian::geo::{Database, Location, Network};
use serde_json::json;

use crate::support::mmdb::Writer;

fn databases() -> [Database; 2] {
    let cities = Writer::new(6, 28)
        .insert("192.0.2.0/24", json!({"country_code": "DE", "city": "Berlin"}))
        .alias("2002::/16")
        .finish();
    let numbers = Writer::new(4, 24)
        .insert("192.0.0.0/16", json!({"autonomous_system_number": 64500}))
        .finish();
    [
        Database::from_bytes("cities.mmdb", cities).unwrap(),
        Database::from_bytes("asn.mmdb", numbers).unwrap(),
    ]
}

fn lookup(networks: &[Network], address: &str) -> String {
    let mut out = Vec::new();
    geoip::lookup(&databases(), networks, &[address.parse().unwrap()], &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn each_field_is_shown_with_its_network_and_database() {
    assert_eq!(
        lookup(&[], "::ffff:192.0.2.1"),
        "\
::ffff:192.0.2.1, looked up by the address inside, 192.0.2.1
  country      DE (Germany)                  192.0.2.0/24 in cities.mmdb, built 2026-06-05
  continent    EU                            by its country
  subdivision  unknown
  city         Berlin                        192.0.2.0/24 in cities.mmdb, built 2026-06-05
  asn          AS64500                       192.0.0.0/16 in asn.mmdb, built 2026-06-05
  coordinates  51.053, 9.794                 by its country
"
    );
    assert!(lookup(&[], "203.0.113.1").contains("unknown: no network and no database"));
}

#[test]
fn a_network_of_the_operator_is_named() {
    let location = Location { country: "NL".parse().ok(), ..Location::default() };
    let networks = [Network { prefix: "192.0.2.0/25".parse().unwrap(), location }];
    let shown = lookup(&networks, "192.0.2.1");
    assert!(shown.contains("NL (The Netherlands)          network 192.0.2.0/25 of"), "{shown}");
    assert!(shown.contains("AS64500"), "{shown}");
    assert!(!shown.contains("Berlin"), "{shown}");
}

#[test]
fn info_counts_what_the_networks_give() {
    let mut out = Vec::new();
    geoip::info(&databases(), &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    for line in [
        "cities.mmdb\n",
        "  description  made by a test\n",
        "  built        2026-06-05\n",
        "  addresses    IPv4 and IPv6\n",
        "  networks     1, of which give\n",
        "    city                1  100.0 %\n",
        "    asn                 0    0.0 %\n",
        "\nasn.mmdb\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
}
