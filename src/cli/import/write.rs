//! A draft as files: the server's own file, the policies, and a zone file for each zone.

use std::fmt::Write;
use std::net::IpAddr;

use super::draft::{
    Data, Draft, Kind, Location, Member, Monitor, Policy, Pool, Record, Static, Zone,
};

/// Columns that a line of TOML may have before its list is broken up.
const WIDTH: usize = 100;

/// What the files need that no source knows.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// What was read: `Terraform files main.tf, dns.tf`.
    pub(super) source: String,
    /// GeoIP databases, as `meridian.toml` is to name them.
    pub(super) databases: &'a [String],
    /// Names of the servers that will answer for the zones.
    pub(super) name_servers: &'a [String],
}

/// The server's own file.
pub(super) fn server(around: &Surroundings<'_>) -> String {
    let mut out = format!("# Written by `meridian import` from {}.\n\n", around.source);
    out.push_str(
        "[server]\nzones = [\"zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\n[geoip]\n",
    );
    if around.databases.is_empty() {
        out.push_str(
            "# Where clients are: name a database here (geo, nearest and latency need one).\n",
        );
    }
    let databases = around.databases.iter().map(|path| text(path)).collect::<Vec<_>>();
    // Writing into a String does not fail, here and below.
    let _ = writeln!(out, "databases = [{}]", databases.join(", "));
    out
}

/// Monitors, pools, policies and records.
pub(super) fn policies(draft: &Draft, around: &Surroundings<'_>) -> String {
    let mut out = format!("# Written by `meridian import` from {}.\n", around.source);
    out.push_str("# What was taken over exactly, nearly or not at all stands in ../report.md.\n");
    for monitor in &draft.monitors {
        self::monitor(monitor, &mut out);
    }
    for pool in &draft.pools {
        self::pool(pool, &mut out);
    }
    for policy in &draft.policies {
        self::policy(policy, &mut out);
    }
    for record in &draft.records {
        self::record(record, &mut out);
    }
    out
}

/// A zone file.
pub(super) fn zone(zone: &Zone, around: &Surroundings<'_>) -> String {
    let mut out = format!("; Written by `meridian import` from {}.\n\n", around.source);
    let _ = writeln!(out, "$ORIGIN {}", zone.name);
    match &zone.text {
        Some(text) => out.push_str(text),
        None => head_of(zone, around, &mut out),
    }
    let mut records: Vec<&Static> = zone.records.iter().collect();
    let depth = |record: &Static| record.owner.trim_end_matches('.').split('.').count();
    records.sort_by(|a, b| (depth(a), a).cmp(&(depth(b), b)));
    records.dedup();
    if !records.is_empty() {
        out.push('\n');
    }
    for Static { owner, rtype, data, ttl } in records {
        let _ = writeln!(out, "{} {ttl} {rtype} {data}", relative(owner, &zone.name));
    }
    out
}

/// SOA, NS, and the address of this server where nobody named one.
fn head_of(zone: &Zone, around: &Surroundings<'_>, out: &mut String) {
    out.push_str("$TTL 3600\n\n");
    let servers: Vec<String> = if around.name_servers.is_empty() {
        vec![format!("ns1.{}", zone.name)]
    } else {
        around.name_servers.to_vec()
    };
    let soa = match &zone.soa {
        Some(data) => with_primary(data, &servers[0]),
        None => format!("{} hostmaster.{} 1 7200 900 1209600 300", servers[0], zone.name),
    };
    let _ = writeln!(out, "@ SOA {soa}");
    for server in &servers {
        let _ = writeln!(out, "@ NS {server}");
    }
    let own = format!("ns1.{}", zone.name);
    let has_own = zone.records.iter().any(|record| record.owner == own);
    if around.name_servers.is_empty() && !has_own {
        out.push_str("; The address of this server, as the world sees it, belongs here.\n");
        out.push_str("ns1 A 127.0.0.1\n");
    }
}

/// SOA data with another primary server: the old one will not answer any more.
fn with_primary(data: &str, primary: &str) -> String {
    let rest = data.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    format!("{primary} {}", rest.trim())
}

fn relative<'n>(owner: &'n str, zone: &str) -> &'n str {
    match owner.strip_suffix(zone) {
        Some("") => "@",
        Some(front) => front.strip_suffix('.').unwrap_or(owner),
        None => owner,
    }
}

fn head(group: &str, name: &str, place: &str, out: &mut String) {
    out.push('\n');
    if !place.is_empty() {
        let _ = writeln!(out, "# {}", place.replace(['\n', '\r'], " "));
    }
    let _ = match group {
        "record" => writeln!(out, "[record.{}]", text(name.trim_end_matches('.'))),
        _ => writeln!(out, "[{group}.{name}]"),
    };
}

fn monitor(monitor: &Monitor, out: &mut String) {
    head("monitor", &monitor.name, &monitor.place, out);
    for (key, value) in &monitor.keys {
        let _ = writeln!(out, "{key} = {}", inline(value));
    }
}

fn pool(pool: &Pool, out: &mut String) {
    head("pool", &pool.name, &pool.place, out);
    if let Some(monitor) = &pool.monitor {
        let _ = writeln!(out, "monitor = {}", text(monitor));
    }
    let _ = match &pool.location {
        Some(Location::Region(region)) => writeln!(out, "location = {}", text(region)),
        Some(Location::Point { latitude, longitude }) => {
            let (latitude, longitude) = (float(*latitude), float(*longitude));
            writeln!(out, "location = {{ latitude = {latitude}, longitude = {longitude} }}")
        }
        None => Ok(()),
    };
    list("members", pool.members.iter().map(member).collect(), out);
    if let Some(balance) = pool.balance {
        let _ = writeln!(out, "balance = {}", text(balance));
    }
    if let Some(answers) = pool.answers {
        let _ = writeln!(out, "answers = {answers}");
    }
    if let Some(needed) = pool.min_healthy {
        let _ = writeln!(out, "min_healthy = {needed}");
    }
    if let Some(state) = pool.state {
        let _ = writeln!(out, "state = {}", text(state));
    }
}

fn member(member: &Member) -> String {
    let (key, data) = match &member.data {
        Data::Address(address) => ("address", address.to_string()),
        Data::Cname(name) => ("cname", name.trim_end_matches('.').to_owned()),
        Data::Rdata(data) => ("rdata", data.clone()),
    };
    let mut more = String::new();
    if let Some(weight) = member.weight {
        let _ = write!(more, ", weight = {weight}");
    }
    match (member.check, member.port) {
        (Some(check), _) => {
            let _ = write!(more, ", check = {}", text(&check.to_string()));
        }
        (None, Some(port)) => {
            let _ = write!(more, ", port = {port}");
        }
        (None, None) => {}
    }
    match (key, more.as_str()) {
        ("address", "") => text(&data),
        (key, more) => format!("{{ {key} = {}{more} }}", text(&data)),
    }
}

fn policy(policy: &Policy, out: &mut String) {
    head("policy", &policy.name, &policy.place, out);
    let kind = match &policy.kind {
        Kind::Failover(_) => "failover",
        Kind::RoundRobin { .. } => "round-robin",
        Kind::Weighted { .. } => "weighted",
        Kind::Geo { .. } => "geo",
        Kind::Nearest(_) => "nearest",
        Kind::Latency(_) => "latency",
    };
    let _ = writeln!(out, "kind = \"{kind}\"");
    match &policy.kind {
        Kind::Failover(targets) | Kind::Latency(targets) => list("targets", texts(targets), out),
        Kind::RoundRobin { targets, answers } => {
            list("targets", texts(targets), out);
            let _ = writeln!(out, "answers = {answers}");
        }
        Kind::Weighted { targets, by_client } => {
            let target = |(to, weight): &(String, u32)| {
                format!("{{ to = {}, weight = {weight} }}", text(to))
            };
            list("targets", targets.iter().map(target).collect(), out);
            if *by_client {
                out.push_str("spread = \"client\"\n");
            }
        }
        Kind::Nearest(targets) => {
            let target = |(to, bias): &(String, i32)| match bias {
                0 => text(to),
                bias => format!("{{ to = {}, bias = {bias} }}", text(to)),
            };
            list("targets", targets.iter().map(target).collect(), out);
        }
        Kind::Geo { rules, default, on_down } => {
            let rule = |(places, to): &(Vec<String>, Vec<String>)| {
                format!(
                    "{{ match = {}, to = {} }}",
                    one_or_many(places, ""),
                    one_or_many(to, "none")
                )
            };
            list("rules", rules.iter().map(rule).collect(), out);
            let _ = writeln!(out, "default = {}", one_or_many(default, "none"));
            let _ = writeln!(out, "on_down = \"{on_down}\"");
        }
    }
}

fn record(record: &Record, out: &mut String) {
    head("record", &record.name, &record.place, out);
    let _ = writeln!(out, "use = {}\nttl = {}", text(&record.target), record.ttl);
    if !record.on_all_down.is_empty() {
        let addresses = record.on_all_down.iter().map(IpAddr::to_string).map(|a| text(&a));
        list("on_all_down", addresses.collect(), out);
    }
}

fn list(key: &str, items: Vec<String>, out: &mut String) {
    let line = format!("{key} = [{}]", items.join(", "));
    if line.len() <= WIDTH {
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "{key} = [");
    for item in items {
        let _ = writeln!(out, "  {item},");
    }
    out.push_str("]\n");
}

fn one_or_many(words: &[String], nothing: &str) -> String {
    match words {
        [] => text(nothing),
        [only] => text(only),
        many => wrapped(&texts(many)),
    }
}

/// An array inside of a list, over several lines when it is long.
fn wrapped(items: &[String]) -> String {
    let line = format!("[{}]", items.join(", "));
    if line.len() <= WIDTH * 2 / 3 {
        return line;
    }
    let mut out = String::from("[");
    let mut column = WIDTH;
    for item in items {
        if column + item.len() + 2 > WIDTH {
            out.push_str("\n   ");
            column = 3;
        }
        let _ = write!(out, " {item},");
        column += item.len() + 2;
    }
    out.push_str("\n  ]");
    out
}

fn texts(words: &[String]) -> Vec<String> {
    words.iter().map(|word| text(word)).collect()
}

/// A TOML string.
fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn float(number: f64) -> String {
    toml::Value::from(number).to_string()
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let entry = |(key, value): (&String, &toml::Value)| {
                let is_bare =
                    key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                let key = if is_bare { key.clone() } else { text(key) };
                format!("{key} = {}", inline(value))
            };
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}
