//! The dashboard's files, and the map's numbers, from a real server. `tests/dashboard/run` looks at
//! the page in a browser.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::support::control::http_address;
use crate::support::http;
use crate::support::program::{Files, Serving};

const POLICIES: &str = r#"
[pool.west]
location = "aws:us-west-2"
members = ["192.0.2.10"]
[pool.east]
location = "aws:us-east-1"
members = ["198.51.100.10"]
[pool.eu]
location = "aws:eu-west-1"
members = ["203.0.113.10"]
[policy.near]
kind = "nearest"
targets = ["west", "east", "eu"]
[policy.pair]
kind = "failover"
targets = ["west", "east"]
[record."near.example.com"]
use = "near"
[record."pair.example.com"]
use = "pair"
"#;

fn serve(files: &Files) -> (Serving, SocketAddr) {
    let serving = files.serve();
    let address = http_address(&serving);
    (serving, address)
}

fn files() -> Files {
    let server = format!(
        "[server]\nzones = [\"../zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\
         state = \"../state\"\n[geoip]\ndatabases = [\"{}/geoip/dbip-region.mmdb\"]\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n",
        env!("CARGO_MANIFEST_DIR")
    );
    Files::of(server, POLICIES)
}

fn world(address: SocketAddr, name: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let reply = http::ask(address, "GET", &format!("/v1/world?name={name}"), "", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let world: Value = serde_json::from_str(&reply.body).unwrap();
    serde_json::from_value(world["countries"].clone()).unwrap()
}

#[test]
fn a_browser_gets_all_of_the_page_and_loads_nothing_from_elsewhere() {
    let (_serving, address) = serve(&files());
    for (path, kind) in [
        ("/", "text/html"),
        ("/dashboard.css", "text/css"),
        ("/dashboard.js", "text/javascript"),
        ("/world.json", "application/json"),
    ] {
        let reply = http::ask(address, "GET", path, "", "");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.head.contains(&format!("content-type: {kind}")), "{}", reply.head);
        assert!(reply.head.contains("content-security-policy: default-src 'none'"), "{path}");
        // The name space of SVG is a name; nothing is loaded from it.
        let body = reply.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!body.contains("http://") && !body.contains("https://"), "{path}");
    }
    let page = http::ask(address, "GET", "/", "", "").body;
    assert!(page.contains("src=\"dashboard.js\"") && page.contains("href=\"dashboard.css\""));
}

#[test]
fn the_map_shows_for_each_country_what_simulate_says() {
    let files = files();
    let (_serving, address) = serve(&files);
    let shown = world(address, "near.example.com");
    let simulated = files.run(&["simulate", "near.example.com", "--countries", "--json"]);
    assert_eq!(simulated.code, 0, "{simulated:?}");
    let simulated: Value = serde_json::from_str(&simulated.stdout).unwrap();
    let countries = simulated["targets"][0]["countries"].as_array().unwrap();
    assert!(countries.len() > 200);
    for country in countries {
        let code = country["place"].as_str().unwrap().split(' ').next().unwrap();
        for share in country["shares"].as_array().unwrap() {
            let (pool, share) = (share[0].as_str().unwrap(), share[1].as_f64().unwrap());
            let ours = shown[code][pool];
            assert!((ours - share).abs() < 1e-9, "{code} {pool}: {ours}, not {share}");
        }
    }
    // Both coasts.
    assert!(shown["US"]["west"] > 0.1 && shown["US"]["east"] > 0.1, "{:?}", shown["US"]);
}

#[test]
fn the_map_follows_what_operators_say() {
    let files = files();
    let (_serving, address) = serve(&files);
    let all_in = |pool: &str| {
        let world = world(address, "pair.example.com");
        world["DE"] == BTreeMap::from([(pool.to_owned(), 1.0)])
    };
    assert!(all_in("west"));
    assert_eq!(files.run(&["ctl", "drain", "west"]).code, 0);
    assert!(all_in("east"));
    assert_eq!(files.run(&["ctl", "force", "west", "down"]).code, 0);
    assert_eq!(files.run(&["ctl", "force", "east", "down", "--force"]).code, 0);
    assert!(all_in("(all down)"));
    let unknown = http::ask(address, "GET", "/v1/world?name=www.example.com", "", "");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("no policy steers `www.example.com.`"), "{}", unknown.body);
    let none = http::ask(address, "GET", "/v1/world?name=a..b", "", "");
    assert_eq!(none.status, 400);
}
