//! Compresses the default GeoIP database for embedding (`geo::embedded`).

use std::path::Path;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

const DATABASE: &str = "geoip/dbip-region.mmdb";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={DATABASE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let packed = fs::File::create(Path::new(&out).join("dbip-region.mmdb.gz"))?;
    let mut packed = GzEncoder::new(packed, Compression::default());
    io::copy(&mut fs::File::open(DATABASE)?, &mut packed)?;
    packed.finish().map(drop)
}
