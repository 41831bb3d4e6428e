//! gdnsd's plugins: how a resource chooses among addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::map::{Map, words};
use crate::cli::import::draft::{Data, Draft, Kind, Location, Member, Monitor, Pool};
use crate::cli::import::node::{Fields, Node};

/// Keys that stand among resources and are settings of all of them.
const SETTINGS: [&str; 8] = [
    "service_types",
    "up_thresh",
    "multi",
    "ignore_health",
    "maps",
    "resources",
    "datacenters",
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
            let node = if plugin == "geoip" { node.get("resources") } else { Some(*node) };
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
        let target = match (plugin, node) {
            // `geoip!www/dc1` is one data centre of `geoip!www`.
            ("geoip", Some(_)) if resource.contains('/') => {
                let whole = resource.split('/').next().unwrap_or_default();
                let whole = self.target(&format!("geoip!{whole}"), place, draft);
                whole.and_then(|_| self.made.get(name).cloned())
            }
            ("geoip", Some(node)) => {
                let inner = node.get("resources").and_then(|all| all.get(resource));
                inner.and_then(|inner| self.geoip(resource, inner, draft))
            }
            (_, Some(node)) => {
                let inner = node.get(resource);
                inner.and_then(|inner| self.resource(plugin, resource, inner, node, draft))
            }
            (_, None) => None,
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

    /// A resource of any plugin but geoip. `settings` are those of all resources around it.
    fn resource(
        &mut self,
        plugin: &str,
        name: &str,
        node: &Node,
        settings: &Node,
        draft: &mut Draft,
    ) -> Option<String> {
        let types = [node, settings].into_iter().find_map(|n| n.get("service_types"));
        let monitor = self.monitor(&words(types), &node.place, draft);
        let setting = |key: &str| [node, settings].into_iter().find_map(|n| n.get(key));
        match plugin {
            "static" | "multifo" | "weighted" => {
                let mut pool = pool_of(name, node, draft)?;
                pool.monitor = monitor;
                if plugin == "weighted" {
                    pool.balance = Some("weighted");
                    if setting("multi").is_some_and(Node::is_true) {
                        let how = "one address is drawn by weight, and not several";
                        draft.about(&node.place, format!("weighted!{name}: multi"), how);
                    }
                }
                if plugin != "static" && pool.monitor.is_some() {
                    let share = setting("up_thresh").and_then(Node::number).unwrap_or(0.5);
                    let needed = (pool.members.len() as f64 * share).ceil().max(1.0) as u32;
                    pool.min_healthy = Some(needed).filter(|needed| *needed > 1);
                }
                let name = pool.name.clone();
                draft.pools.push(pool);
                Some(name)
            }
            "simplefo" => {
                let mut targets = Vec::new();
                for key in ["primary", "secondary"] {
                    let Some(value) = node.get(key) else { continue };
                    targets.push(self.address(&format!("{name}-{key}"), value, &monitor, draft)?);
                }
                Some(draft.choice(name, &node.place, Kind::Failover(targets)))
            }
            "metafo" => {
                let list = setting("datacenters");
                let targets = self.datacenters(name, node, &monitor, draft);
                let order = words(list);
                let order = order.iter().filter_map(|dc| targets.get(dc).cloned()).collect();
                Some(draft.choice(name, &node.place, Kind::Failover(order)))
            }
            _ => None,
        }
    }

    fn geoip(&mut self, name: &str, node: &Node, draft: &mut Draft) -> Option<String> {
        let map = node.get("map").and_then(Node::text).and_then(|map| self.maps.get(&map).cloned());
        let Some(map) = map else {
            draft.left(&node.place, format!("geoip!{name}"), "its map is in no file");
            return None;
        };
        let types = words(node.get("service_types"));
        let monitor = self.monitor(&types, &node.place, draft);
        let targets = self.datacenters(name, node, &monitor, draft);
        for (datacenter, target) in &targets {
            self.made.insert(format!("geoip!{name}/{datacenter}"), target.clone());
        }
        let named = |list: &[String]| -> Vec<String> {
            let mut found: Vec<String> = Vec::new();
            for target in list.iter().filter_map(|dc| targets.get(dc)) {
                if !found.contains(target) {
                    found.push(target.clone());
                }
            }
            found
        };
        for (datacenter, latitude, longitude) in &map.coordinates {
            if let Some(target) = targets.get(datacenter) {
                let (latitude, longitude) = (*latitude, *longitude);
                draft.locate(target, &Location::Point { latitude, longitude });
            }
        }
        let rules: Vec<_> =
            map.rules.iter().map(|(places, to)| (places.clone(), named(to))).collect();
        let mut default = named(&map.default);
        if !map.coordinates.is_empty() {
            let near = named(&map.datacenters).into_iter().map(|target| (target, 0)).collect();
            let wanted = if rules.is_empty() { name.to_owned() } else { format!("{name}-nearest") };
            default = vec![draft.choice(&wanted, &node.place, Kind::Nearest(near))];
        }
        if rules.is_empty() {
            return match &default[..] {
                [only] => Some(only.clone()),
                _ => Some(draft.choice(name, &node.place, Kind::Failover(default))),
            };
        }
        // gdnsd goes through the list of the place alone, whatever is up elsewhere.
        let kind = Kind::Geo { rules, default, on_down: "fence" };
        Some(draft.choice(name, &node.place, kind))
    }

    /// The targets of the data centres of a resource, by the name of the data centre.
    fn datacenters(
        &mut self,
        name: &str,
        node: &Node,
        monitor: &Option<String>,
        draft: &mut Draft,
    ) -> BTreeMap<String, String> {
        let mut targets = BTreeMap::new();
        for (datacenter, value) in node.get("dcmap").map(Node::entries).unwrap_or_default() {
            let wanted = format!("{name}-{datacenter}");
            let target = match value.get("plugin").and_then(Node::text) {
                Some(plugin) => self.resource(&plugin, &wanted, value, node, draft),
                None => self.address(&wanted, value, monitor, draft),
            };
            targets.extend(target.map(|target| (datacenter.clone(), target)));
        }
        targets
    }

    /// An address, several of them, or the name of another resource.
    fn address(
        &mut self,
        name: &str,
        value: &Node,
        monitor: &Option<String>,
        draft: &mut Draft,
    ) -> Option<String> {
        if let Some(text) = value.text().filter(|text| text.contains('!')) {
            return self.target(&text, &value.place, draft);
        }
        let mut pool = pool_of(name, value, draft)?;
        pool.monitor.clone_from(monitor);
        let name = pool.name.clone();
        draft.pools.push(pool);
        Some(name)
    }

    fn monitor(&self, types: &[String], place: &str, draft: &mut Draft) -> Option<String> {
        let types = match types {
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

/// A pool of every address under a node, whatever its names and families.
fn pool_of(name: &str, node: &Node, draft: &mut Draft) -> Option<Pool> {
    let mut members: Vec<Member> = Vec::new();
    collect(node, &mut members);
    let mut kept: Vec<Member> = Vec::new();
    for member in members {
        if !kept.iter().any(|known| known.data == member.data) {
            kept.push(member);
        }
    }
    let is_v6 = |m: &Member| matches!(m.data, Data::Address(address) if address.is_ipv6());
    if kept.len() > 2 && kept.iter().any(is_v6) && !kept.iter().all(is_v6) {
        let how = "a pool counts both families together; gdnsd counts each alone";
        draft.about(&node.place, format!("`{name}`: IPv4 and IPv6"), how);
    }
    (!kept.is_empty()).then(|| Pool {
        name: draft.target_name(name),
        place: node.place.clone(),
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
        let is_setting = SETTINGS.contains(&&**key) || matches!(key.as_str(), "plugin" | "map");
        if !is_setting {
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
