//! Route 53's health checks as monitors.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::cli::import::draft::{Data, Draft, Member, Monitor, absolute};
use crate::cli::import::node::{Fields, Node};

/// A health check that became a monitor.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) monitor: String,
    /// The address that it asks, whatever the record says.
    address: Option<IpAddr>,
    /// The name that it asks, with the last dot, when it has no address.
    host: Option<String>,
    port: u16,
    place: String,
}

/// All health checks by their key: the id, or the address of the resource.
pub(super) type Checks = BTreeMap<String, Check>;

/// The words of one notation.
pub(super) struct Words(pub(super) [&'static str; 13]);

/// Terraform's.
pub(super) const TERRAFORM: Words = Words([
    "type",
    "ip_address",
    "port",
    "resource_path",
    "fqdn",
    "search_string",
    "request_interval",
    "failure_threshold",
    "disabled",
    "invert_healthcheck",
    "enable_sni",
    "regions",
    "measure_latency",
]);

/// The API's.
pub(super) const API: Words = Words([
    "Type",
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "RequestInterval",
    "FailureThreshold",
    "Disabled",
    "Inverted",
    "EnableSNI",
    "Regions",
    "MeasureLatency",
]);

/// Adds the monitor of a health check; `None` when there can be none, which is noted.
pub(super) fn add(
    config: &Node,
    words: &Words,
    name: &str,
    place: &str,
    draft: &mut Draft,
) -> Option<Check> {
    let Words(
        [
            kind,
            address,
            port,
            path,
            fqdn,
            search,
            interval,
            fall,
            disabled,
            inverted,
            sni,
            regions,
            latency,
        ],
    ) = *words;
    let fields = Fields::new(config);
    let kind = fields.text(kind).unwrap_or_default();
    let (ours, default_port) = match kind.as_str() {
        "HTTP" | "HTTP_STR_MATCH" => ("http", 80.0),
        "HTTPS" | "HTTPS_STR_MATCH" => ("https", 443.0),
        "TCP" => ("tcp", 0.0),
        _ => {
            let why = "only checks that ask a server can be taken over; its records count as up, \
                       always. A `push` or `exec` monitor may do what it did";
            draft.left(place, format!("a health check of type {kind}"), why);
            return None;
        }
    };
    if fields.is_true(disabled) {
        draft.exact(place, "a disabled health check: its records are without monitor");
        return None;
    }
    if fields.is_true(inverted) {
        let why = "a monitor cannot mean the opposite; its records count as up, always";
        draft.left(place, "an inverted health check", why);
        return None;
    }
    let port = fields.number(port).unwrap_or(default_port) as u16;
    let interval = fields.number(interval).unwrap_or(30.0);
    let threshold = fields.number(fall).unwrap_or(3.0) as i64;
    let mut keys: Vec<(&'static str, toml::Value)> =
        vec![("kind", ours.into()), ("port", i64::from(port).into())];
    let host = fields.text(fqdn);
    let path = fields.text(path);
    let search = fields.text(search);
    fields.skip(&[latency, "reference_name", "tags", "tags_all", "triggers", "HealthThreshold"]);
    if ours != "tcp" {
        let path = path.unwrap_or_default();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        keys.push(("path", path.into()));
        if let Some(host) = &host {
            keys.push(("host", host.trim_end_matches('.').into()));
        }
        let mut expect = toml::Table::new();
        // What Route 53 takes for healthy.
        expect.insert("status".to_owned(), toml::Value::Array(vec!["200-399".into()]));
        if let Some(search) = search {
            expect.insert("body".to_owned(), search.into());
        }
        keys.push(("expect", expect.into()));
        if ours == "https" {
            // Route 53 does not look at certificates.
            keys.push(("verify_tls", false.into()));
            if fields.take(sni).is_some_and(|node| !node.is_true()) {
                draft.about(place, "SNI switched off", "SNI is always sent");
            }
        }
    }
    let timeout = if ours == "tcp" { 10.0_f64 } else { 6.0 };
    keys.push(("interval", seconds(interval).into()));
    keys.push(("timeout", seconds(timeout.min(interval)).into()));
    keys.push(("fall", threshold.into()));
    keys.push(("rise", threshold.into()));
    let address = fields.text(address).and_then(|text| text.parse().ok());
    if let Some(regions) = fields.take(regions).filter(|node| !node.items().is_empty()) {
        let how = "this server asks itself, from where it stands";
        draft.about(place, format!("checked from {}", regions.shown()), how);
    }
    let monitor = draft.monitor_name(name);
    fields.finish("health check", |_| "", draft);
    let how = format!(
        "one server asks every {interval} s, where Route 53's checkers ask from many places and \
         18 % of them decide"
    );
    draft.about(place, format!("health check `{name}`: monitor `{monitor}`"), &how);
    draft.monitors.push(Monitor { name: monitor.clone(), place: place.to_owned(), keys });
    let host = host.map(|host| absolute(&host));
    Some(Check { monitor, address, host, port, place: place.to_owned() })
}

impl Check {
    /// Sees to it that a member is asked as the check asks.
    pub(super) fn watch(&self, member: &mut Member, draft: &mut Draft) {
        match (self.address, &self.host, &member.data) {
            (_, _, Data::Rdata(_)) => {}
            (Some(address), _, Data::Address(own)) if address == *own => {}
            (Some(address), ..) => member.check = Some(SocketAddr::new(address, self.port)),
            (None, Some(host), Data::Cname(own)) if host == own => {}
            (None, Some(host), own) => {
                let own = match own {
                    Data::Address(address) => address.to_string(),
                    Data::Cname(name) | Data::Rdata(name) => name.clone(),
                };
                let how = format!("`{own}` itself is asked, with `{host}` as the host");
                draft.about(&self.place, format!("a check that asks `{host}`"), &how);
            }
            (None, None, _) => {}
        }
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds}s")
}
