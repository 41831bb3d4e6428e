//! `/metrics` of real servers.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;

use meridian::steering::way::Reason;

use crate::support::control::{http, http_address};
use crate::support::dns::Ask;
use crate::support::program::{CONFIG, Files, SERVER, Serving, until};

const POLICIES: &str = r#"
[pool.eu-west]
members = ["192.0.2.10"]
[record."www.example.com"]
use = "eu-west"
"#;

fn files() -> Files {
    Files::of(format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n"), POLICIES)
}

fn scrape(serving: &Serving) -> String {
    http(http_address(serving), "GET", "/metrics", "", "").1
}

/// The value of a sample, 0 when there is none.
fn value(text: &str, sample: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// The metric that a sample is of: a histogram has several.
fn metric(sample: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.iter().find_map(|part| sample.strip_suffix(part)).unwrap_or(sample)
}

#[test]
fn the_metrics_are_those_of_the_page() {
    let files = files();
    let serving = files.serve();
    let text = scrape(&serving);
    let scraped: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let page = fs::read_to_string("docs/metrics.md").unwrap();
    let written: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .filter(|word| word.starts_with("meridian_"))
        .collect();
    assert_eq!(scraped, written);
    for reason in Reason::ALL {
        let row = format!("| `{}` | ", reason.as_str());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn alerts_and_the_dashboard_name_metrics_that_exist_and_each_alert_is_explained() {
    let page = fs::read_to_string("docs/metrics.md").unwrap();
    let known: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect();
    let alerts = fs::read_to_string("packaging/prometheus/alerts.yml").unwrap();
    let dashboard = fs::read_to_string("packaging/grafana/meridian.json").unwrap();
    for (file, text) in [("alerts", &alerts), ("dashboard", &dashboard)] {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c| !is_part(c));
        let named: BTreeSet<&str> =
            words.filter(|word| word.starts_with("meridian_")).map(metric).collect();
        assert!(named.len() > 10, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?} are no metrics");
    }
    let explained = fs::read_to_string("docs/alerts.md").unwrap();
    let headings: BTreeSet<&str> =
        explained.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let names: BTreeSet<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names, headings);
    for name in names {
        let runbook = format!("runbook: docs/alerts.md#{}\n", name.to_lowercase());
        assert!(alerts.contains(&runbook), "{name} has no {runbook}");
    }
}

#[test]
fn queries_are_counted_by_transport_type_and_code() {
    let files = files();
    let serving = files.serve();
    let address = serving.address();
    for _ in 0..3 {
        Ask::new("www.example.com", "A").udp(address);
    }
    Ask::new("nothing.example.com", "AAAA").udp(address);
    Ask::new("www.example.org", "TXT").udp(address);
    Ask::new("www.example.com", "A").tcp(address);
    Ask::new("www.example.com", "TYPE4711").tcp(address);
    // A worker counts an answer before it is sent, so all are there.
    let text = scrape(&serving);
    for (sample, expected) in [
        ("meridian_queries_total{transport=\"udp\",type=\"A\"}", 3),
        ("meridian_queries_total{transport=\"udp\",type=\"AAAA\"}", 1),
        ("meridian_queries_total{transport=\"udp\",type=\"TXT\"}", 1),
        ("meridian_queries_total{transport=\"tcp\",type=\"A\"}", 1),
        ("meridian_queries_total{transport=\"tcp\",type=\"other\"}", 1),
        ("meridian_responses_total{transport=\"udp\",rcode=\"NOERROR\"}", 3),
        ("meridian_responses_total{transport=\"udp\",rcode=\"NXDOMAIN\"}", 1),
        ("meridian_responses_total{transport=\"udp\",rcode=\"REFUSED\"}", 1),
        ("meridian_responses_total{transport=\"tcp\",rcode=\"NOERROR\"}", 2),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample} in\n{text}");
    }
    let names: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "no sample stands there twice:\n{text}");
}

#[test]
fn open_connections_are_counted_as_long_as_they_are_open() {
    let files = files();
    let serving = files.serve();
    let open = || value(&scrape(&serving), "meridian_connections{transport=\"tcp\"}");
    let connections = [(); 3].map(|()| TcpStream::connect(serving.address()).unwrap());
    until("three are open", || open() == 3);
    drop(connections);
    until("none is open", || open() == 0);
}

#[test]
fn pools_in_maintenance_and_pools_that_a_safety_rule_holds_are_seen() {
    let policies = r#"
[pool.eu-west]
members = ["192.0.2.10"]
[pool.us-east]
members = ["198.51.100.10"]
[policy.www]
kind = "failover"
targets = ["eu-west", "us-east"]
[record."www.example.com"]
use = "www"
[[maintenance]]
pool  = "eu-west"
from  = 2020-01-01T00:00:00Z
until = 2099-01-01T00:00:00Z
"#;
    let files = files().with("config/policies/services.toml", policies);
    let of = |text: &str, metric: &str| {
        ["eu-west", "us-east"].map(|pool| value(text, &format!("{metric}{{pool=\"{pool}\"}}")))
    };
    let serving = files.serve();
    let text = scrape(&serving);
    assert_eq!(of(&text, "meridian_pool_maintenance"), [1, 0], "{text}");
    assert_eq!(of(&text, "meridian_pool_held"), [0, 0], "{text}");
    drop(serving);
    let safety = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n[safety]\nnever_below = 2\n");
    files.write(CONFIG, safety);
    let serving = files.serve();
    until("it is held", || of(&scrape(&serving), "meridian_pool_held") == [1, 0]);
    assert_eq!(of(&scrape(&serving), "meridian_pool_maintenance"), [1, 0]);
}
