//! Every seed of the fuzz targets goes through its target, on any toolchain; what a fuzzer once
//! found stands among them.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a folder, and of the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Runs all that stands in some folders of the repository, and all its beginnings of a few
/// lengths.
fn replay(run: fn(&[u8]), folders: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in folders {
        let files = files(&root.join(folder));
        assert!(!files.is_empty(), "{folder} has no seeds");
        for file in files {
            let seed = fs::read(&file).unwrap();
            for end in [seed.len(), seed.len() / 2, seed.len().saturating_sub(1)] {
                run(&seed[..end]);
            }
        }
    }
}

#[test]
fn messages() {
    replay(targets::message::run, &["fuzz/seeds/message"]);
}

#[test]
fn names() {
    replay(targets::name::run, &["fuzz/seeds/name"]);
}

#[test]
fn options() {
    replay(targets::options::run, &["fuzz/seeds/options"]);
}

#[test]
fn zone_files() {
    replay(targets::zone_file::run, &["fuzz/seeds/zone_file", "tests/zones"]);
}

#[test]
fn toml_files() {
    replay(targets::toml::run, &["fuzz/seeds/toml"]);
}

#[test]
fn databases() {
    replay(targets::mmdb::run, &["tests/data/geoip"]);
}

#[test]
fn cookies() {
    replay(targets::cookie::run, &["fuzz/seeds/cookie"]);
}

#[test]
fn signatures() {
    replay(targets::tsig::run, &["fuzz/seeds/tsig"]);
}

#[test]
fn doh_requests() {
    replay(targets::doh_request::run, &["fuzz/seeds/doh_request"]);
}

#[test]
fn query_logs() {
    replay(targets::query_log::run, &["fuzz/seeds/query_log"]);
}
