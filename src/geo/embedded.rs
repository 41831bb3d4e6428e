//! The default database, inside the program.

use super::database::Database;

/// The database of `geoip/dbip-region.mmdb`, which `build.rs` compresses into the program: country
/// for every network, state or province for the largest countries.
pub fn embedded() -> Database {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/dbip-region.mmdb.gz"));
    let database = Database::from_bytes("embedded dbip-region.mmdb", packed.to_vec());
    database.expect("a test opens this very file")
}
