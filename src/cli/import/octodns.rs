//! octoDNS: zones in YAML, with dynamic records.
//!
//! octoDNS's own rules: the first rule that matches decides, a pool that is down gives way to its
//! fallback, and when that chain ends the plain `values` are told.

use std::collections::BTreeMap;

use super::draft::{
    Data, Draft, Kind, Member, Monitor, Pool, Record, Static, absolute, first_label,
};
use super::node::{Fields, Node, Value};
use super::yaml;
use super::{Failure, Texts};

/// Seconds that a record lives when nothing else is said.
const DEFAULT_TTL: f64 = 3600.0;

/// Takes over zones, each a file called as the zone: `example.com.yaml`.
///
/// # Errors
/// When one of them is no YAML.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    for (path, text) in texts {
        let document = yaml::read(path, text)?;
        if document.get("providers").is_some() || document.get("zones").is_some() {
            let why = "zones alone are read; this is the configuration of octoDNS itself";
            draft.left(path, "the file", why);
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let name = name.trim_end_matches(".yaml").trim_end_matches(".yml");
        let zone = absolute(name);
        draft.zone(&zone);
        for (label, node) in document.entries() {
            let owner = match label.as_str() {
                "" => zone.clone(),
                label => format!("{}.{zone}", label.to_ascii_lowercase()),
            };
            for record in node.items() {
                self::record(&owner, record, draft);
            }
        }
    }
    Ok(())
}

fn record(owner: &str, node: &Node, draft: &mut Draft) {
    let fields = Fields::new(node);
    let rtype = fields.text("type").unwrap_or_default().to_ascii_uppercase();
    let ttl = fields.number("ttl").unwrap_or(DEFAULT_TTL) as u32;
    let values = fields.take_any(&["values", "value"]).map(Node::items).unwrap_or_default();
    let what = format!("`{owner}` {rtype}");
    let own = fields.take("octodns");
    if let Some(dynamic) = fields.take("dynamic") {
        steered(owner, &rtype, ttl, values, dynamic, own, &node.place, draft);
    } else {
        if let Some(geo) = fields.take("geo") {
            let why = "the old `geo` records are not read; octoDNS itself asks for `dynamic`";
            draft.left(&geo.place, format!("{what}: geo"), why);
        }
        let mut is_whole = !values.is_empty();
        for value in values {
            match data(&rtype, value) {
                Some(data) => {
                    let (owner, rtype) = (owner.to_owned(), rtype.clone());
                    draft.zone_around(&owner).records.push(Static { owner, rtype, data, ttl });
                }
                None => {
                    is_whole = false;
                    let why = "data of this type is not read; add it to the zone file";
                    draft.left(&value.place, format!("{what} {}", value.shown()), why);
                }
            }
        }
        if is_whole {
            draft.exact(&node.place, format!("{what}: in the zone file"));
        }
        if let Some(own) = own {
            settings(own, &what, draft);
        }
    }
    fields.finish(&what, |_| "", draft);
}

/// Settings of octoDNS besides the health check.
fn settings(own: &Node, what: &str, draft: &mut Draft) {
    let fields = Fields::new(own);
    fields.skip(&["healthcheck"]);
    fields.finish(what, |_| "this is for octoDNS and its providers", draft);
}

/// The data of a value in presentation form; `None` when the type is not known.
fn data(rtype: &str, value: &Node) -> Option<String> {
    let text = |key: &str| value.get(key).and_then(Node::text);
    let name = |key: &str| text(key).map(|name| absolute(&name));
    Some(match rtype {
        "A" | "AAAA" => value.text()?,
        "CNAME" | "DNAME" | "NS" | "PTR" => absolute(&value.text()?),
        // A semicolon is written with a backslash there.
        "TXT" | "SPF" => quoted(&value.text()?.replace("\\;", ";")),
        "MX" => {
            let preference = text("preference").or_else(|| text("priority"))?;
            format!("{preference} {}", name("exchange").or_else(|| name("value"))?)
        }
        "SRV" => {
            format!(
                "{} {} {} {}",
                text("priority")?,
                text("weight")?,
                text("port")?,
                name("target")?
            )
        }
        "CAA" => format!("{} {} {}", text("flags")?, text("tag")?, quoted(&text("value")?)),
        "SSHFP" => {
            format!("{} {} {}", text("algorithm")?, text("fingerprint_type")?, text("fingerprint")?)
        }
        "NAPTR" => format!(
            "{} {} {} {} {} {}",
            text("order")?,
            text("preference")?,
            quoted(&text("flags").unwrap_or_default()),
            quoted(&text("service").unwrap_or_default()),
            quoted(&text("regexp").unwrap_or_default()),
            name("replacement")?
        ),
        "TLSA" => format!(
            "{} {} {} {}",
            text("certificate_usage")?,
            text("selector")?,
            text("matching_type")?,
            text("certificate_association_data")?
        ),
        _ => return None,
    })
}

/// A text as character-strings of at most 255 octets (RFC 1035 section 3.3).
fn quoted(text: &str) -> String {
    let mut strings = Vec::new();
    let mut string = String::new();
    for c in text.chars() {
        if string.len() + c.len_utf8() > 255 {
            strings.push(std::mem::take(&mut string));
        }
        string.push(c);
    }
    strings.push(string);
    let quote =
        |string: &String| format!("\"{}\"", string.replace('\\', "\\\\").replace('"', "\\\""));
    strings.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// A dynamic record.
#[allow(clippy::too_many_arguments)] // the parts of one record
fn steered(
    owner: &str,
    rtype: &str,
    ttl: u32,
    values: &[Node],
    dynamic: &Node,
    own: Option<&Node>,
    place: &str,
    draft: &mut Draft,
) {
    let what = format!("`{owner}` {rtype}");
    if !matches!(rtype, "A" | "AAAA" | "CNAME") {
        return draft.left(place, what, "only A, AAAA and CNAME can be dynamic there");
    }
    if draft.records.iter().any(|record| record.name == owner) {
        let why = "one choice is made for all types of a name here; add its addresses to the pools";
        return draft.left(place, format!("{what}, dynamic like another type"), why);
    }
    let label = first_label(owner);
    let monitor = monitor(owner, &label, own, place, draft);
    let fields = Fields::new(dynamic);
    let last: Vec<Member> =
        values.iter().filter_map(Node::text).map(|text| Member::of_host(&text)).collect();
    let is_name = |member: &Member| matches!(member.data, Data::Cname(_));
    // What is told when nothing is up: addresses of the record; a name is a pool of its own.
    let last_pool = last.iter().any(is_name).then(|| {
        let name = draft.target_name(&format!("{label}-values"));
        let (members, place) = (last.clone(), place.to_owned());
        draft.pools.push(Pool { name: name.clone(), place, members, ..Pool::default() });
        name
    });
    let mut targets = BTreeMap::new();
    let mut fallbacks = BTreeMap::new();
    let pools = fields.take("pools").map(Node::entries).unwrap_or_default();
    for (name, node) in pools {
        let target = pool(&format!("{label}-{name}"), node, &monitor, draft);
        targets.extend(target.map(|target| (name.clone(), target)));
        let next = node.get("fallback").and_then(Node::text);
        fallbacks.extend(next.map(|next| (name.clone(), next)));
    }
    let chain = |first: &str| -> Vec<String> {
        let mut names: Vec<&str> = Vec::new();
        let mut next = Some(first);
        while let Some(name) = next.filter(|name| !names.contains(name)) {
            names.push(name);
            next = fallbacks.get(name).map(String::as_str);
        }
        names.into_iter().filter_map(|name| targets.get(name)).chain(&last_pool).cloned().collect()
    };
    let mut rules = Vec::new();
    let mut default = Vec::new();
    for rule in fields.take("rules").map(Node::items).unwrap_or_default() {
        let Some(first) = rule.get("pool").and_then(Node::text) else { continue };
        let list = |key: &str| rule.get(key).map(Node::items).unwrap_or_default();
        let geos = list("geos").iter().filter_map(Node::text).map(|geo| geo_place(&geo));
        let nets = list("subnets").iter().filter_map(Node::text).map(|net| format!("net:{net}"));
        let places: Vec<String> = geos.chain(nets).collect();
        match places.is_empty() {
            true => default = chain(&first),
            false => rules.push((places, chain(&first))),
        }
    }
    fields.finish(&what, |_| "", draft);
    let kind = match rules.is_empty() {
        true => Kind::Failover(default),
        // A rule's pool and its fallbacks are all that its clients get.
        false => Kind::Geo { rules, default, on_down: "fence" },
    };
    let target = match &kind {
        Kind::Failover(targets) if targets.is_empty() => {
            return draft.left(place, what, "none of its pools has a value");
        }
        Kind::Failover(targets) if targets.len() == 1 => targets[0].clone(),
        _ => draft.choice(&label, place, kind),
    };
    let address = |member: &Member| match member.data {
        Data::Address(address) => Some(address),
        _ => None,
    };
    let last = last.iter().filter_map(address).collect();
    draft.exact(place, format!("{what}: rules, pools and fallbacks"));
    let name = owner.to_owned();
    draft.records.push(Record { name, target, ttl, on_all_down: last, place: place.to_owned() });
}

fn pool(name: &str, node: &Node, monitor: &Option<String>, draft: &mut Draft) -> Option<String> {
    let mut members: Vec<Member> = Vec::new();
    let mut states = Vec::new();
    for value in node.get("values").map(Node::items).unwrap_or_default() {
        let Some(text) = value.get("value").and_then(Node::text) else { continue };
        let state = value.get("status").and_then(Node::text).unwrap_or_else(|| "obey".to_owned());
        if state == "down" {
            draft.exact(&value.place, format!("`{text}` is down by its status, and is left out"));
            continue;
        }
        states.push(state);
        let weight = value.get("weight").and_then(Node::number).map(|weight| weight as u32);
        members.push(Member { weight, ..Member::of_host(&text) });
    }
    let is_forced = !states.is_empty() && states.iter().all(|state| state == "up");
    if !is_forced && states.iter().any(|state| state == "up") {
        let how = "a pool has one monitor: they are checked like the others";
        draft.about(&node.place, format!("pool `{name}`: values that are up by their status"), how);
    }
    // Providers draw one value by weight; without weights all are equal.
    let is_weighted = members.iter().any(|member| member.weight.is_some_and(|weight| weight != 1));
    let is_alias = members.iter().any(|member| matches!(member.data, Data::Cname(_)));
    if !is_weighted {
        members.iter_mut().for_each(|member| member.weight = None);
    }
    if members.is_empty() {
        draft.left(&node.place, format!("pool `{name}`"), "none of its values is up");
        return None;
    }
    let pool = Pool {
        name: draft.target_name(name),
        place: node.place.clone(),
        monitor: monitor.clone().filter(|_| !is_forced),
        balance: (is_weighted || is_alias && members.len() > 1).then_some("weighted"),
        members,
        ..Pool::default()
    };
    let name = pool.name.clone();
    draft.pools.push(pool);
    Some(name)
}

/// `NA-US-CA`, `AS-JP`, `EU`.
fn geo_place(geo: &str) -> String {
    let parts: Vec<&str> = geo.split('-').collect();
    match parts[..] {
        [_, country, part] => format!("subdivision:{country}-{part}"),
        [_, country] => format!("country:{country}"),
        _ => format!("continent:{geo}"),
    }
}

/// The monitor of a record: octoDNS's defaults, unless it says otherwise.
fn monitor(
    owner: &str,
    label: &str,
    own: Option<&Node>,
    place: &str,
    draft: &mut Draft,
) -> Option<String> {
    let nothing = Node { value: Value::Map(Vec::new()), place: place.to_owned() };
    let check = own.and_then(|own| own.get("healthcheck")).unwrap_or(&nothing);
    if let Some(own) = own {
        settings(own, &format!("`{owner}`"), draft);
    }
    let fields = Fields::new(check);
    let protocol = fields.text("protocol").unwrap_or_else(|| "HTTPS".to_owned());
    let (kind, port) = match protocol.as_str() {
        "HTTP" => ("http", 80.0),
        "HTTPS" => ("https", 443.0),
        "TCP" => ("tcp", 443.0),
        other => {
            let why = "there is no such monitor; its values count as up, always";
            draft.left(&check.place, format!("`{owner}`: a health check over {other}"), why);
            return None;
        }
    };
    let port = fields.number("port").unwrap_or(port) as i64;
    let mut keys: Vec<(&'static str, toml::Value)> =
        vec![("kind", kind.into()), ("port", port.into())];
    if kind != "tcp" {
        keys.push(("path", fields.text("path").unwrap_or_else(|| "/_dns".to_owned()).into()));
        let host = fields.text("host").unwrap_or_else(|| owner.trim_end_matches('.').to_owned());
        // `_` in front of the port: ask for the value itself.
        keys.extend(
            Some(host).filter(|host| !host.starts_with('_')).map(|host| ("host", host.into())),
        );
    }
    fields.skip(&["host", "path"]);
    fields.finish(&format!("`{owner}`: health check"), |_| "this is for single providers", draft);
    let name = draft.monitor_name(label);
    let how = "each provider has a rhythm of its own; this one asks every 10 s";
    draft.about(&check.place, format!("`{owner}`: health check, monitor `{name}`"), how);
    draft.monitors.push(Monitor { name: name.clone(), place: check.place.clone(), keys });
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_texts_are_written_as_here() {
        assert_eq!(geo_place("NA-US-CA"), "subdivision:US-CA");
        assert_eq!(geo_place("AS-JP"), "country:JP");
        assert_eq!(geo_place("EU"), "continent:EU");
        assert_eq!(quoted("a \"b\""), "\"a \\\"b\\\"\"");
        assert_eq!(quoted(&"x".repeat(300)).matches('"').count(), 4);
    }
}
