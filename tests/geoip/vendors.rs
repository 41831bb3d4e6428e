//! One loader reads every vendor's files, merges them, and lets the operator's networks win.

use std::io::Write;
use std::net::IpAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use meridian::geo::{Atlas, Coordinates, Database, DatabaseError, Location, LocationId, Network};
use serde_json::{Value, json};

use crate::support::mmdb::Writer;

fn open(file: Vec<u8>) -> Database {
    Database::from_bytes("test.mmdb", file).unwrap()
}

/// A database that says one thing of 192.0.2.0/24.
fn of(record: Value) -> Database {
    open(Writer::new(6, 28).insert("192.0.2.0/24", record).finish())
}

fn locate(atlas: &Atlas, address: &str) -> Location {
    atlas.location(atlas.locate(address.parse().unwrap())).clone()
}

fn network(prefix: &str, location: Location) -> Network {
    Network { prefix: prefix.parse().unwrap(), location }
}

fn in_country(code: &str) -> Location {
    Location { country: code.parse().ok(), ..Location::default() }
}

/// The fields as one line.
fn shown(location: &Location) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    [
        or(location.country.map(|code| code.to_string())),
        or(location.continent.map(|code| code.to_string())),
        or(location.subdivision.as_deref().map(str::to_owned)),
        or(location.city.as_deref().map(str::to_owned)),
        or(location.asn.map(|number| number.to_string())),
        or(location.coordinates.map(|at| format!("{},{}", at.latitude, at.longitude))),
    ]
    .join(" ")
}

#[test]
fn flat_and_nested_files_of_every_record_size_answer_alike() {
    let nested = json!({
        "continent": {"code": "NA"}, "country": {"iso_code": "US", "names": {"en": "United States"}},
        "subdivisions": [{"iso_code": "CA"}, {"iso_code": "037"}],
        "city": {"names": {"de": "Los Angeles (de)", "en": "Los Angeles"}},
        "location": {"latitude": 34.0544, "longitude": -118.244, "accuracy_radius": 20},
        "traits": {"autonomous_system_number": 64500},
    });
    let flat = json!({
        "continent": "North America", "continent_code": "NA", "country": "United States",
        "country_code": "US", "region": "California", "region_code": "CA", "city": "Los Angeles",
        "latitude": 34.0544, "longitude": -118.244, "asn": "AS64500", "as_name": "Example",
    });
    let texts = json!({
        "continent": "NA", "country": "US", "country_name": "United States", "region": "CA",
        "region_name": "California", "city": "Los Angeles", "lat": "34.0544", "lng": "-118.244",
        "asn": "as64500",
    });
    let floats = json!({
        "continent_code": "NA", "country_code": "US", "region_code": "US-CA",
        "city": "Los Angeles", "latitude": {"float": 34.0544}, "longitude": {"float": -118.244},
        "autonomous_system_number": 64500,
    });
    for record_size in [24, 28, 32] {
        for ip_version in [4, 6] {
            for record in [&nested, &flat, &texts, &floats] {
                let writer = Writer::new(ip_version, record_size);
                let database = open(writer.insert("192.0.2.0/24", record.clone()).finish());
                let (location, network) =
                    database.lookup("192.0.2.77".parse().unwrap()).expect("it is in the file");
                assert_eq!(
                    shown(location),
                    "US NA US-CA Los Angeles 64500 34.0544,-118.244",
                    "{record_size} {record}"
                );
                assert_eq!(network.to_string(), "192.0.2.0/24");
                assert_eq!(database.lookup("192.0.3.1".parse().unwrap()), None);
            }
        }
    }
}

#[test]
fn bare_strings_and_dashes_are_read_for_what_they_are() {
    let database = open(
        Writer::new(4, 24)
            .insert("192.0.2.0/24", json!("fr"))
            .insert("198.51.100.0/24", json!("-"))
            .insert("203.0.113.0/24", json!({"country": {"iso_code": "-"}, "city": "-"}))
            .finish(),
    );
    let atlas = Atlas::compile(&[database], &[]);
    assert_eq!(shown(&locate(&atlas, "192.0.2.1")), "FR EU ? ? ? 47.138,2.788");
    for unknown in ["198.51.100.1", "203.0.113.1", "1.1.1.1"] {
        assert_eq!(atlas.locate(unknown.parse().unwrap()), LocationId(0), "{unknown}");
    }
}

#[test]
fn a_country_brings_its_continent_and_centroid_and_null_island_is_nowhere() {
    let record = json!({"country_code": "SE", "latitude": 0.0, "longitude": 0.0});
    let atlas = Atlas::compile(&[of(record)], &[]);
    let location = locate(&atlas, "192.0.2.1");
    assert_eq!(location.continent.unwrap().to_string(), "EU");
    let stockholm = Coordinates { latitude: 59.33, longitude: 18.07 };
    assert!(location.coordinates.unwrap().distance_km(stockholm) < 300.0);
}

#[test]
fn an_asn_file_gives_only_the_asn() {
    let asn = of(json!({
        "asn": "AS13335", "country": "US", "name": "Cloudflare, Inc.", "domain": "cloudflare.com",
        "type": "hosting",
    }));
    let country = of(json!({"country_code": "AU"}));
    let atlas = Atlas::compile(&[asn, country], &[]);
    let location = locate(&atlas, "192.0.2.1");
    assert_eq!((location.asn, location.country.unwrap().to_string()), (Some(13335), "AU".into()));
}

#[test]
fn an_anycast_network_has_a_country_and_no_position() {
    let marked = json!({
        "country_code": "AU", "city": "Sydney", "region_code": "NSW", "latitude": -33.9,
        "longitude": 151.2, "is_anycast": true,
    });
    let other = json!({"country_code": "AU", "latitude": -37.8, "longitude": 145.0});
    let atlas = Atlas::compile(&[of(marked), of(other)], &[]);
    assert_eq!(shown(&locate(&atlas, "192.0.2.1")), "AU OC ? ? ? ?");
}

#[test]
fn files_merge_field_by_field_and_the_first_wins() {
    let countries = of(json!({"country_code": "DE"}));
    let cities = of(json!({
        "country_code": "DE", "region_code": "HE", "city": "Frankfurt", "latitude": 50.1,
        "longitude": 8.7, "asn": 64501,
    }));
    let numbers = of(json!({"autonomous_system_number": 64500}));
    let abroad = of(json!({"country_code": "FR", "city": "Paris", "asn": 64502}));
    let merged =
        |databases: &[Database]| shown(&locate(&Atlas::compile(databases, &[]), "192.0.2.1"));
    assert_eq!(merged(&[countries, numbers, cities]), "DE EU DE-HE Frankfurt 64500 50.1,8.7");
    let countries = of(json!({"country_code": "DE"}));
    let elsewhere = merged(&[countries, abroad]);
    assert!(elsewhere.starts_with("DE EU ? ? 64502 "), "{elsewhere}");
}

#[test]
fn one_file_for_each_family_makes_one_atlas() {
    let v4 = open(Writer::new(4, 24).insert("192.0.2.0/24", json!({"country": "DE"})).finish());
    let v6 = open(Writer::new(6, 32).insert("2001:db8::/32", json!({"country": "JP"})).finish());
    assert_eq!(v4.lookup("2001:db8::1".parse().unwrap()), None);
    let atlas = Atlas::compile(&[v4, v6], &[]);
    assert_eq!(locate(&atlas, "192.0.2.1").country, "DE".parse().ok());
    assert_eq!(locate(&atlas, "2001:db8::1").country, "JP".parse().ok());
    assert_eq!(atlas.locate("2001:db9::1".parse().unwrap()), LocationId(0));
}

#[test]
fn a_client_in_a_wrapping_is_where_the_address_inside_is() {
    for aliases in [&[][..], &["::ffff:0:0/96", "2002::/16", "2001::/32"]] {
        let mut writer = Writer::new(6, 28)
            .insert("192.0.2.0/24", json!({"country": "DE"}))
            .insert("2001:db8::/32", json!({"country": "JP"}));
        for alias in aliases {
            writer = writer.alias(alias);
        }
        let databases = [open(writer.finish())];
        let atlas = Atlas::compile(&databases, &[]);
        for wrapped in ["::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1"] {
            assert_eq!(locate(&atlas, wrapped).country, "DE".parse().ok(), "{wrapped}");
            let (_, network) = databases[0].lookup(wrapped.parse().unwrap()).unwrap();
            assert_eq!(network.to_string(), "192.0.2.0/24");
        }
        // Teredo's first address bits are its server's, not the client's; ::/96 is not routed.
        for unknown in ["2001:0:c000:201::1", "::192.0.2.1"] {
            assert_eq!(atlas.locate(unknown.parse().unwrap()), LocationId(0), "{unknown}");
            assert_eq!(databases[0].lookup(unknown.parse().unwrap()), None);
        }
        assert_eq!(databases[0].info().coverage.networks, 2);
        assert_eq!(atlas.v6().count(), 3);
    }
}

#[test]
fn a_record_above_the_ipv4_tree_speaks_for_all_of_ipv4() {
    let database = open(
        Writer::new(6, 24)
            .insert("::/32", json!({"country": "DE"}))
            .insert("4000::/2", json!({"country": "JP"}))
            .finish(),
    );
    let (_, network) = database.lookup("192.0.2.1".parse().unwrap()).unwrap();
    assert_eq!(network.to_string(), "0.0.0.0/0");
    let atlas = Atlas::compile(&[database], &[]);
    assert_eq!(locate(&atlas, "203.0.113.9").country, "DE".parse().ok());
    assert_eq!(locate(&atlas, "0:0:ff::1").country, "DE".parse().ok());
    assert_eq!(locate(&atlas, "::7").country, None);
}

#[test]
fn the_operators_networks_win_over_every_database() {
    let city = json!({
        "country_code": "DE", "city": "Berlin", "latitude": 52.5, "longitude": 13.4, "asn": 64500,
    });
    let file = Writer::new(6, 28).insert("192.0.2.0/24", city).finish();
    let networks = [
        network("192.0.2.0/25", Location { asn: Some(64999), ..in_country("US") }),
        network("192.0.2.128/26", Location { city: Some("Potsdam".into()), ..Location::default() }),
        network(
            "192.0.2.192/26",
            Location { subdivision: Some("FR-IDF".into()), ..Location::default() },
        ),
        network("::ffff:10.0.0.0/104", in_country("NL")),
        network("::1/128", in_country("BE")),
    ];
    let atlas = Atlas::compile(&[open(file)], &networks);
    let at = |address: &str| shown(&locate(&atlas, address));
    assert_eq!(at("192.0.2.1"), "US NA ? ? 64999 38.963,-92.66");
    assert_eq!(at("192.0.2.129"), "DE EU ? Potsdam 64500 52.5,13.4");
    assert_eq!(at("192.0.2.193"), "FR EU FR-IDF ? 64500 47.138,2.788");
    assert!(at("10.1.2.3").starts_with("NL EU"));
    assert!(at("::ffff:10.1.2.3").starts_with("NL EU"));
    assert!(at("::1").starts_with("BE EU"));
}

#[test]
fn of_networks_inside_each_other_the_longest_speaks_first() {
    let networks = [
        network("10.1.2.0/24", Location { city: Some("Hanau".into()), ..Location::default() }),
        network("10.0.0.0/8", Location { asn: Some(64500), ..in_country("DE") }),
        network("10.1.0.0/16", Location { asn: Some(64501), ..in_country("NL") }),
        network("10.1.2.0/24", Location { city: Some("Delft".into()), ..Location::default() }),
    ];
    let atlas = Atlas::compile(&[], &networks);
    assert!(shown(&locate(&atlas, "10.1.2.3")).starts_with("NL EU ? Delft 64501"));
    assert!(shown(&locate(&atlas, "10.1.3.3")).starts_with("NL EU ? ? 64501"));
    assert!(shown(&locate(&atlas, "10.2.0.1")).starts_with("DE EU ? ? 64500"));
    assert_eq!(atlas.locate("11.0.0.1".parse().unwrap()), LocationId(0));
}

#[test]
fn without_databases_nobody_is_located() {
    let atlas = Atlas::default();
    let everywhere: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    for address in everywhere {
        assert_eq!(atlas.locate(address), LocationId(0));
    }
    assert_eq!(atlas.locations(), [Location::default()]);
    assert_eq!((atlas.v4().count(), atlas.v6().count()), (1, 1));
}

#[test]
fn a_file_without_locations_shows_its_first_record() {
    let file = Writer::new(4, 24).insert("192.0.2.0/24", json!({"colour": "red"})).finish();
    let error = Database::from_bytes("colours.mmdb", file).unwrap_err();
    assert!(matches!(error, DatabaseError::NoLocation { .. }));
    let message = error.to_string();
    assert!(message.contains("colours.mmdb") && message.contains(r#"{"colour": "red"}"#));
}

/// Compressed by gzip.
fn packed(file: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(file).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_compressed_database_says_what_it_says_unpacked() {
    let file = Writer::new(4, 24).insert("192.0.2.0/24", json!("DE")).finish();
    let whole = Atlas::compile(&[open(file.clone())], &[]);
    let packed = Atlas::compile(&[open(packed(&file))], &[]);
    assert!(locate(&packed, "192.0.2.1").country.is_some());
    assert_eq!(locate(&packed, "192.0.2.1"), locate(&whole, "192.0.2.1"));
}

#[test]
fn what_is_no_database_is_told_what_it_looks_like() {
    let error = |file: &[u8]| Database::from_bytes("x", file.to_vec()).unwrap_err().to_string();
    assert!(error(b"").contains("empty"));
    assert!(error(b"PK\x03\x04...").contains("compressed"));
    assert!(error(b"1.0.0.0,1.0.0.255,AU\n").contains("text"));
    let whole = Writer::new(4, 24).insert("192.0.2.0/24", json!("DE")).finish();
    assert!(error(&whole[..100]).contains("fetch it again, whole"));
    // As MaxMind ships it: a tar archive, compressed.
    let archive = [&[0; 257][..], b"ustar", &[0; 250], &whole].concat();
    assert!(error(&archive).contains("tar archive"));
    assert!(error(&packed(&archive)).contains("tar archive"));
    let packed = packed(&whole);
    assert!(error(&packed[..packed.len() - 9]).contains("cannot be unpacked"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.mmdb");
    let error = Database::open(&path).unwrap_err();
    assert!(error.to_string().contains("missing.mmdb"));
    std::fs::write(&path, whole).unwrap();
    let database = Database::open(&path).unwrap();
    assert_eq!(database.info().name, path.display().to_string());
    assert_eq!(database.info().built_on(), "2026-06-05");
}
