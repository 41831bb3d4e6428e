//! Load balancers of Cloudflare: their steering policies.

use std::net::IpAddr;

use super::regions;
use super::{Item, Known};
use crate::cli::import::draft::{Data, Draft, Kind, Record, absolute, first_label};
use crate::cli::import::node::{Fields, Node};

/// Adds what a load balancer is: a record over a policy.
pub(super) fn balancer(
    item: &Item<'_>,
    known: &Known,
    key_of: &dyn Fn(&Node) -> String,
    draft: &mut Draft,
) {
    let fields = Fields::new(item.node);
    let Some(name) = fields.text("name") else {
        return draft.left(&item.place, "a load balancer", "it has no name, or one no file holds");
    };
    let name = absolute(&name);
    if fields.take("enabled").is_some_and(|node| !node.is_true()) {
        return draft.left(&item.place, format!("`{name}`"), "the load balancer is switched off");
    }
    let pools = |list: Option<&Node>, draft: &mut Draft| -> Vec<String> {
        let mut names = Vec::new();
        for node in list.map(Node::items).unwrap_or_default() {
            match known.pools.get(&key_of(node)) {
                Some(pool) if names.contains(pool) => {}
                Some(pool) => names.push(pool.clone()),
                None => {
                    let what = format!("the pool {} of `{name}`", node.shown());
                    draft.left(&item.place, what, "it is in no file, or has no member");
                }
            }
        }
        names
    };
    let defaults = pools(fields.take_any(&["default_pools", "default_pool_ids"]), draft);
    let fallback = pools(fields.take_any(&["fallback_pool", "fallback_pool_id"]), draft);
    let mut rules: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (key, word) in [("region_pools", "region"), ("country_pools", "country")] {
        for (code, list) in fields.take(key).into_iter().flat_map(|node| areas(node, word)) {
            let to = pools(Some(list), draft);
            let places = match key {
                "country_pools" => Some(vec![format!("country:{code}")]),
                _ => regions::places(&code),
            };
            match places {
                None => {
                    draft.left(
                        &list.place,
                        format!("the region {code}"),
                        "no such region is known",
                    );
                }
                Some(places) if !to.is_empty() => add_rule(&mut rules, places, to),
                Some(_) => {}
            }
        }
    }
    if !rules.is_empty() {
        let how = "a client's region is that of its country, or state in North America, and not of \
                   the data centre it reaches";
        draft.about(&item.place, format!("`{name}`: regions of Cloudflare"), how);
    }
    let steering = fields.text("steering_policy").unwrap_or_default();
    let steering = match steering.as_str() {
        // What Cloudflare does when it is not said.
        "" if rules.is_empty() => "off",
        "" => "geo",
        word => word,
    };
    let weights = fields.take("random_steering").and_then(|node| node.items().first());
    let choice = Choice { name: &name, item, defaults: &defaults, draft };
    let Some(target) = choice.target(steering, rules, weights, key_of, known) else {
        return draft.left(
            &item.place,
            format!("`{name}`"),
            "none of its pools could be taken over",
        );
    };
    affinity(&fields, &name, item, draft);
    let is_proxied = fields.is_true("proxied");
    if is_proxied {
        let how = "clients are told the origins themselves, and come to them without Cloudflare \
                   between";
        draft.about(&item.place, format!("`{name}`: proxied"), how);
    }
    let ttl = fields.number("ttl").filter(|ttl| *ttl > 0.0 && !is_proxied).unwrap_or(30.0) as u32;
    let (target, on_all_down) = last_resort(&name, item, target, &fallback, draft);
    fields.skip(&["id", "zone_id", "zone_name", "description", "created_on", "modified_on"]);
    fields.skip(&["networks", "location_strategy"]);
    fields.finish(&format!("`{name}`"), why, draft);
    draft.records.push(Record { name, target, ttl, on_all_down, place: item.place.clone() });
}

/// Areas with their pools: a map in the API, blocks in Terraform.
fn areas<'a>(node: &'a Node, word: &str) -> Vec<(String, &'a Node)> {
    let mut found = Vec::new();
    for map in node.items() {
        match (map.get(word).and_then(Node::text), map.get("pool_ids")) {
            (Some(code), Some(list)) => found.push((code, list)),
            _ => found.extend(map.entries().iter().map(|(code, list)| (code.clone(), list))),
        }
    }
    found
}

/// Regions with the same pools become one rule; a place that two rules have is the first's.
fn add_rule(rules: &mut Vec<(Vec<String>, Vec<String>)>, places: Vec<String>, to: Vec<String>) {
    let is_new = |place: &String| !rules.iter().any(|(known, _)| known.contains(place));
    let places: Vec<String> = places.into_iter().filter(is_new).collect();
    match rules.iter_mut().find(|(_, known)| *known == to) {
        Some((known, _)) => known.extend(places),
        None if places.is_empty() => {}
        None => rules.push((places, to)),
    }
}

struct Choice<'a, 'd> {
    name: &'a str,
    item: &'a Item<'a>,
    defaults: &'a [String],
    draft: &'d mut Draft,
}

impl Choice<'_, '_> {
    /// The target of the load balancer; `None` when it has no pool.
    fn target(
        self,
        steering: &str,
        rules: Vec<(Vec<String>, Vec<String>)>,
        weights: Option<&Node>,
        key_of: &dyn Fn(&Node) -> String,
        known: &Known,
    ) -> Option<String> {
        let Choice { name, item, defaults, draft } = self;
        let place = &item.place;
        let what = format!("`{name}`: steering policy {steering}");
        let kind = match steering {
            "geo" if !rules.is_empty() => {
                draft.exact(place, what);
                // A region keeps to its own pools; then the fallback pool answers.
                Kind::Geo { rules, default: defaults.to_vec(), on_down: "fence" }
            }
            "off" | "geo" => {
                draft.exact(place, what);
                Kind::Failover(defaults.to_vec())
            }
            "random" | "least_outstanding_requests" | "least_connections" => {
                if steering == "random" {
                    draft.exact(place, what);
                } else {
                    let how = "a DNS server does not see connections: drawn by weight";
                    draft.about(place, what, how);
                }
                let default = weights.and_then(|node| node.get("default_weight")?.number());
                let own = weights.and_then(|node| node.get("pool_weights"));
                let weight = |pool: &String| {
                    let entries = own.map(Node::entries).unwrap_or_default();
                    let of_pool = entries.iter().find(|(key, node)| {
                        let key = Node {
                            value: super::super::node::Value::Text(key.clone()),
                            place: node.place.clone(),
                        };
                        known.pools.get(&key_of(&key)) == Some(pool)
                    });
                    let weight =
                        of_pool.and_then(|(_, node)| node.number()).or(default).unwrap_or(1.0);
                    (weight * 100.0).round().max(0.0) as u32
                };
                let mut targets: Vec<(String, u32)> =
                    defaults.iter().map(|pool| (pool.clone(), weight(pool))).collect();
                if targets.iter().all(|(_, weight)| *weight == 0) {
                    targets.iter_mut().for_each(|(_, weight)| *weight = 1);
                }
                Kind::Weighted { targets, by_client: false }
            }
            "proximity" | "dynamic_latency" => {
                let is_located = |pool: &String| {
                    draft.pools.iter().any(|known| known.name == *pool && known.location.is_some())
                };
                if !defaults.iter().all(is_located) {
                    let why = "not all of its pools say where they are (latitude, longitude); in \
                               order of preference instead";
                    draft.left(place, what, why);
                    Kind::Failover(defaults.to_vec())
                } else if steering == "proximity" {
                    draft.exact(place, what);
                    Kind::Nearest(defaults.iter().map(|pool| (pool.clone(), 0)).collect())
                } else {
                    let how = "distances stand for Cloudflare's measurements, until you have a \
                               table of your own (docs/latency.md)";
                    draft.about(place, what, how);
                    Kind::Latency(defaults.to_vec())
                }
            }
            other => {
                let why = format!("`{other}` is not known; in order of preference instead");
                draft.left(place, what, &why);
                Kind::Failover(defaults.to_vec())
            }
        };
        if kind.targets().is_empty() {
            return None;
        }
        match &kind {
            Kind::Failover(targets) if targets.len() == 1 => Some(targets[0].clone()),
            _ => Some(draft.choice(&first_label(name), place, kind)),
        }
    }
}

/// The fallback pool: its addresses when nothing is up, whatever its own state; or, when it has
/// names, the same pool once more without monitor at the end of a list.
fn last_resort(
    name: &str,
    item: &Item<'_>,
    target: String,
    fallback: &[String],
    draft: &mut Draft,
) -> (String, Vec<IpAddr>) {
    let Some(pool) = fallback.first().and_then(|f| draft.pools.iter().find(|pool| pool.name == *f))
    else {
        return (target, Vec::new());
    };
    let mut last = pool.clone();
    let addresses: Option<Vec<IpAddr>> = last
        .members
        .iter()
        .map(|member| match member.data {
            Data::Address(address) => Some(address),
            _ => None,
        })
        .collect();
    draft.exact(&item.place, format!("`{name}`: fallback pool `{}`", last.name));
    if let Some(addresses) = addresses {
        return (target, addresses);
    }
    last.name = draft.target_name(&format!("{}-fallback", last.name));
    last.monitor = None;
    last.state = None;
    last.min_healthy = None;
    last.members.iter_mut().for_each(|member| member.port = None);
    let list = vec![target, last.name.clone()];
    draft.pools.push(last);
    let label = format!("{}-or-fallback", first_label(name));
    (draft.choice(&label, &item.place, Kind::Failover(list)), Vec::new())
}

/// Sessions are kept by Cloudflare's proxy with cookies and headers, which DNS does not have.
fn affinity(fields: &Fields<'_>, name: &str, item: &Item<'_>, draft: &mut Draft) {
    fields.skip(&["session_affinity_ttl", "session_affinity_attributes"]);
    let Some(word) = fields.text("session_affinity").filter(|word| word != "none") else { return };
    let why = "a DNS server sees no cookies and headers; a `sticky` policy or pool keeps each \
               client's network where it is";
    draft.left(&item.place, format!("`{name}`: session affinity by {word}"), why);
}

fn why(key: &str) -> &'static str {
    match key {
        "pop_pools" => "clients come to no data centre of Cloudflare any more",
        "rules" => "rules look at HTTP requests, which a DNS server does not see",
        "adaptive_routing" => {
            "other pools are used when one is down; single requests are not retried"
        }
        _ => "",
    }
}
