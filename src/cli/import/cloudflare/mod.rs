//! Cloudflare's load balancing: load balancers, pools of origins, monitors.
//!
//! Terraform's provider (the fourth and the fifth version) and the API have nearly the same words,
//! and are read by the same code.

mod balancer;
mod pool;
mod regions;

pub(super) use self::regions::places as region_places;

use std::collections::BTreeMap;

use super::Failure;
use super::draft::{Draft, Static, absolute};
use super::node::{Fields, Node};
use super::terraform::Terraform;

/// The kinds of resources that are read here.
pub(super) const KINDS: [&str; 6] = [
    "cloudflare_load_balancer",
    "cloudflare_load_balancer_pool",
    "cloudflare_load_balancer_monitor",
    "cloudflare_record",
    "cloudflare_dns_record",
    "cloudflare_zone",
];

/// What is known by a key: the id of the API, or the address of a Terraform resource.
#[derive(Debug, Default)]
struct Known {
    /// Names of monitors in the draft.
    monitors: BTreeMap<String, String>,
    /// Names of pools in the draft.
    pools: BTreeMap<String, String>,
}

/// A thing of one kind: its key, where it stands, what it is called, and what it says.
#[derive(Debug)]
struct Item<'a> {
    key: String,
    place: String,
    title: String,
    node: &'a Node,
}

/// Takes over everything of Cloudflare in Terraform files.
pub(super) fn terraform(terraform: &Terraform, draft: &mut Draft) {
    let of_kind = |kinds: &[&str]| -> Vec<Item<'_>> {
        let wanted = terraform.resources.iter().filter(|resource| kinds.contains(&&*resource.kind));
        let item =
            |resource: &'_ super::terraform::Resource| (resource.address.clone(), resource.place());
        wanted
            .map(|resource| {
                let (key, place) = item(resource);
                Item { key, place, title: resource.name.clone(), node: &resource.body }
            })
            .collect()
    };
    for zone in of_kind(&["cloudflare_zone"]) {
        let name = ["zone", "name"].iter().find_map(|key| zone.node.get(key)?.text());
        if let Some(name) = name {
            draft.zone(&name);
        }
    }
    let key_of = |node: &Node| match terraform.referred(node) {
        Some(resource) => resource.address.clone(),
        None => node.text().unwrap_or_else(|| node.shown()),
    };
    take_over(
        &of_kind(&["cloudflare_load_balancer_monitor"]),
        &of_kind(&["cloudflare_load_balancer_pool"]),
        &of_kind(&["cloudflare_load_balancer"]),
        &key_of,
        draft,
    );
    for item in of_kind(&["cloudflare_record", "cloudflare_dns_record"]) {
        record(&item, draft);
    }
}

/// Takes over documents of the API: the answers to lists of load balancers, pools, monitors and DNS
/// records, or single ones, in any order.
///
/// # Errors
/// When one of them is none of these.
pub(super) fn json(documents: &[Node], draft: &mut Draft) -> Result<(), Failure> {
    let (mut monitors, mut pools, mut balancers, mut records) = (vec![], vec![], vec![], vec![]);
    for document in documents {
        let items = document.get("result").unwrap_or(document).items();
        for node in items {
            let has = |key: &str| node.get(key).is_some();
            let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
            let title = if has("name") { text("name") } else { text("description") };
            let place = match title.as_str() {
                "" => node.place.clone(),
                title => format!("{} ({title})", node.place),
            };
            let item = Item { key: text("id"), place, title, node };
            if has("origins") {
                pools.push(item);
            } else if has("default_pools") {
                balancers.push(item);
            } else if has("content") && has("type") {
                records.push(item);
            } else if has("type") && (has("interval") || has("retries") || has("timeout")) {
                monitors.push(item);
            } else {
                return Err(Failure::Foreign {
                    path: item.place,
                    why: "this is no load balancer, pool, monitor or DNS record of Cloudflare's API",
                });
            }
        }
    }
    for item in &records {
        if let Some(zone) = item.node.get("zone_name").and_then(Node::text) {
            draft.zone(&zone);
        }
    }
    let key_of = |node: &Node| node.text().unwrap_or_else(|| node.shown());
    take_over(&monitors, &pools, &balancers, &key_of, draft);
    for item in &records {
        record(item, draft);
    }
    Ok(())
}

fn take_over(
    monitors: &[Item<'_>],
    pools: &[Item<'_>],
    balancers: &[Item<'_>],
    key_of: &dyn Fn(&Node) -> String,
    draft: &mut Draft,
) {
    let mut known = Known::default();
    for item in monitors {
        let name = pool::monitor(item, draft);
        known.monitors.extend(name.map(|name| (item.key.clone(), name)));
    }
    for item in pools {
        let name = pool::pool(item, &known, key_of, draft);
        known.pools.extend(name.map(|name| (item.key.clone(), name)));
    }
    for item in balancers {
        balancer::balancer(item, &known, key_of, draft);
    }
}

/// A plain DNS record.
fn record(item: &Item<'_>, draft: &mut Draft) {
    let fields = Fields::new(item.node);
    let (Some(name), Some(rtype)) = (fields.text("name"), fields.text("type")) else { return };
    let content = fields.take_any(&["content", "value"]).and_then(Node::text);
    let Some(content) = content else {
        let why = "records with their data in parts are not read; add it to the zone file";
        return draft.left(&item.place, format!("`{name}` {rtype}"), why);
    };
    let owner = match name.as_str() {
        // Terraform's names may be short; the zone is then the only one.
        name if !name.contains('.') && draft.zones.len() == 1 => match name {
            "@" => draft.zones[0].name.clone(),
            name => format!("{}.{}", name.to_ascii_lowercase(), draft.zones[0].name),
        },
        name => absolute(name),
    };
    let data = match (rtype.as_str(), fields.number("priority")) {
        ("MX", Some(priority)) => format!("{priority} {}", absolute(&content)),
        ("CNAME" | "NS" | "PTR", _) => absolute(&content),
        ("TXT", _) if !content.starts_with('"') => format!("\"{}\"", content.replace('"', "\\\"")),
        _ => content,
    };
    // 1 is "automatic".
    let ttl = fields.number("ttl").filter(|ttl| *ttl > 1.0).unwrap_or(300.0) as u32;
    if fields.is_true("proxied") {
        let how = "clients are told the origin itself, and come to it without Cloudflare between";
        draft.about(&item.place, format!("`{owner}` {rtype}: proxied"), how);
    } else {
        draft.exact(&item.place, format!("`{owner}` {rtype}: in the zone file"));
    }
    fields.skip(&[
        "id",
        "zone_id",
        "zone_name",
        "proxiable",
        "locked",
        "meta",
        "comment",
        "tags",
        "created_on",
        "modified_on",
        "comment_modified_on",
        "tags_modified_on",
        "settings",
        "allow_overwrite",
    ]);
    fields.finish(&format!("{owner} {rtype}"), |_| "", draft);
    let record = Static { owner: owner.clone(), rtype, data, ttl };
    draft.zone_around(&owner).records.push(record);
}
