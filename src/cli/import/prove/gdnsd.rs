//! gdnsd's own rules: its manual pages of the plugins multifo, weighted, simplefo, metafo and geoip.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ipnet::IpNet;

use super::told::{Family, Told, all, data, draw, include};
use super::{Rule, Scene};
use crate::cli::import::gdnsd::{Sources, Steered};
use crate::cli::import::node::Node;
use crate::cli::import::{Failure, Texts};
use crate::geo::{Coordinates, Location};

/// Resources inside of each other, at most; gdnsd itself fails on a circle.
const DEEPEST: usize = 16;

/// Keys that are no labels of addresses.
const PARAMETERS: [&str; 10] = [
    "plugin",
    "service_types",
    "up_thresh",
    "ignore_health",
    "multi",
    "skip_first",
    "datacenters",
    "dcmap",
    "map",
    "undefined_datacenters_ok",
];

/// What is told, and whether those above count it as up.
type Result = (Told, bool);

/// How some parts become one.
type Choice = fn(Vec<(f64, Told)>) -> Told;

/// The configuration.
struct World {
    configs: Vec<Node>,
}

pub(super) fn rules(texts: &Texts) -> std::result::Result<Vec<Rule>, Failure> {
    let Sources { configs, steered } = Sources::read(texts)?;
    let world = Rc::new(World { configs });
    let networks = world.networks();
    let rule = |Steered { name, resource, .. }: Steered| {
        let (plugin, resource) = resource.split_once('!')?;
        let (plugin, resource) = (plugin.to_owned(), resource.to_owned());
        world.has(&plugin, &resource).then(|| {
            let checked = world.checked();
            let (networks, world) = (networks.clone(), Rc::clone(&world));
            let tell = move |scene: &Scene<'_>| world.look_up(&plugin, &resource, scene, 0).0;
            Rule { name, checked, networks, tell: Box::new(tell) }
        })
    };
    Ok(steered.into_iter().filter_map(rule).collect())
}

impl World {
    fn section(&self, name: &str) -> impl Iterator<Item = &(String, Node)> {
        self.configs.iter().filter_map(move |config| config.get(name)).flat_map(Node::entries)
    }

    fn plugin(&self, name: &str) -> Option<&Node> {
        self.section("plugins").find(|(key, _)| key == name).map(|(_, node)| node)
    }

    fn has(&self, plugin: &str, resource: &str) -> bool {
        let node = self.plugin(plugin);
        let (whole, datacenter) = match resource.split_once('/') {
            Some((whole, datacenter)) => (whole, Some(datacenter)),
            None => (resource, None),
        };
        let inside = match plugin {
            "geoip" | "metafo" => node.and_then(|node| node.get("resources")),
            _ => node,
        };
        inside.and_then(|inside| inside.get(whole)).is_some_and(|resource| {
            datacenter
                .is_none_or(|dc| resource.get("dcmap").is_some_and(|map| map.get(dc).is_some()))
        })
    }

    /// Addresses that something checks which can be checked here as well.
    fn checked(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (plugin, node) in self.section("plugins") {
            self.collect(plugin, &[node], &mut found);
        }
        found
    }

    fn collect(&self, plugin: &str, levels: &[&Node], found: &mut BTreeSet<String>) {
        let Some(node) = levels.first() else { return };
        let plugin =
            said(levels, "plugin").and_then(Node::text).unwrap_or_else(|| plugin.to_owned());
        for (key, inner) in node.entries() {
            if matches!(key.as_str(), "maps" | "datacenters" | "service_types") {
                continue;
            }
            let inside: Vec<&Node> = [inner].into_iter().chain(levels.iter().copied()).collect();
            if !inner.entries().is_empty() {
                self.collect(&plugin, &inside, found);
            } else if self.is_checked(&plugin, levels) {
                let texts = inner.items().iter().filter_map(Node::text);
                found.extend(texts.filter(|t| t.contains(['.', ':'])).map(|text| data(&text)));
            }
        }
    }

    /// Whether a service type of a resource is one of a check over HTTP or TCP.
    fn is_checked(&self, plugin: &str, levels: &[&Node]) -> bool {
        let named = said(levels, "service_types").map(words);
        let default = match plugin {
            "multifo" | "geoip" | "metafo" => "default",
            _ => "up",
        };
        let named = named.unwrap_or_else(|| vec![default.to_owned()]);
        self.section("service_types").any(|(name, node)| {
            let plugin = node.get("plugin").and_then(Node::text).unwrap_or_default();
            named.contains(name) && matches!(plugin.as_str(), "http_status" | "tcp_connect")
        })
    }

    fn look_up(&self, plugin: &str, resource: &str, scene: &Scene<'_>, depth: usize) -> Result {
        let Some(node) = self.plugin(plugin).filter(|_| depth < DEEPEST) else {
            return (Vec::new(), false);
        };
        match plugin {
            "geoip" | "metafo" => {
                let (whole, only) = match resource.split_once('/') {
                    Some((whole, only)) => (whole, Some(only)),
                    None => (resource, None),
                };
                let Some(inner) = node.get("resources").and_then(|all| all.get(whole)) else {
                    return (Vec::new(), false);
                };
                let levels = [inner, node];
                let list = match (only, plugin) {
                    (Some(only), _) => return self.datacenter(only, &levels, scene, depth),
                    (None, "metafo") => said(&levels, "datacenters").map(words).unwrap_or_default(),
                    (None, _) => self.mapped(&levels, scene),
                };
                self.in_order(list, &levels, scene, depth)
            }
            _ => match node.get(resource) {
                Some(inner) => self.simple(plugin, &[inner, node], scene),
                None => (Vec::new(), false),
            },
        }
    }

    /// The first data centre that is up, or the very first.
    fn in_order(
        &self,
        list: Vec<String>,
        levels: &[&Node],
        scene: &Scene<'_>,
        depth: usize,
    ) -> Result {
        let skips = said(levels, "skip_first").is_some_and(Node::is_true) && list.len() > 1;
        let list = &list[usize::from(skips)..];
        for datacenter in list {
            let (told, is_up) = self.datacenter(datacenter, levels, scene, depth);
            if is_up {
                return (told, true);
            }
        }
        match list.first() {
            Some(first) => (self.datacenter(first, levels, scene, depth).0, false),
            None => (Vec::new(), true),
        }
    }

    fn datacenter(&self, name: &str, levels: &[&Node], scene: &Scene<'_>, depth: usize) -> Result {
        let Some(value) = levels[0].get("dcmap").and_then(|map| map.get(name)) else {
            return (Vec::new(), false);
        };
        let inside: Vec<&Node> = [value].into_iter().chain(levels.iter().copied()).collect();
        let plugin = said(&inside, "plugin").and_then(Node::text);
        let plugin = plugin.unwrap_or_else(|| "multifo".to_owned());
        match value.text() {
            Some(text) if text.contains('!') => {
                let text = text.trim_start_matches('%');
                let (other, resource) = text.split_once('!').unwrap_or((text, ""));
                let other = if other.is_empty() { &plugin } else { other };
                self.look_up(other, resource, scene, depth + 1)
            }
            Some(text) if text.parse::<std::net::IpAddr>().is_err() => (all([data(&text)]), true),
            _ if value.entries().is_empty() => self.simple("multifo", &inside, scene),
            _ => self.simple(&plugin, &inside, scene),
        }
    }

    /// A resource of addresses: each family for itself; one that is down is down for all.
    fn simple(&self, plugin: &str, levels: &[&Node], scene: &Scene<'_>) -> Result {
        let mut answer = (Vec::new(), true);
        for (family, key) in [(Family::V4, "addrs_v4"), (Family::V6, "addrs_v6")] {
            let part = levels[0].get(key);
            let has_parts = ["addrs_v4", "addrs_v6"].iter().any(|key| levels[0].get(key).is_some());
            let inside: Vec<&Node> = match part {
                Some(part) => [part].into_iter().chain(levels.iter().copied()).collect(),
                None if has_parts => continue,
                None => levels.to_vec(),
            };
            let is_watched = self.is_checked(plugin, &inside);
            let is_up = |text: &str| !(is_watched && scene.down.contains(&data(text)));
            let found = match plugin {
                "simplefo" => failover(inside[0], is_up),
                "weighted" => weighted(&inside, is_up),
                "multifo" => several(&inside, is_up),
                _ => (all(words(inside[0]).iter().map(|text| data(text))), true),
            };
            let told = family == scene.family || !has_parts;
            answer.1 &= found.1;
            if told {
                answer.0 = found.0;
            }
            if !has_parts {
                break;
            }
        }
        answer
    }

    /// The data centres of a map for a client.
    fn mapped(&self, levels: &[&Node], scene: &Scene<'_>) -> Vec<String> {
        let maps = self.plugin("geoip").and_then(|geoip| geoip.get("maps"));
        let name = said(levels, "map").and_then(Node::text).unwrap_or_default();
        let Some(map) = maps.and_then(|maps| maps.get(&name)) else { return Vec::new() };
        let everything = map.get("datacenters").map(words).unwrap_or_default();
        let nets = map.get("nets").map(Node::entries).unwrap_or_default();
        let around = nets.iter().filter_map(|(net, list)| {
            let net: IpNet = net.parse().ok()?;
            net.contains(&scene.address).then_some((net.prefix_len(), list))
        });
        if let Some((_, list)) = around.max_by_key(|(length, _)| *length) {
            return words(list);
        }
        let found = map.get("map").and_then(|tree| placed(tree, scene.location));
        let is_auto = map.get("auto_dc_coords").is_some();
        match found {
            Some(list) if list != ["auto"] => list,
            None if !is_auto => everything,
            _ => nearest(map, scene.location).unwrap_or(everything),
        }
    }

    fn networks(&self) -> Vec<IpNet> {
        let maps = self.plugin("geoip").and_then(|geoip| geoip.get("maps"));
        let maps = maps.map(Node::entries).unwrap_or_default().iter();
        let nets = maps.filter_map(|(_, map)| map.get("nets")).flat_map(Node::entries);
        nets.filter_map(|(net, _)| net.parse().ok()).collect()
    }
}

fn failover(node: &Node, is_up: impl Fn(&str) -> bool) -> Result {
    let pair: Vec<String> = ["primary", "secondary"]
        .iter()
        .filter_map(|key| node.get(key).and_then(Node::text))
        .collect();
    match (pair.iter().find(|text| is_up(text)), pair.first()) {
        (Some(text), _) => (all([data(text)]), true),
        (None, Some(first)) => (all([data(first)]), false),
        (None, None) => (Vec::new(), false),
    }
}

/// All that are up; all there are when that is too few.
fn several(levels: &[&Node], is_up: impl Fn(&str) -> bool) -> Result {
    let mut list = Vec::new();
    if levels[0].entries().is_empty() {
        list = words(levels[0]);
    }
    for (key, value) in levels[0].entries() {
        if !PARAMETERS.contains(&key.as_str()) {
            list.extend(value.text());
        }
    }
    let up: Vec<&String> = list.iter().filter(|text| is_up(text)).collect();
    let is_enough = up.len() as f64 >= (threshold(levels) * list.len() as f64).ceil();
    let is_blind = said(levels, "ignore_health").is_some_and(Node::is_true);
    let told = if is_enough && !is_blind { up } else { list.iter().collect() };
    (all(told.into_iter().map(|text| data(text))), is_enough)
}

/// One or several by weight, in groups or not.
fn weighted(levels: &[&Node], is_up: impl Fn(&str) -> bool) -> Result {
    let mut groups: BTreeMap<&str, Vec<(String, f64)>> = BTreeMap::new();
    for (key, value) in levels[0].entries() {
        if PARAMETERS.contains(&key.as_str()) {
            continue;
        }
        let pair = |node: &Node| match node.items() {
            [data, weight] => Some((data.text()?, weight.number()?)),
            _ => None,
        };
        match value.entries() {
            [] => groups.entry(key).or_default().extend(pair(value)),
            inside => {
                groups.entry(key).or_default().extend(inside.iter().filter_map(|(_, n)| pair(n)));
            }
        }
    }
    let is_grouped = levels[0]
        .entries()
        .iter()
        .any(|(key, value)| !PARAMETERS.contains(&key.as_str()) && !value.entries().is_empty());
    let items = || groups.values().flatten();
    let total: f64 = items().map(|(_, weight)| weight).sum();
    let up: f64 = items().filter(|(text, _)| is_up(text)).map(|(_, weight)| weight).sum();
    let is_enough = up >= (threshold(levels) * total).ceil();
    let weight = |(text, weight): &(String, f64)| {
        if is_enough && !is_up(text) { 0.0 } else { *weight }
    };
    let is_multi = said(levels, "multi").is_some_and(Node::is_true);
    let one = |item: &(String, f64)| (weight(item), all([data(&item.0)]));
    let (outer, inner): (Choice, Choice) = if is_multi { (include, draw) } else { (draw, include) };
    let told = match is_grouped {
        false => outer(items().map(one).collect()),
        true => {
            let group = |items: &Vec<(String, f64)>| {
                let sum: f64 = items.iter().map(weight).sum();
                (sum, inner(items.iter().map(one).collect()))
            };
            outer(groups.values().map(group).filter(|(sum, _)| *sum > 0.0).collect())
        }
    };
    (told, is_enough)
}

fn threshold(levels: &[&Node]) -> f64 {
    said(levels, "up_thresh").and_then(Node::number).unwrap_or(0.5)
}

/// The list for a place: as deep as the map goes, and its defaults.
fn placed(tree: &Node, location: &Location) -> Option<Vec<String>> {
    let mut path: Vec<String> = Vec::new();
    path.extend(location.continent.map(|continent| continent.to_string()));
    path.extend(location.country.map(|country| country.to_string()));
    let subdivision = location.subdivision.as_deref().and_then(|code| code.split_once('-'));
    path.extend(subdivision.map(|(_, code)| code.to_owned()));
    path.extend(location.city.as_deref().map(str::to_owned));
    let mut default = tree.get("default").map(words);
    let mut node = tree;
    for (depth, key) in path.iter().enumerate() {
        match node.get(key) {
            // Levels below the country may be left out.
            None if depth >= 2 => continue,
            None => break,
            Some(inner) if inner.entries().is_empty() => return Some(words(inner)),
            Some(inner) => {
                node = inner;
                default = inner.get("default").map(words).or(default);
            }
        }
    }
    default
}

/// The nearest data centres; `None` when nobody knows where the client is.
fn nearest(map: &Node, location: &Location) -> Option<Vec<String>> {
    let here = location.coordinates?;
    let limit = map.get("auto_dc_limit").and_then(Node::number).unwrap_or(3.0) as usize;
    let mut list: Vec<(f64, String)> = Vec::new();
    for (name, at) in map.get("auto_dc_coords").map(Node::entries).unwrap_or_default() {
        let degrees: Vec<f64> = at.items().iter().filter_map(Node::number).collect();
        if let [latitude, longitude] = degrees[..] {
            list.push((here.distance_km(Coordinates::new(latitude, longitude)?), name.clone()));
        }
    }
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    let limit = if limit == 0 { list.len() } else { limit };
    Some(list.into_iter().take(limit).map(|(_, name)| name).collect())
}

/// What the innermost of several levels says.
fn said<'a>(levels: &[&'a Node], key: &str) -> Option<&'a Node> {
    levels.iter().find_map(|node| node.get(key))
}

fn words(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(Node::text).collect()
}
