//! gdnsd's plugins: how a resource chooses among addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::map::{Map, words};
use crate::cli::import::draft::{Data, Draft, Kind, Location, Member, Monitor, Pool};
use crate::cli::import::node::{Fields, Node};

/// Keys that stand among resources and are settings of all of them.
const SETTINGS: [&str; 9] = [
    "service_types",
    "up_thresh",
    "multi",
    "ignore_health",
    "maps",
    "resources",
    "plugin",
    "skip_first",
    "undefined_datacenters_ok",
];

/// The plugins of a configuration, and what has been made of their resources.
pub(super) struct Plugins<'a> {
    /// By the name of the plugin.
    nodes: BTreeMap<String, &'a Node>,
    maps: BTreeMap<String, Map>,
    /// Names of monitors by service type; `None` is one that is always up.
    monitors: BTreeMap<String, Option<String>>,
    /// Targets by `plugin!resource`.
    made: BTreeMap<String, String>,
    above: BTreeSet<String>,
}

impl<'a> Plugins<'a> {
    pub(super) fn new(configs: &'a [Node], draft: &mut Draft) -> Plugins<'a> {
        let mut plugins = Plugins {
            nodes: BTreeMap::new(),
            maps: BTreeMap::new(),
            monitors: BTreeMap::new(),
            made: BTreeMap::new(),
            above: BTreeSet::new(),
        };
        for config in configs {
            let fields = Fields::new(config);
            for (name, node) in fields.take("service_types").into_iter().flat_map(Node::entries) {
                let monitor = service_type(name, node, draft);
                plugins.monitors.insert(name.clone(), monitor);
            }
            for (name, node) in fields.take("plugins").into_iter().flat_map(Node::entries) {
                plugins.nodes.insert(name.clone(), node);
            }
            let why = |key: &str| match key {
                "options" => "the server's own settings stand in meridian.toml",
                _ => "",
            };
            fields.finish("configuration", why, draft);
        }
        let maps = plugins.nodes.get("geoip").and_then(|geoip| geoip.get("maps"));
        for (name, node) in maps.map(Node::entries).unwrap_or_default() {
            plugins.maps.insert(name.clone(), Map::read(name, node, draft));
        }
        plugins
    }

    /// Tells of resources that no record uses.
    pub(super) fn finish(&self, draft: &mut Draft) {
        for (plugin, node) in &self.nodes {
            let node = if is_meta(plugin) { node.get("resources") } else { Some(*node) };
            for (resource, inner) in node.map(Node::entries).unwrap_or_default() {
                let name = format!("{plugin}!{resource}");
                if !SETTINGS.contains(&&**resource) && !self.made.contains_key(&name) {
                    draft.left(&inner.place, name, "no record uses it, or it could not be read");
                }
            }
        }
    }

    /// The target for `plugin!resource`; `None` when there is none, which is noted.
    pub(super) fn target(&mut self, name: &str, place: &str, draft: &mut Draft) -> Option<String> {
        let name = name.trim_start_matches('%');
        if let Some(known) = self.made.get(name) {
            return Some(known.clone());
        }
        if !self.above.insert(name.to_owned()) {
            draft.left(place, name, "resources lead in a circle");
            return None;
        }
        let (plugin, resource) = name.split_once('!').unwrap_or((name, ""));
        let node = self.nodes.get(plugin).copied();
        let target = match node {
            // `geoip!www/dc1` is one data centre of `geoip!www`.
            Some(_) if is_meta(plugin) && resource.contains('/') => {
                let whole = resource.split('/').next().unwrap_or_default();
                let whole = self.target(&format!("{plugin}!{whole}"), place, draft);
                whole.and_then(|_| self.made.get(name).cloned())
            }
            Some(node) if is_meta(plugin) => {
                let inner = node.get("resources").and_then(|all| all.get(resource));
                inner.and_then(|inner| match plugin {
                    "geoip" => self.geoip(resource, &[inner, node], draft),
                    _ => self.metafo(resource, &[inner, node], draft),
                })
            }
            Some(node) => {
                let inner = node.get(resource);
                inner.and_then(|inner| self.resource(plugin, resource, &[inner, node], draft))
            }
            None => None,
        };
        self.above.remove(name);
        match target {
            Some(target) => {
                self.made.insert(name.to_owned(), target.clone());
                Some(target)
            }
            None => {
                draft.left(place, name, "there is no such resource, or one of another plugin");
                None
            }
        }
    }

    /// A resource of a plugin that has addresses: the first of `levels`. The others are around it,
    /// and have settings for what is inside.
    fn resource(
        &mut self,
        plugin: &str,
        name: &str,
        levels: &[&Node],
        draft: &mut Draft,
    ) -> Option<String> {
        let node = *levels.first()?;
        let monitor = self.monitor(levels, &node.place, draft);
        match plugin {
            "static" | "multifo" | "weighted" => {
                let mut pool = pool_of(name, node, draft)?;
                pool.monitor = monitor;
                if plugin == "weighted" {
                    pool.balance = Some("weighted");
                    weighted_notes(name, levels, &pool, draft);
                }
                if plugin != "static" && pool.monitor.is_some() {
                    pool.min_healthy = needed(levels, pool.members.len());
                }
                let name = pool.name.clone();
                draft.pools.push(pool);
                Some(name)
            }
            "simplefo" => {
                let families: Vec<&Node> =
                    ["addrs_v4", "addrs_v6"].iter().filter_map(|family| node.get(family)).collect();
                if families.len() > 1 {
                    let how = "one choice is made for both families; gdnsd makes one for each";
                    draft.about(&node.place, format!("simplefo!{name}: two families"), how);
                }
                let families = if families.is_empty() { vec![node] } else { families };
                let mut targets = Vec::new();
                for key in ["primary", "secondary"] {
                    let mut members = Vec::new();
                    families
                        .iter()
                        .filter_map(|f| f.get(key))
                        .for_each(|n| collect(n, &mut members));
                    let wanted = format!("{name}-{key}");
                    targets.extend(pool(&wanted, &node.place, members, &monitor, draft));
                }
                match targets.is_empty() {
                    true => None,
                    false => Some(draft.choice(name, &node.place, Kind::Failover(targets))),
                }
            }
            _ => None,
        }
    }

    fn metafo(&mut self, name: &str, levels: &[&Node], draft: &mut Draft) -> Option<String> {
        let place = &levels.first()?.place;
        let targets = self.datacenters("metafo", name, levels, draft);
        let order = words(setting(levels, "datacenters"));
        let order = order.iter().filter_map(|dc| targets.get(dc).cloned()).collect();
        let order = without_first(order, levels);
        match order.is_empty() {
            true => None,
            false => Some(draft.choice(name, place, Kind::Failover(order))),
        }
    }

    fn geoip(&mut self, name: &str, levels: &[&Node], draft: &mut Draft) -> Option<String> {
        let place = &levels.first()?.place;
        let map = setting(levels, "map").and_then(Node::text);
        let Some(map) = map.and_then(|map| self.maps.get(&map).cloned()) else {
            draft.left(place, format!("geoip!{name}"), "its map is in no file");
            return None;
        };
        let targets = self.datacenters("geoip", name, levels, draft);
        for (datacenter, latitude, longitude) in &map.coordinates {
            if let Some(target) = targets.get(datacenter) {
                let (latitude, longitude) = (*latitude, *longitude);
                draft.locate(target, &Location::Point { latitude, longitude });
            }
        }
        let nearest = self.nearest(name, &map, &targets, levels, draft);
        let named = |list: &[String]| -> Vec<String> {
            if let ([auto], Some(nearest)) = (list, &nearest)
                && auto == "auto"
            {
                return vec![nearest.clone()];
            }
            let mut found: Vec<String> = Vec::new();
            for target in list.iter().filter_map(|dc| targets.get(dc)) {
                if !found.contains(target) {
                    found.push(target.clone());
                }
            }
            without_first(found, levels)
        };
        let rules: Vec<_> =
            map.rules.iter().map(|(places, to)| (places.clone(), named(to))).collect();
        let default = named(&map.default);
        if rules.is_empty() {
            return match &default[..] {
                [only] => Some(only.clone()),
                _ => Some(draft.choice(name, place, Kind::Failover(default))),
            };
        }
        // gdnsd goes through the list of the place alone, whatever is up elsewhere.
        let kind = Kind::Geo { rules, default, on_down: "fence" };
        Some(draft.choice(name, place, kind))
    }

    /// The policy for clients that go to the nearest data centre, where a map has such.
    fn nearest(
        &self,
        name: &str,
        map: &Map,
        targets: &BTreeMap<String, String>,
        levels: &[&Node],
        draft: &mut Draft,
    ) -> Option<String> {
        let is_auto = |list: &[String]| list.len() == 1 && list[0] == "auto";
        if !is_auto(&map.default) && !map.rules.iter().any(|(_, to)| is_auto(to)) {
            return None;
        }
        let place = &levels.first()?.place;
        if setting(levels, "skip_first").is_some_and(Node::is_true) {
            let why = "the nearest data centre cannot be left out here";
            draft.left(place, format!("geoip!{name}: skip_first"), why);
        }
        let mut near: Vec<(String, i32)> = Vec::new();
        for (datacenter, ..) in &map.coordinates {
            let target = targets.get(datacenter).map(|target| (target.clone(), 0));
            near.extend(target.filter(|target| !near.contains(target)));
        }
        if near.is_empty() {
            return None;
        }
        let wanted = if map.rules.is_empty() { name.to_owned() } else { format!("{name}-nearest") };
        Some(draft.choice(&wanted, place, Kind::Nearest(near)))
    }

    /// The targets of the data centres of a resource, by the name of the data centre.
    fn datacenters(
        &mut self,
        meta: &str,
        name: &str,
        levels: &[&Node],
        draft: &mut Draft,
    ) -> BTreeMap<String, String> {
        let mut targets = BTreeMap::new();
        let map = levels.first().and_then(|node| node.get("dcmap"));
        for (datacenter, value) in map.map(Node::entries).unwrap_or_default() {
            let wanted = format!("{name}-{datacenter}");
            let inside: Vec<&Node> = [value].into_iter().chain(levels.iter().copied()).collect();
            let target = self.datacenter(&wanted, value, &inside, draft);
            if let Some(target) = target {
                self.made.insert(format!("{meta}!{name}/{datacenter}"), target.clone());
                targets.insert(datacenter.clone(), target);
            }
        }
        targets
    }

    /// A data centre: a resource of another plugin, one written out, addresses, or a host name.
    fn datacenter(
        &mut self,
        name: &str,
        value: &Node,
        levels: &[&Node],
        draft: &mut Draft,
    ) -> Option<String> {
        let plugin = setting(levels, "plugin").and_then(Node::text);
        let plugin = plugin.unwrap_or_else(|| "multifo".to_owned());
        match value.text() {
            Some(text) if text.contains('!') => {
                let short = text.strip_prefix('!');
                let whole = short.map_or(text.clone(), |resource| format!("{plugin}!{resource}"));
                self.target(&whole, &value.place, draft)
            }
            Some(text) if text.parse::<IpAddr>().is_err() => {
                // The name is told as it is; nothing checks it.
                pool(name, &value.place, vec![Member::of_host(&text)], &None, draft)
            }
            _ if value.entries().is_empty() => self.resource("multifo", name, levels, draft),
            _ => self.resource(&plugin, name, levels, draft),
        }
    }

    fn monitor(&self, levels: &[&Node], place: &str, draft: &mut Draft) -> Option<String> {
        let types = words(setting(levels, "service_types"));
        let types = match &types[..] {
            [] => &["default".to_owned()],
            types => types,
        };
        let mut found: Vec<String> = Vec::new();
        for name in types {
            match self.monitors.get(name) {
                Some(monitor) => found.extend(monitor.clone()),
                None if matches!(name.as_str(), "up" | "default") => {}
                None => {
                    let why = "there is no such service type, or one that is never up";
                    draft.left(place, format!("service type `{name}`"), why);
                }
            }
        }
        if found.len() > 1 {
            let how = format!("a pool has one monitor: `{}`, the first", found[0]);
            draft.about(place, format!("service types {}", types.join(", ")), &how);
        }
        found.into_iter().next()
    }
}

/// Whether a plugin chooses among resources of others.
fn is_meta(plugin: &str) -> bool {
    matches!(plugin, "geoip" | "metafo")
}

/// What the innermost of several levels says.
fn setting<'a>(levels: &[&'a Node], key: &str) -> Option<&'a Node> {
    levels.iter().find_map(|node| node.get(key))
}

/// The data centres that are left with `skip_first`.
fn without_first(list: Vec<String>, levels: &[&Node]) -> Vec<String> {
    let is_skipped = setting(levels, "skip_first").is_some_and(Node::is_true);
    list.iter().skip(usize::from(is_skipped && list.len() > 1)).cloned().collect()
}

/// How many members must be up by `up_thresh`; `None` is one.
fn needed(levels: &[&Node], members: usize) -> Option<u32> {
    let share = setting(levels, "up_thresh").and_then(Node::number).unwrap_or(0.5);
    Some((members as f64 * share).ceil() as u32).filter(|needed| *needed > 1)
}

/// What is not the same of a resource of the plugin weighted.
fn weighted_notes(name: &str, levels: &[&Node], pool: &Pool, draft: &mut Draft) {
    let Some(node) = levels.first() else { return };
    if setting(levels, "multi").is_some_and(Node::is_true) {
        let how = "one address is drawn by weight, and not several";
        draft.about(&node.place, format!("weighted!{name}: multi"), how);
    }
    // Groups hold maps, and not pairs of address and weight.
    let mut inside: Vec<&Node> = Vec::new();
    for (key, inner) in node.entries() {
        match key.as_str() {
            "addrs_v4" | "addrs_v6" => inside.extend(inner.entries().iter().map(|(_, node)| node)),
            _ => inside.push(inner),
        }
    }
    if inside.iter().any(|node| !node.entries().is_empty()) {
        let how = "one address of all groups is drawn by weight";
        draft.about(&node.place, format!("weighted!{name}: groups"), how);
    }
    let weights: Vec<u32> = pool.members.iter().filter_map(|member| member.weight).collect();
    if pool.monitor.is_some() && weights.windows(2).any(|pair| pair[0] != pair[1]) {
        let how = "members that are up are counted, and not their weights";
        draft.about(&node.place, format!("weighted!{name}: up_thresh"), how);
    }
}

/// A pool of these members, without double ones; `None` when there are none.
fn pool(
    name: &str,
    place: &str,
    members: Vec<Member>,
    monitor: &Option<String>,
    draft: &mut Draft,
) -> Option<String> {
    let pool = made_of(name, place, members, draft)?;
    let name = pool.name.clone();
    draft.pools.push(Pool { monitor: monitor.clone(), ..pool });
    Some(name)
}

/// A pool of every address under a node, whatever its names and families.
fn pool_of(name: &str, node: &Node, draft: &mut Draft) -> Option<Pool> {
    let mut members: Vec<Member> = Vec::new();
    collect(node, &mut members);
    made_of(name, &node.place, members, draft)
}

fn made_of(name: &str, place: &str, members: Vec<Member>, draft: &mut Draft) -> Option<Pool> {
    let mut kept: Vec<Member> = Vec::new();
    for member in members {
        if !kept.iter().any(|known| known.data == member.data) {
            kept.push(member);
        }
    }
    let is_v6 = |m: &Member| matches!(m.data, Data::Address(address) if address.is_ipv6());
    if kept.iter().any(is_v6) && !kept.iter().all(is_v6) {
        let how = "a pool counts both families together; gdnsd counts each alone, and goes on when \
                   one of them is down";
        draft.about(place, format!("`{name}`: IPv4 and IPv6"), how);
    }
    (!kept.is_empty()).then(|| Pool {
        name: draft.target_name(name),
        place: place.to_owned(),
        answers: u32::try_from(kept.len()).ok().filter(|count| *count > 8),
        members: kept,
        ..Pool::default()
    })
}

fn collect(node: &Node, members: &mut Vec<Member>) {
    // `[ address, weight ]` of the plugin weighted.
    if let [data, weight] = node.items()
        && let (Some(text), Some(weight)) = (data.text(), weight.number())
    {
        let weight = Some(weight as u32);
        members.push(Member { weight, ..Member::of_host(&text) });
        return;
    }
    for (key, inner) in node.entries() {
        if !SETTINGS.contains(&&**key) {
            collect(inner, members);
        }
    }
    if node.entries().is_empty() {
        members
            .extend(node.items().iter().filter_map(Node::text).map(|text| Member::of_host(&text)));
    }
}

/// The monitor of a service type; `None` when there is none.
fn service_type(name: &str, node: &Node, draft: &mut Draft) -> Option<String> {
    let fields = Fields::new(node);
    let plugin = fields.text("plugin").unwrap_or_default();
    let number = |key, default| fields.number(key).unwrap_or(default);
    let (interval, timeout) = (number("interval", 10.0), number("timeout", 3.0));
    let (rise, fall) = (number("up_thresh", 20.0), number("down_thresh", 10.0));
    fields.skip(&["ok_thresh"]);
    let mut keys: Vec<(&'static str, toml::Value)> = Vec::new();
    match plugin.as_str() {
        "http_status" => {
            keys.push(("kind", "http".into()));
            keys.push(("port", (number("port", 80.0) as i64).into()));
            keys.push(("path", fields.text("url_path").unwrap_or_else(|| "/".to_owned()).into()));
            keys.extend(fields.text("vhost").map(|vhost| ("host", vhost.into())));
            let codes = fields.take("ok_codes").map(Node::items).unwrap_or_default();
            let codes: Vec<toml::Value> =
                codes.iter().filter_map(Node::number).map(|code| (code as i64).into()).collect();
            let codes = if codes.is_empty() { vec![200.into()] } else { codes };
            let mut expect = toml::Table::new();
            expect.insert("status".to_owned(), toml::Value::Array(codes));
            keys.push(("expect", expect.into()));
        }
        "tcp_connect" => {
            keys.push(("kind", "tcp".into()));
            keys.push(("port", (number("port", 0.0) as i64).into()));
        }
        _ => {
            let why = "only http_status and tcp_connect can be taken over; what it checks counts as \
                       up, always";
            draft.left(&node.place, format!("service type `{name}` of plugin {plugin}"), why);
            return None;
        }
    }
    keys.push(("interval", format!("{interval}s").into()));
    keys.push(("timeout", format!("{}s", timeout.min(interval)).into()));
    keys.push(("fall", (fall.clamp(1.0, 100.0) as i64).into()));
    keys.push(("rise", (rise.clamp(1.0, 100.0) as i64).into()));
    fields.finish(&format!("service type `{name}`"), |_| "", draft);
    let monitor = draft.monitor_name(name);
    let how = "`ok_thresh` is not known: failures in a row turn it down, successes in a row up";
    draft.about(&node.place, format!("service type `{name}`: monitor `{monitor}`"), how);
    draft.monitors.push(Monitor { name: monitor.clone(), place: node.place.clone(), keys });
    Some(monitor)
}
