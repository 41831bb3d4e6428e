//! Cloudflare's own rules: its documentation of load balancing ("Steering policies", "Origin-level
//! steering", "Pool and origin health").

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::told::{Told, all, data, draw};
use super::{Rule, Scene};
use crate::cli::import::cloudflare::region_places;
use crate::cli::import::draft::absolute;
use crate::cli::import::node::{Node, Value};
use crate::cli::import::terraform::Terraform;
use crate::geo::{Coordinates, Location};

/// Load balancers and pools, with the keys that they name each other by.
struct World {
    pools: BTreeMap<String, Node>,
    /// Keys of monitors that can be asked from here.
    monitors: BTreeSet<String>,
    key_of: Box<dyn Fn(&Node) -> String>,
}

pub(super) fn json(documents: &[Node]) -> Vec<Rule> {
    let (mut pools, mut monitors, mut balancers) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    let items = documents.iter().flat_map(|d| d.get("result").unwrap_or(d).items());
    for node in items {
        let key = node.get("id").and_then(Node::text).unwrap_or_default();
        if node.get("origins").is_some() {
            pools.insert(key, node.clone());
        } else if node.get("default_pools").is_some() {
            balancers.push(node.clone());
        } else if is_asked(node) {
            monitors.insert(key);
        }
    }
    let key_of = Box::new(|node: &Node| node.text().unwrap_or_else(|| node.shown()));
    rules(World { pools, monitors, key_of }, balancers)
}

pub(super) fn terraform(terraform: &Terraform) -> Vec<Rule> {
    let of_kind = |kind: &'static str| terraform.resources.iter().filter(move |r| r.kind == kind);
    let pools = of_kind("cloudflare_load_balancer_pool");
    let pools = pools.map(|r| (r.address.clone(), r.body.clone())).collect();
    let monitors = of_kind("cloudflare_load_balancer_monitor").filter(|r| is_asked(&r.body));
    let monitors = monitors.map(|r| r.address.clone()).collect();
    let balancers: Vec<Node> =
        of_kind("cloudflare_load_balancer").map(|resource| resource.body.clone()).collect();
    // Only references in these nodes are ever looked up.
    let mut known = BTreeMap::new();
    let mut nodes: Vec<&Node> = balancers.iter().collect();
    nodes.extend(of_kind("cloudflare_load_balancer_pool").map(|resource| &resource.body));
    while let Some(node) = nodes.pop() {
        if let Some(resource) = terraform.referred(node) {
            known.insert(node.shown(), resource.address.clone());
        }
        match &node.value {
            Value::List(items) => nodes.extend(items),
            Value::Map(entries) => nodes.extend(entries.iter().map(|(_, node)| node)),
            _ => {}
        }
    }
    let key_of = Box::new(move |node: &Node| {
        let shown = node.shown();
        known.get(&shown).cloned().unwrap_or_else(|| node.text().unwrap_or(shown))
    });
    rules(World { pools, monitors, key_of }, balancers)
}

/// Whether a monitor is of a kind that there is here.
fn is_asked(monitor: &Node) -> bool {
    let kind = monitor.get("type").and_then(Node::text).unwrap_or_else(|| "http".to_owned());
    matches!(kind.as_str(), "http" | "https" | "tcp")
}

fn rules(world: World, balancers: Vec<Node>) -> Vec<Rule> {
    let world = Rc::new(world);
    let rule = |balancer: Node| {
        let name = absolute(&balancer.get("name")?.text()?);
        if balancer.get("enabled").is_some_and(|node| !node.is_true()) {
            return None;
        }
        let checked = world.checked();
        let world = Rc::clone(&world);
        let tell = move |scene: &Scene<'_>| world.answer(&balancer, scene);
        Some(Rule { name, checked, networks: Vec::new(), tell: Box::new(tell) })
    };
    balancers.into_iter().filter_map(rule).collect()
}

impl World {
    fn checked(&self) -> BTreeSet<String> {
        let pools = self.pools.values().filter(|pool| self.is_monitored(pool));
        let origins = pools.flat_map(origins);
        origins.map(|(text, _)| text).collect()
    }

    fn is_monitored(&self, pool: &Node) -> bool {
        pool.get("monitor").is_some_and(|node| self.monitors.contains(&(self.key_of)(node)))
    }

    fn list(&self, list: Option<&Node>) -> Vec<&Node> {
        let nodes = list.map(Node::items).unwrap_or_default().iter();
        nodes.filter_map(|node| self.pools.get(&(self.key_of)(node))).collect()
    }

    fn answer(&self, balancer: &Node, scene: &Scene<'_>) -> Told {
        let any = |keys: [&str; 2]| keys.iter().find_map(|key| balancer.get(key));
        let defaults = self.list(any(["default_pools", "default_pool_ids"]));
        let by_country = |country: &str| {
            country == scene.location.country.map_or(String::new(), |c| c.to_string())
        };
        let country = areas(balancer.get("country_pools"), "country").into_iter();
        let country = country.filter(|(code, _)| by_country(code)).map(|(_, list)| list).next();
        let region = areas(balancer.get("region_pools"), "region").into_iter();
        let region =
            region.filter(|(code, _)| is_in(code, scene.location)).map(|(_, list)| list).next();
        let mapped = self.list(country.or(region));
        let has_areas =
            balancer.get("country_pools").is_some() || balancer.get("region_pools").is_some();
        let word = balancer.get("steering_policy").and_then(Node::text).unwrap_or_default();
        let word = match word.as_str() {
            "" if has_areas => "geo",
            "" => "off",
            word => word,
        };
        let up: Vec<&Node> =
            defaults.iter().copied().filter(|pool| self.is_up(pool, scene)).collect();
        let chosen: Told = match word {
            "random" | "least_outstanding_requests" | "least_connections" => {
                let weights = balancer.get("random_steering").and_then(|node| node.items().first());
                let own = weights.and_then(|node| node.get("pool_weights"));
                let default = weights.and_then(|node| node.get("default_weight")?.number());
                let weight = |pool: &Node| {
                    let entries = own.map(Node::entries).unwrap_or_default();
                    let mut of_pool = entries.iter().filter(|(key, node)| {
                        let value = Value::Text(key.clone());
                        let key = Node { value, place: node.place.clone() };
                        self.pools.get(&(self.key_of)(&key)) == Some(pool)
                    });
                    of_pool.next().and_then(|(_, node)| node.number()).or(default).unwrap_or(1.0)
                };
                draw(up.iter().map(|pool| (weight(pool), self.origins_up(pool, scene))).collect())
            }
            "proximity" | "dynamic_latency" => {
                let far = |pool: &&Node| {
                    let degrees = |key: &str| pool.get(key).and_then(Node::number);
                    let there = Coordinates::new(degrees("latitude")?, degrees("longitude")?)?;
                    Some(scene.location.coordinates?.distance_km(there))
                };
                let near = up.iter().copied().filter(|pool| far(pool).is_some());
                let near =
                    near.min_by(|a, b| far(a).unwrap_or(0.0).total_cmp(&far(b).unwrap_or(0.0)));
                let found = near.or(up.first().copied());
                found.map(|pool| self.origins_up(pool, scene)).unwrap_or_default()
            }
            word => {
                let order = if word == "geo" && !mapped.is_empty() { &mapped } else { &defaults };
                let first = order.iter().find(|pool| self.is_up(pool, scene));
                first.map(|pool| self.origins_up(pool, scene)).unwrap_or_default()
            }
        };
        if !chosen.is_empty() {
            return chosen;
        }
        // The fallback pool answers whatever its health.
        let fallback = self.list(any(["fallback_pool", "fallback_pool_id"]));
        let fallback =
            fallback.first().map(|pool| all(origins(pool).into_iter().map(|(text, _)| text)));
        fallback.unwrap_or_default()
    }

    fn is_up(&self, pool: &Node, scene: &Scene<'_>) -> bool {
        if pool.get("enabled").is_some_and(|node| !node.is_true()) {
            return false;
        }
        let needed = pool.get("minimum_origins").and_then(Node::number).unwrap_or(1.0).max(1.0);
        let up =
            origins(pool).iter().filter(|(text, _)| self.is_healthy(pool, text, scene)).count();
        up as f64 >= needed
    }

    fn is_healthy(&self, pool: &Node, origin: &str, scene: &Scene<'_>) -> bool {
        !(self.is_monitored(pool) && scene.down.contains(origin))
    }

    /// The healthy origins: all of them, or one by weight where weights are given.
    fn origins_up(&self, pool: &Node, scene: &Scene<'_>) -> Told {
        let policy = pool.get("origin_steering").and_then(|node| node.items().first());
        let policy = policy.and_then(|node| node.get("policy")?.text()).unwrap_or_default();
        let list = origins(pool);
        let is_weighted = list.len() > 1 && list.iter().any(|(_, weight)| weight.is_some());
        let is_name = |text: &str| text.parse::<std::net::IpAddr>().is_err();
        let up = list.into_iter().filter(|(text, _)| self.is_healthy(pool, text, scene));
        let up: Vec<(String, Option<f64>)> = up.collect();
        let draws =
            matches!(policy.as_str(), "hash" | "least_outstanding_requests" | "least_connections");
        let has_names = up.iter().any(|(text, _)| is_name(text));
        match is_weighted || draws || has_names {
            true => draw(up.into_iter().map(|(text, w)| (w.unwrap_or(1.0), all([text]))).collect()),
            false => all(up.into_iter().map(|(text, _)| text)),
        }
    }
}

/// Origins that are not switched off, with their weights.
fn origins(pool: &Node) -> Vec<(String, Option<f64>)> {
    let origins = pool.get("origins").map(Node::items).unwrap_or_default().iter();
    let is_on = |origin: &&Node| origin.get("enabled").is_none_or(Node::is_true);
    let read = |origin: &Node| {
        let Value::Text(address) = &origin.get("address")?.value else { return None };
        Some((data(address), origin.get("weight").and_then(Node::number)))
    };
    origins.filter(is_on).filter_map(read).collect()
}

/// Areas with their pools: a map in the API, blocks in Terraform.
fn areas<'a>(node: Option<&'a Node>, word: &str) -> Vec<(String, &'a Node)> {
    let mut found = Vec::new();
    for map in node.map(Node::items).unwrap_or_default() {
        match (map.get(word).and_then(Node::text), map.get("pool_ids")) {
            (Some(code), Some(list)) => found.push((code, list)),
            _ => found.extend(map.entries().iter().map(|(code, list)| (code.clone(), list))),
        }
    }
    found
}

/// Whether a region of Cloudflare's holds a client's country, or state in North America.
fn is_in(code: &str, location: &Location) -> bool {
    let places = region_places(code).unwrap_or_default();
    places.iter().any(|place| match place.split_once(':') {
        Some(("subdivision", code)) => location.subdivision.as_deref() == Some(code),
        Some((_, code)) => location.country.is_some_and(|country| country.to_string() == code),
        None => false,
    })
}
