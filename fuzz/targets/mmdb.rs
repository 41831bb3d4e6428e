//! Any octets as a GeoIP database in MaxMind's format.

use std::net::{Ipv4Addr, Ipv6Addr};

use meridian::geo::{Atlas, Database};

/// `data` is the file.
pub fn run(data: &[u8]) {
    match Database::from_bytes("fuzz.mmdb", data.to_vec()) {
        Ok(database) => {
            let atlas = Atlas::compile(&[database], &[]);
            let v4 = atlas.v4().starts().iter().take(16);
            let v6 = atlas.v6().starts().iter().take(16);
            for address in v4.map(|bits| Ipv4Addr::from_bits(*bits).into()) {
                drop(atlas.location(atlas.locate(address)).clone());
            }
            for address in v6.map(|bits| Ipv6Addr::from_bits(*bits).into()) {
                drop(atlas.location(atlas.locate(address)).clone());
            }
        }
        Err(error) => drop(error.to_string()),
    }
}
