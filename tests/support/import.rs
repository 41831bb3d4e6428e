//! Importing files of other systems, and asking what came of it.

use std::fs;
use std::path::{Path, PathBuf};

use hickory_proto::op::ResponseCode;
use serde_json::json;

use super::dns::Ask;
use super::mmdb;
use super::program::{CONFIG, Files, Output};

/// A client, and all data that may come, sorted.
pub type Expected<'a> = (&'a str, &'a [&'a str]);

/// Where clients are in these tests.
pub const US: &str = "20.1.2.0/24";
pub const CALIFORNIA: &str = "21.1.2.0/24";
pub const GB: &str = "81.2.69.0/24";
pub const JP: &str = "133.11.0.0/24";
pub const OFFICE: &str = "203.0.113.0/24";

pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(path)
}

/// A directory with a GeoIP database and copies of files of `tests/data/import`, as `source/…`.
pub fn files(names: &[&str]) -> Files {
    let database = mmdb::Writer::new(6, 28)
        .insert("20.0.0.0/8", json!({"country_code": "US", "latitude": 39.0, "longitude": -77.5}))
        .insert(
            "21.0.0.0/8",
            json!({"country_code": "US", "subdivisions": [{"iso_code": "CA"}],
                   "latitude": 37.3, "longitude": -121.9}),
        )
        .insert("81.0.0.0/8", json!({"country_code": "GB", "latitude": 51.5, "longitude": -0.1}))
        .insert("133.0.0.0/8", json!({"country_code": "JP", "latitude": 35.7, "longitude": 139.7}))
        .finish();
    let files = Files::new().with("geoip/small.mmdb", database);
    for name in names {
        let file = Path::new(name).file_name().unwrap().to_str().unwrap();
        files.write(&format!("source/{file}"), fs::read(data(name)).unwrap());
    }
    files
}

/// Imports `source/` to where the program looks for its configuration.
pub fn import(files: &Files, system: &str, options: &[&str]) -> Output {
    let mut arguments = vec!["import", system, "source", "--out", "config"];
    arguments.extend(["--database", "geoip/small.mmdb"]);
    arguments.extend(options);
    let output = files.run(&arguments);
    assert!(output.code < 2 && output.stderr.is_empty(), "{output:?}");
    let check = files.run(&["check"]);
    assert!(check.code < 2, "{}\n{}", read(files, "policies/imported.toml"), check.stderr);
    output
}

pub fn read(files: &Files, path: &str) -> String {
    fs::read_to_string(files.path("config").join(path)).unwrap()
}

pub fn report_has(files: &Files, parts: &[&str]) {
    let report = read(files, "report.md");
    for part in parts {
        assert!(report.contains(part), "{part:?} is not in:\n{report}");
    }
}

/// Serves what was imported, and asks for clients: who, what, and all that may come, sorted.
///
/// Without monitors: the addresses are somebody's, and nobody is to be asked. And without the
/// admin listener: its port is the default one, for one server alone.
pub fn serves(files: &Files, name: &str, expected: &[Expected<'_>]) {
    let policies = read(files, "policies/imported.toml");
    let unchecked: Vec<&str> =
        policies.lines().filter(|line| !line.starts_with("monitor = ")).collect();
    fs::write(files.path("config/policies/imported.toml"), unchecked.join("\n")).unwrap();
    let main = read(files, "meridian.toml");
    files.write(CONFIG, &main);
    let server = files.serve();
    for (client, answers) in expected {
        let told = Ask::new(name, "A").from(client).udp(server.address());
        assert_eq!(told.rcode(), ResponseCode::NoError, "{client}");
        assert_eq!(told.set(), *answers, "{name} for {client}");
    }
    fs::write(files.path("config/policies/imported.toml"), policies).unwrap();
    fs::write(files.path(CONFIG), main).unwrap();
}

/// Judges cases with the imported configuration: monitors are there, and nobody is asked.
pub fn holds(files: &Files, cases: &str) {
    files.write("cases.toml", cases);
    let output = files.run(&["test", "cases.toml"]);
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
}
