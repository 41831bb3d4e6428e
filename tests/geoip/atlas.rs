//! The compiled atlas answers what its sources say, at every edge and in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use meridian::geo::{Atlas, Database, Location, LocationId, Network};
use meridian::geo::{country, embedded, provenance};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::mmdb::Writer;

/// Both edges of every range, and the addresses beyond them.
fn edges(atlas: &Atlas) -> Vec<IpAddr> {
    let v4 = atlas.v4().iter().flat_map(|range| [range.first, range.last]);
    let v6 = atlas.v6().iter().flat_map(|range| [range.first, range.last]);
    v4.map(|bits| Ipv4Addr::from_bits(bits).into())
        .chain(v6.map(|bits| Ipv6Addr::from_bits(bits).into()))
        .collect()
}

/// Addresses that collide often: a few bits at the top, a few at the bottom.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(high, low)| {
            Ipv4Addr::from_bits(u32::from(high & 7) << 29 | u32::from(low)).into()
        }),
        (any::<u8>(), any::<u8>()).prop_map(|(high, low)| {
            Ipv6Addr::from_bits(0x2000 << 112 | u128::from(high) << 109 | u128::from(low)).into()
        }),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u32>().prop_map(|bits| Ipv6Addr::from_bits(0xffff << 32 | u128::from(bits)).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (address(), any::<u8>()).prop_map(|(address, length)| match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, length % 33).trunc()),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, length % 129).trunc()),
    })
}

fn record() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["DE", "FR", "ZZ"]).prop_map(|code| json!({"country": code})),
        prop::sample::select(vec!["DE", "FR"]).prop_map(|code| json!({
            "country_code": code, "region_code": "X", "city": "Town", "latitude": 1.5,
            "longitude": 2.5,
        })),
        (1..4u32).prop_map(|asn| json!({"autonomous_system_number": asn})),
        Just(json!({"country_code": "US", "is_anycast": true, "asn": 7})),
        Just(json!({"latitude": 3.5, "longitude": 4.5, "continent_code": "OC"})),
    ]
}

fn database() -> impl Strategy<Value = Database> {
    let entries = prop::collection::vec((prefix(), record()), 1..8);
    (entries, prop::sample::select(vec![4u16, 6]), any::<bool>()).prop_filter_map(
        "says nothing",
        |(mut entries, version, aliases)| {
            entries.retain(|(prefix, _)| {
                let fits = version == 6 || matches!(prefix, IpNet::V4(_));
                fits && prefix.prefix_len() > 0
            });
            entries.sort_by_key(|(prefix, _)| {
                prefix.prefix_len() + if matches!(prefix, IpNet::V4(_)) { 96 } else { 0 }
            });
            let mut writer = Writer::new(version, 24);
            for (prefix, record) in entries {
                writer = writer.insert(&prefix.to_string(), record);
            }
            if aliases && version == 6 {
                writer = writer.alias("::ffff:0:0/96").alias("2002::/16").alias("2001::/32");
            }
            Database::from_bytes("random.mmdb", writer.finish()).ok()
        },
    )
}

fn network() -> impl Strategy<Value = Network> {
    let country = prop::option::of(prop::sample::select(vec!["DE", "US"]));
    let city = prop::option::of(Just("Office"));
    (prefix(), country, city, prop::option::of(64_500..64_503u32)).prop_map(
        |(prefix, country, city, asn)| Network {
            prefix,
            location: Location {
                country: country.map(|code| code.parse().unwrap()),
                city: city.map(Box::from),
                asn,
                ..Location::default()
            },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_atlas_says_what_its_sources_say_one_after_the_other(
        databases in prop::collection::vec(database(), 0..4),
        networks in prop::collection::vec(network(), 0..6),
        random in prop::collection::vec(address(), 40),
    ) {
        let atlas = Atlas::compile(&databases, &networks);
        for address in edges(&atlas).into_iter().chain(random) {
            let said = provenance(&databases, &networks, address);
            prop_assert_eq!(atlas.location(atlas.locate(address)), &said.location, "{}", address);
        }
    }

    #[test]
    fn every_known_field_has_an_origin(
        databases in prop::collection::vec(database(), 0..3),
        networks in prop::collection::vec(network(), 0..4),
        address in address(),
    ) {
        let said = provenance(&databases, &networks, address);
        prop_assert_eq!(said.country.is_some(), said.location.country.is_some());
        prop_assert_eq!(said.continent.is_some(), said.location.continent.is_some());
        prop_assert_eq!(said.subdivision.is_some(), said.location.subdivision.is_some());
        prop_assert_eq!(said.city.is_some(), said.location.city.is_some());
        prop_assert_eq!(said.asn.is_some(), said.location.asn.is_some());
        prop_assert_eq!(said.coordinates.is_some(), said.location.coordinates.is_some());
    }
}

#[test]
fn the_embedded_database_locates_the_world() {
    let databases = [embedded()];
    assert_eq!(databases[0].info().unreadable, 0);
    let atlas = Atlas::compile(&databases, &[]);
    let at = |address: &str| atlas.location(atlas.locate(address.parse().unwrap()));
    assert_eq!(at("81.2.69.142").country, "GB".parse().ok());
    assert_eq!(at("2001:4860:4860::8888").continent, "NA".parse().ok());
    assert!(atlas.locations().iter().any(|location| location.subdivision.is_some()));
    assert_eq!(atlas.location(LocationId(0)), &Location::default());
    for location in &atlas.locations()[1..] {
        let country = location.country.expect("the file knows countries only");
        assert!(country::find(country).is_some(), "{country}");
        assert!(location.coordinates.is_some() && location.continent.is_some());
    }

    // Neighbours are merged, ids are distinct, and a sample of the edges agrees with the file.
    assert!(atlas.v4().values().windows(2).all(|pair| pair[0] != pair[1]));
    assert!(atlas.v6().values().windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(atlas.v4().starts()[0], u32::MIN);
    for address in edges(&atlas).into_iter().step_by(997) {
        let said = databases[0].lookup(address).map(|(location, _)| location.clone());
        assert_eq!(atlas.location(atlas.locate(address)), &said.unwrap_or_default(), "{address}");
    }
}
