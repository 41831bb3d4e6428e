//! Knot DNS's own rules: the manual of its module geoip.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::told::{Told, all, data, draw};
use super::{Rule, Scene};
use crate::cli::import::draft::absolute;
use crate::cli::import::node::Node;
use crate::cli::import::{Failure, Texts, masterfile, yaml};
use crate::geo::Location;

/// Types whose data can be told, in lower case.
const TYPES: [&str; 3] = ["a", "aaaa", "cname"];

pub(super) fn rules(texts: &Texts) -> Result<Vec<Rule>, Failure> {
    let (mut configs, mut maps, mut zones) = (Vec::new(), Vec::new(), Vec::new());
    for (path, text) in texts {
        let file = path.rsplit('/').next().unwrap_or(path);
        match file.strip_suffix(".zone") {
            Some(zone) => zones.push((absolute(zone), text)),
            None => {
                let document = yaml::read(path, text)?;
                match document.get("mod-geoip") {
                    Some(modules) => configs.extend(modules.items().to_vec()),
                    None => maps.push((file.to_owned(), document)),
                }
            }
        }
    }
    let mut rules = Vec::new();
    for (file, map) in maps {
        let named = configs.iter().find(|module| {
            let path = module.get("config-file").and_then(Node::text).unwrap_or_default();
            path.rsplit('/').next() == Some(&file)
        });
        let keys = named.and_then(|module| module.get("geodb-key"));
        let keys: Vec<String> = match (named, keys) {
            (None, _) => ["country/iso_code", "city/names/en"].map(str::to_owned).to_vec(),
            (_, None) => vec!["country/iso_code".to_owned()],
            (_, Some(keys)) => keys.items().iter().filter_map(Node::text).collect(),
        };
        for (name, entries) in map.entries() {
            let owner = absolute(name);
            let own = zones.iter().flat_map(|(zone, text)| plain(&owner, zone, text)).collect();
            rules.push(rule(owner, entries.items().to_vec(), keys.clone(), own));
        }
    }
    Ok(rules)
}

/// The addresses of a name in a zone file.
fn plain(name: &str, zone: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    masterfile::split(text, zone, |entry| {
        if entry.owner == name && TYPES.contains(&entry.rtype.to_ascii_lowercase().as_str()) {
            found.extend(entry.data.first().map(|text| data(text)));
        }
        false
    });
    found
}

fn rule(name: String, views: Vec<Node>, keys: Vec<String>, own: Vec<String>) -> Rule {
    let net = |view: &Node| view.get("net").and_then(Node::text)?.parse::<IpNet>().ok();
    let networks = views.iter().filter_map(net).collect();
    let tell = move |scene: &Scene<'_>| -> Told {
        let weighted: Vec<(f64, &Node)> = views
            .iter()
            .filter_map(|view| Some((view.get("weight").and_then(Node::number)?, view)))
            .collect();
        if !weighted.is_empty() {
            let part = |(weight, view): (f64, &Node)| (weight, told(view, &own, scene));
            return draw(weighted.into_iter().map(part).collect());
        }
        let by_net = views.iter().filter_map(|view| Some((net(view)?, view)));
        let around = by_net.filter(|(net, _)| net.contains(&scene.address));
        let by_place = views.iter().filter_map(|view| {
            let geo = view.get("geo").and_then(Node::text)?;
            Some((depth(&geo, &keys, scene.location)?, view))
        });
        let longest = around.max_by_key(|(net, _)| net.prefix_len()).map(|(_, view)| view);
        match longest.or_else(|| by_place.max_by_key(|(depth, _)| *depth).map(|(_, view)| view)) {
            Some(view) => told(view, &own, scene),
            None => all(own.clone()),
        }
    };
    Rule { name, checked: BTreeSet::new(), networks, tell: Box::new(tell) }
}

/// What a view says of the type that is asked for. Another type stays as the zone file has it.
fn told(view: &Node, own: &[String], scene: &Scene<'_>) -> Told {
    let mut list = Vec::new();
    for (key, values) in view.entries() {
        if TYPES.contains(&key.to_ascii_lowercase().as_str()) {
            list.extend(values.items().iter().filter_map(Node::text).map(|text| data(&text)));
        }
    }
    list.retain(|text| scene.family.has(text));
    if list.is_empty() { all(own.to_vec()) } else { all(list) }
}

/// How many parts of `EU;GB;*` match a place; `None` when one does not.
fn depth(geo: &str, keys: &[String], location: &Location) -> Option<usize> {
    let mut depth = 0;
    for (part, key) in geo.split(';').map(str::trim).zip(keys) {
        if part == "*" || part.is_empty() {
            continue;
        }
        let known = match key.rsplit(')').next().unwrap_or(key) {
            "continent/code" => location.continent?.to_string(),
            "country/iso_code" => location.country?.to_string(),
            "subdivisions/0/iso_code" => {
                location.subdivision.as_deref()?.split_once('-')?.1.to_owned()
            }
            "city/names/en" => location.city.as_deref()?.to_owned(),
            "autonomous_system_number" => location.asn?.to_string(),
            _ => return None,
        };
        if !known.eq_ignore_ascii_case(part) {
            return None;
        }
        depth += 1;
    }
    Some(depth)
}
