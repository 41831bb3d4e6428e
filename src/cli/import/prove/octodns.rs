//! octoDNS's own rules for dynamic records: rules in their order, pools with fallbacks.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::told::{Told, all, data, draw};
use super::{Rule, Scene};
use crate::cli::import::draft::absolute;
use crate::cli::import::node::Node;
use crate::cli::import::{Failure, Texts, yaml};
use crate::geo::Location;

pub(super) fn rules(texts: &Texts) -> Result<Vec<Rule>, Failure> {
    let mut rules: Vec<Rule> = Vec::new();
    for (path, text) in texts {
        let document = yaml::read(path, text)?;
        let file = path.rsplit('/').next().unwrap_or(path);
        let zone = absolute(file.trim_end_matches(".yaml").trim_end_matches(".yml"));
        for (label, records) in document.entries() {
            let name = match label.as_str() {
                "" => zone.clone(),
                label => format!("{}.{zone}", label.to_ascii_lowercase()),
            };
            let is_dynamic = |record: &&Node| record.get("dynamic").is_some();
            let dynamic: Vec<Node> = records.items().iter().filter(is_dynamic).cloned().collect();
            if !dynamic.is_empty() {
                rules.push(rule(name, dynamic));
            }
        }
    }
    Ok(rules)
}

fn list<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map(Node::items).unwrap_or_default()
}

fn rule(name: String, records: Vec<Node>) -> Rule {
    let mut checked = BTreeSet::new();
    let mut networks: Vec<IpNet> = Vec::new();
    for dynamic in records.iter().filter_map(|record| record.get("dynamic")) {
        for (_, pool) in dynamic.get("pools").map(Node::entries).unwrap_or_default() {
            for value in list(pool, "values") {
                let is_fixed = value.get("status").and_then(Node::text);
                if is_fixed.is_none_or(|status| status == "obey") {
                    checked.extend(value.get("value").and_then(Node::text).map(|text| data(&text)));
                }
            }
        }
        let nets = list(dynamic, "rules").iter().flat_map(|rule| list(rule, "subnets"));
        networks.extend(nets.filter_map(|net| net.text()?.parse::<IpNet>().ok()));
    }
    let tell = move |scene: &Scene<'_>| -> Told {
        let rtype = |record: &&Node| {
            let rtype = record.get("type").and_then(Node::text).unwrap_or_default();
            let of_family = match scene.family {
                super::Family::V4 => "A",
                super::Family::V6 => "AAAA",
            };
            rtype == of_family || rtype == "CNAME"
        };
        records.iter().find(rtype).map(|record| answer(record, scene)).unwrap_or_default()
    };
    Rule { name, checked, networks, tell: Box::new(tell) }
}

fn answer(record: &Node, scene: &Scene<'_>) -> Told {
    let Some(dynamic) = record.get("dynamic") else { return Vec::new() };
    let pools = dynamic.get("pools");
    // Networks before places, and then the first that matches.
    let by_net = list(dynamic, "rules").iter().filter_map(|rule| {
        let nets = list(rule, "subnets").iter().filter_map(|net| net.text()?.parse::<IpNet>().ok());
        let around = nets.filter(|net| net.contains(&scene.address));
        Some((around.map(|net| net.prefix_len()).max()?, rule))
    });
    let by_net = by_net.max_by_key(|(length, _)| *length).map(|(_, rule)| rule);
    let by_place = list(dynamic, "rules").iter().find(|rule| {
        let geos = list(rule, "geos");
        match geos.is_empty() {
            true => list(rule, "subnets").is_empty(),
            false => geos.iter().filter_map(Node::text).any(|geo| is_at(&geo, scene.location)),
        }
    });
    let rule = by_net.or(by_place);
    let mut next = rule.and_then(|rule| rule.get("pool")).and_then(Node::text);
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = next.filter(|name| !seen.contains(name)) {
        let Some(pool) = pools.and_then(|pools| pools.get(&name)) else { break };
        let told = of_pool(pool, scene);
        if !told.is_empty() {
            return told;
        }
        next = pool.get("fallback").and_then(Node::text);
        seen.push(name);
    }
    // Nothing is up: the plain values.
    let values = ["values", "value"].iter().find_map(|key| record.get(key));
    all(values.map(Node::items).unwrap_or_default().iter().filter_map(Node::text).map(|t| data(&t)))
}

/// What a pool tells: nothing when none of its values is up.
fn of_pool(pool: &Node, scene: &Scene<'_>) -> Told {
    let mut up: Vec<(f64, String)> = Vec::new();
    for value in list(pool, "values") {
        let Some(text) = value.get("value").and_then(Node::text) else { continue };
        let text = data(&text);
        let status = value.get("status").and_then(Node::text).unwrap_or_default();
        let is_up = match status.as_str() {
            "up" => true,
            "down" => false,
            _ => !scene.down.contains(&text),
        };
        if is_up {
            up.push((value.get("weight").and_then(Node::number).unwrap_or(1.0), text));
        }
    }
    let is_weighted = list(pool, "values").iter().any(|value| {
        value.get("weight").and_then(Node::number).is_some_and(|weight| weight != 1.0)
    });
    let is_names = up.iter().any(|(_, text)| text.parse::<std::net::IpAddr>().is_err());
    match is_weighted || is_names {
        true if !up.is_empty() => draw(up.into_iter().map(|(w, text)| (w, all([text]))).collect()),
        _ => all(up.into_iter().map(|(_, text)| text)),
    }
}

/// Whether `NA-US-CA` holds a place.
fn is_at(geo: &str, location: &Location) -> bool {
    let mut parts = geo.split('-');
    let is = |part: Option<&str>, known: Option<String>| match part {
        Some(part) => known.is_some_and(|known| known == part),
        None => true,
    };
    let subdivision = location.subdivision.as_deref().and_then(|code| code.split_once('-'));
    is(parts.next(), location.continent.map(|continent| continent.to_string()))
        && is(parts.next(), location.country.map(|country| country.to_string()))
        && is(parts.next(), subdivision.map(|(_, code)| code.to_owned()))
}
