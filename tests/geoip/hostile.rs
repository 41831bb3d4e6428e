//! Damaged and hostile databases are refused or give no location; they never panic or hang.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use meridian::geo::{Atlas, Database, provenance};
use serde_json::json;

use crate::support::mmdb::Writer;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/geoip")
}

/// Every file below a folder.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(databases(&path));
        } else if path.extension().is_some_and(|extension| extension == "mmdb") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Opens what may be a database and uses it; whether it opened.
fn survives(file: Vec<u8>) -> bool {
    let Ok(database) = Database::from_bytes("hostile.mmdb", file) else { return false };
    let databases = [database];
    let atlas = Atlas::compile(&databases, &[]);
    let v4 = atlas.v4().starts().iter().take(200).map(|bits| Ipv4Addr::from_bits(*bits).into());
    let v6 = atlas.v6().starts().iter().take(200).map(|bits| Ipv6Addr::from_bits(*bits).into());
    for address in v4.chain(v6).collect::<Vec<IpAddr>>() {
        let said = provenance(&databases, &[], address).location;
        assert_eq!(&said, atlas.location(atlas.locate(address)), "{address}");
    }
    true
}

#[test]
fn every_damaged_file_is_refused() {
    let files = databases(&data().join("bad-data"));
    assert_eq!(files.len(), 21);
    for path in files {
        let error = Database::open(&path).expect_err(&path.display().to_string()).to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.len() < 1200 && !error.contains(char::is_control), "{error}");
    }
}

#[test]
fn every_file_made_to_exhaust_a_reader_is_refused() {
    for path in databases(&data().join("test-data")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("MaxMind-DB-") || name.contains("Invalid") {
            Database::open(&path).expect_err(name);
        }
    }
}

#[test]
fn records_that_cannot_be_read_leave_the_others_standing() {
    let path = data().join("test-data/GeoIP2-City-Test-Broken-Double-Format.mmdb");
    let database = Database::open(path).unwrap();
    let info = database.info();
    assert!(info.unreadable > 0 && info.first_error.is_some());
    assert!(info.coverage.country > 0);
}

#[test]
fn a_file_with_any_octet_changed_does_no_harm() {
    let small = Writer::new(6, 28)
        .insert(
            "192.0.2.0/24",
            json!({"country": {"iso_code": "DE"}, "location": {"latitude": 1.5}}),
        )
        .insert(
            "2001:db8::/32",
            json!({"country_code": "JP", "subdivisions": [{"iso_code": "13"}]}),
        )
        .alias("2002::/16")
        .finish();
    let mut opened = 0;
    for at in 0..small.len() {
        for change in [0x00, 0xff, small[at] ^ 0x80, small[at] ^ 0x20, small[at].wrapping_add(1)] {
            let mut file = small.clone();
            file[at] = change;
            opened += usize::from(survives(file));
        }
    }
    assert!(opened > small.len(), "most changes hit the tree: {opened}");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = Writer::new(4, 32).insert("192.0.2.0/24", json!("DE")).finish();
    assert!(survives(whole.clone()));
    for length in 0..whole.len() {
        assert!(!survives(whole[..length].to_vec()), "{length} of {}", whole.len());
    }
}

/// A tree of 24-bit records over one record of data.
fn by_hand(nodes: &[(usize, usize)], data: &[u8]) -> Vec<u8> {
    let template = Writer::new(6, 24).insert("::/1", json!("DE")).finish();
    let metadata = template.windows(11).position(|octets| octets == b"MaxMind.com").unwrap() - 3;
    let count = b"node_count";
    let mut file: Vec<u8> = nodes
        .iter()
        .flat_map(|(left, right)| [*left, *right])
        .flat_map(|record| (record as u32).to_be_bytes()[1..].to_vec())
        .collect();
    file.extend([0; 16]);
    file.extend(data);
    let metadata = &template[metadata..];
    let after_key =
        metadata.windows(count.len()).position(|octets| octets == count).unwrap() + count.len();
    // The template's count is a single octet, "type 6, size 1".
    assert_eq!(metadata[after_key], 0xc1);
    file.extend(&metadata[..after_key]);
    file.push(0xc4);
    file.extend((nodes.len() as u32).to_be_bytes());
    file.extend(&metadata[after_key + 2..]);
    file
}

#[test]
fn a_tree_that_doubles_at_each_level_is_refused() {
    let count = 128;
    let leaf = count + 16;
    let mut nodes: Vec<(usize, usize)> = (1..count).map(|next| (next, next)).collect();
    nodes.push((leaf, leaf));
    let error = Database::from_bytes("x", by_hand(&nodes, b"\x42DE")).unwrap_err().to_string();
    assert!(error.contains("over and over"), "{error}");
}

#[test]
fn a_loop_in_the_tree_gives_no_location_where_it_leads() {
    // ::/2 leads to data, 4000::/2 and 8000::/1 lead back.
    let nodes = [(1, 1), (2 + 16, 1)];
    let database = Database::from_bytes("x", by_hand(&nodes, b"\x42DE")).unwrap();
    assert!(database.lookup("1::1".parse().unwrap()).is_some());
    assert!(database.lookup("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()).is_none());
}

#[test]
fn records_that_share_their_parts_do_not_cost_more_than_the_file_is_worth() {
    // A list of 285 truths, then 10,001 lists of 28 pointers to it: 60 octets that cost 8,000.
    let mut data = vec![0x1e, 0x04, 0, 0];
    data.extend([0x00, 0x07].repeat(285));
    let (first, size) = (data.len(), 58);
    let count = 10_000;
    for _ in 0..=count {
        data.extend([0x1c, 0x04]);
        data.extend([0x20, 0x00].repeat(28));
    }
    let record = |place: usize| match place {
        node if node < count => node,
        leaf => count + 16 + first + (leaf - count) * size,
    };
    let nodes: Vec<(usize, usize)> =
        (0..count).map(|node| (record(node * 2 + 1), record(node * 2 + 2))).collect();
    let error = Database::from_bytes("x", by_hand(&nodes, &data)).unwrap_err().to_string();
    assert!(error.contains("over and over"), "{error}");
}
