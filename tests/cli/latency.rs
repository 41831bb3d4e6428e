//! `meridian latency merge`: beacons go in, a table comes out that a policy takes.

use crate::support::program::{CONFIG, Files};

const SERVER: &str = r#"
[server]
zones = ["example.com.zone"]
policies = ["p.toml"]
[geoip]
databases = []
[geoip.networks]
"10.1.0.0/16" = { country = "DE", latitude = 50.1, longitude = 8.7 }
"#;

const POLICIES: &str = r#"
[pool.us]
location = "aws:us-east-1"
members = ["192.0.2.1"]
[pool.eu]
location = "aws:eu-central-1"
members = ["192.0.2.2"]
[policy.fast]
kind = "latency"
targets = ["us", "eu"]
table = "latency.csv"
[record."www.example.com"]
use = "fast"
"#;

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n";

fn files(table: &str) -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/p.toml", POLICIES)
        .with("config/example.com.zone", ZONE)
        .with("config/latency.csv", table)
}

#[test]
fn what_clients_measured_decides_where_they_go() {
    let mut log = String::from("client,pool,ms\n");
    for client in 1..=30 {
        log += &format!("10.1.0.{client},us,20\n");
        log += &format!(
            "{{\"client\":\"10.1.0.{client}\",\"pool\":\"eu\",\"ms\":90,\"page\":\"/\"}}\n"
        );
    }
    log += "10.1.0.1,nowhere,1\nnonsense\n";
    let files = files("match,pool,ms,samples\ncountry:DE,eu,10,2\n").with("beacons.log", log);
    let explain = ["explain", "www.example.com", "--client", "10.1.2.3"];
    let before = files.run(&explain);
    assert!(before.stdout.contains("192.0.2.2"), "{before:?}");

    let merged = files.run(&["latency", "merge", "beacons.log", "--table", "config/latency.csv"]);
    assert_eq!(
        merged.stdout,
        "match,pool,ms,samples\ncountry:DE,eu,87.4,31\ncountry:DE,us,20.0,30\n"
    );
    let told = "60 measurements taken, 1 to pools that the configuration does not have, \
                1 lines not read (the first: beacons.log:63: neither client,pool,ms nor a JSON \
                object); 2 rows from them\n";
    assert_eq!((merged.code, merged.stderr.as_str()), (0, told));

    let files = files.with("config/latency.csv", merged.stdout);
    let after = files.run(&explain);
    assert!(after.stdout.contains("192.0.2.1"), "{after:?}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let files = files("match,pool,ms\ncountry:DE,eu,10\n");
    let missing = files.run(&["latency", "merge", "none.log"]);
    assert!(missing.code == 2 && missing.stderr.contains("none.log"), "{missing:?}");
    let log = files.with("b.log", "");
    let table = log.run(&["latency", "merge", "b.log", "--table", "config/latency.csv"]);
    assert!(table.code == 2 && table.stderr.contains("line 1"), "{table:?}");
}
