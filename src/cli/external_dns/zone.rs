//! A zone of endpoints: what ExternalDNS wants to be told, as a zone file.
//!
//! Knows the endpoints of ExternalDNS and how they are written down; nothing of who asks for them
//! and where they are kept.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::wire::Name;
use crate::zone::check;
use crate::zone::master;

/// Records of one name and type, in the words of ExternalDNS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) dns_name: String,
    #[serde(default)]
    targets: Vec<String>,
    record_type: String,
    /// Which of several answers of a policy it is, for systems whose policies are records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) set_identifier: String,
    /// Seconds; 0 where nobody cares.
    #[serde(default, rename = "recordTTL", skip_serializing_if = "is_zero")]
    ttl: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    provider_specific: Vec<serde_json::Value>,
}

fn is_zero(ttl: &u32) -> bool {
    *ttl == 0
}

/// What is to become of a zone. Versions of ExternalDNS differ in their capital letters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changes {
    #[serde(default, alias = "Create")]
    create: Option<Vec<Endpoint>>,
    #[serde(default, alias = "UpdateOld")]
    update_old: Option<Vec<Endpoint>>,
    #[serde(default, alias = "UpdateNew")]
    update_new: Option<Vec<Endpoint>>,
    #[serde(default, alias = "Delete")]
    delete: Option<Vec<Endpoint>>,
}

impl Endpoint {
    fn key(&self) -> (String, &str) {
        (self.dns_name.trim_end_matches('.').to_lowercase(), &self.record_type)
    }

    /// One line for each target.
    fn write(&self, ttl: u32, zone: &Name, out: &mut String) -> Result<usize, String> {
        let named = |why: &dyn std::fmt::Display| format!("{}: {why}", self.dns_name);
        let owner: Name = self.dns_name.parse().map_err(|error| named(&error))?;
        if !owner.is_within(zone) {
            return Err(named(&format_args!("it is not in the zone {zone}")));
        }
        let ttl = if self.ttl == 0 { ttl } else { self.ttl };
        for target in &self.targets {
            if target.contains(char::is_control) {
                return Err(named(&"a target has control characters"));
            }
            let data = data(&self.record_type, target);
            let _ = writeln!(out, "{owner} {ttl} IN {} {data}", self.record_type);
        }
        Ok(self.targets.len())
    }
}

/// What a target is in a zone file: host names are complete in ExternalDNS, without a last dot.
fn data(rtype: &str, target: &str) -> String {
    match rtype {
        "CNAME" | "MX" | "NS" | "PTR" | "SRV" if !target.ends_with('.') => format!("{target}."),
        "TXT" if !target.starts_with('"') => {
            format!("\"{}\"", target.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => target.to_owned(),
    }
}

/// What a zone has beside its endpoints.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) zone: Name,
    pub(super) name_servers: Vec<Name>,
    /// Seconds, of records for which nobody says.
    pub(super) ttl: u32,
}

impl Frame {
    /// The zone file, once it is known that it can be served.
    ///
    /// # Errors
    ///
    /// What is wrong with an endpoint, or with all of them together.
    pub(super) fn file(&self, endpoints: &[Endpoint], serial: u32) -> Result<String, String> {
        let Frame { zone, name_servers, ttl } = self;
        let first = name_servers.first().unwrap_or(zone);
        let mut text = format!(
            "; Written by `meridian external-dns`, which does not read it: changes are lost.\n\
             {zone} {ttl} IN SOA {first} hostmaster.{zone} {serial} 7200 900 1209600 60\n"
        );
        for server in name_servers {
            let _ = writeln!(text, "{zone} {ttl} IN NS {server}");
        }
        let mut count = 1 + name_servers.len();
        for endpoint in endpoints {
            count += endpoint.write(*ttl, zone, &mut text)?;
        }
        let parsed = master::parse_text(text.as_bytes(), Path::new("zone file"), zone.clone());
        let file = parsed.map_err(|errors| told(&text, &errors[0]))?;
        // Parentheses could make one record of several targets.
        if file.records.len() != count {
            return Err("a target is not the data of one record".to_owned());
        }
        match check::check(zone, file.records, &HashSet::new()).errors.first() {
            Some(error) => Err(error.mistake.to_string()),
            None => Ok(text),
        }
    }
}

/// The line that is wrong, and why.
fn told(text: &str, error: &master::ParseError) -> String {
    let line = text.lines().nth(error.site.line.saturating_sub(1) as usize).unwrap_or_default();
    format!("`{line}`: {}", error.problem)
}

/// The endpoints after some changes.
pub(super) fn changed(endpoints: &[Endpoint], changes: Changes) -> Vec<Endpoint> {
    let Changes { create, update_old, update_new, delete } = changes;
    let gone = [delete, update_old].into_iter().flatten().flatten();
    let new: Vec<Endpoint> = [create, update_new].into_iter().flatten().flatten().collect();
    let gone: Vec<Endpoint> = gone.collect();
    let is_gone =
        |known: &&Endpoint| gone.iter().chain(&new).any(|endpoint| endpoint.key() == known.key());
    let kept = endpoints.iter().filter(|known| !is_gone(known)).cloned();
    let mut endpoints: Vec<Endpoint> = kept.collect();
    endpoints.extend(new);
    endpoints.sort_by(|a, b| a.key().cmp(&b.key()));
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            zone: "apps.example.com".parse().unwrap(),
            name_servers: vec!["ns1.example.net".parse().unwrap()],
            ttl: 300,
        }
    }

    fn endpoint(name: &str, rtype: &str, targets: &[&str]) -> Endpoint {
        let json = serde_json::json!({ "dnsName": name, "recordType": rtype, "targets": targets });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn endpoints_become_records() {
        let endpoints = [
            endpoint("shop.apps.example.com", "A", &["192.0.2.1", "192.0.2.2"]),
            endpoint("*.apps.example.com", "CNAME", &["lb.example.net"]),
            endpoint("shop.apps.example.com", "TXT", &["\"heritage=external-dns\"", "a \"b\""]),
            endpoint("apps.example.com", "MX", &["10 mail.example.net"]),
        ];
        let file = frame().file(&endpoints, 7).unwrap();
        let lines: Vec<&str> = file.lines().skip(1).collect();
        let wanted = [
            "apps.example.com. 300 IN SOA ns1.example.net. hostmaster.apps.example.com. 7 7200 900 \
             1209600 60",
            "apps.example.com. 300 IN NS ns1.example.net.",
            "shop.apps.example.com. 300 IN A 192.0.2.1",
            "shop.apps.example.com. 300 IN A 192.0.2.2",
            "*.apps.example.com. 300 IN CNAME lb.example.net.",
            "shop.apps.example.com. 300 IN TXT \"heritage=external-dns\"",
            "shop.apps.example.com. 300 IN TXT \"a \\\"b\\\"\"",
            "apps.example.com. 300 IN MX 10 mail.example.net.",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let refused = |endpoint: Endpoint, why: &str| {
            let error = frame().file(&[endpoint], 1).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(endpoint("shop.example.com", "A", &["192.0.2.1"]), "not in the zone");
        refused(
            endpoint("shop.apps.example.com", "A", &["lb.example.net"]),
            "IN A lb.example.net`",
        );
        refused(endpoint("a.apps.example.com", "A", &["192.0.2.1\nb A 192.0.2.2"]), "control");
        refused(endpoint("a.apps.example.com", "A", &["192.0.2.1 ("]), "IN A 192.0.2.1 (`");
        refused(endpoint("apps.example.com", "CNAME", &["lb.example.net"]), "CNAME");
    }

    #[test]
    fn changes_go_by_name_and_type() {
        let old = [endpoint("a.apps.example.com", "A", &["192.0.2.1"])];
        let changes = serde_json::json!({
            "create": [{ "dnsName": "b.apps.example.com", "recordType": "A", "targets": ["192.0.2.9"] }],
            "UpdateOld": [{ "dnsName": "A.apps.example.com", "recordType": "A" }],
            "UpdateNew": [{ "dnsName": "a.apps.example.com", "recordType": "A", "targets": ["192.0.2.2"] }],
            "delete": null,
        });
        let new = changed(&old, serde_json::from_value(changes).unwrap());
        assert_eq!(
            new,
            [
                endpoint("a.apps.example.com", "A", &["192.0.2.2"]),
                endpoint("b.apps.example.com", "A", &["192.0.2.9"]),
            ]
        );
        let gone = serde_json::json!({ "delete": [new[0], new[1]] });
        assert_eq!(changed(&new, serde_json::from_value(gone).unwrap()), []);
    }
}
