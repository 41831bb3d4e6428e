//! Compresses the default GeoIP database for embedding (`geo::embedded`).

use std::path::Path;
use std::{env, fs, io};

const DATABASE: &str = "geoip/dbip-region.mmdb";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={DATABASE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    // The highest level saves another tenth, and takes many times as long.
    let packed = zstd::encode_all(fs::File::open(DATABASE)?, 9)?;
    fs::write(Path::new(&out).join("dbip-region.mmdb.zst"), packed)
}
