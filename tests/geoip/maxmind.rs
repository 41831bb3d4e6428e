//! MaxMind's own databases answer what MaxMind says they must.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};
use meridian::geo::{Continent, Coordinates, Database, Location, unwrap};
use serde_json::Value;

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/geoip").join(path)
}

/// What a network must answer, from the source the database was made of.
fn expected(record: &Value) -> Location {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let number = |pointer: &str| record.pointer(pointer).and_then(Value::as_f64);
    let country = text("/country/iso_code")
        .and_then(|code| code.parse().ok())
        .or_else(|| text("/registered_country/iso_code")?.parse().ok());
    let anycast = record.pointer("/traits/is_anycast") == Some(&Value::Bool(true))
        || record.pointer("/is_anycast") == Some(&Value::Bool(true));
    let positioned = |known: bool| known && !anycast;
    Location {
        country,
        continent: text("/continent/code").and_then(|code| code.parse::<Continent>().ok()),
        subdivision: text("/subdivisions/0/iso_code")
            .filter(|_| positioned(country.is_some()))
            .map(|code| format!("{}-{code}", country.unwrap()).into()),
        city: text("/city/names/en").filter(|_| positioned(true)).map(Box::from),
        asn: number("/autonomous_system_number")
            .or(number("/traits/autonomous_system_number"))
            .map(|number| number as u32),
        coordinates: number("/location/latitude")
            .zip(number("/location/longitude"))
            .filter(|at| positioned(*at != (0.0, 0.0)))
            .and_then(|(latitude, longitude)| Coordinates::new(latitude, longitude)),
    }
}

/// The source's networks, with IPv4 ones unwrapped.
fn source(name: &str) -> Vec<(IpNet, Location)> {
    let text = fs::read_to_string(data(&format!("source-data/{name}.json"))).unwrap();
    let items: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text).unwrap();
    items
        .iter()
        .flatten()
        .map(|(network, record)| (unwrapped(network.parse().unwrap()), expected(record)))
        .collect()
}

/// The sources write IPv4 networks as `::a.b.c.d/n` too.
fn unwrapped(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(v6) if v6.network().to_bits() >> 32 == 0 && v6.prefix_len() >= 96 => {
            let inner = (v6.network().to_bits() as u32).into();
            IpNet::V4(Ipv4Net::new(inner, v6.prefix_len() - 96).unwrap())
        }
        other => other,
    }
}

#[test]
fn every_network_answers_what_its_source_says() {
    for name in [
        "GeoIP2-City-Test",
        "GeoIP2-Country-Test",
        "GeoIP2-Enterprise-Test",
        "GeoIP2-ISP-Test",
        "GeoLite2-ASN-Test",
        "GeoLite2-Country-Test",
    ] {
        let database = Database::open(data(&format!("test-data/{name}.mmdb"))).unwrap();
        assert_eq!(database.info().unreadable, 0);
        let source = source(name);
        let mut asked = 0;
        for (network, _) in &source {
            for address in [network.network(), network.broadcast()] {
                if unwrap(address).offset != 0 {
                    continue;
                }
                // A later network of the source overwrites an earlier one.
                let (_, expected) =
                    source.iter().rfind(|(network, _)| network.contains(&address)).unwrap();
                let answer = database.lookup(address).map(|(location, _)| location.clone());
                assert_eq!(&answer.unwrap_or_default(), expected, "{name} {address}");
                asked += 1;
            }
        }
        assert!(asked >= 60, "{name}: {asked} addresses");
    }
}

#[test]
fn the_network_of_an_answer_holds_the_address_and_answers_alike() {
    let database = Database::open(data("test-data/GeoIP2-City-Test.mmdb")).unwrap();
    for address in ["81.2.69.142", "2001:218::1", "89.160.20.128", "216.160.83.56"] {
        let address: IpAddr = address.parse().unwrap();
        let (location, network) = database.lookup(address).unwrap();
        assert!(network.contains(&address));
        for edge in [network.network(), network.broadcast()] {
            assert_eq!(database.lookup(edge), Some((location, network)));
        }
    }
}

#[test]
fn a_file_about_something_else_is_refused() {
    let error = Database::open(data("test-data/GeoIP2-Anonymous-IP-Test.mmdb")).unwrap_err();
    assert!(error.to_string().contains("its first record"), "{error}");
}
