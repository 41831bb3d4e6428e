//! `aws_route53_record`, `aws_route53_zone` and `aws_route53_health_check`.

use std::collections::BTreeMap;

use super::check::{self, Checks};
use super::tree::Tree;
use super::{Alias, RecordSet, Routing, bias, place};
use crate::cli::import::draft::{Draft, Location, absolute, is_within};
use crate::cli::import::node::{Fields, Node, Value};
use crate::cli::import::terraform::{Resource, Terraform};

/// The kinds of resources that are read here.
pub(in crate::cli::import) const KINDS: [&str; 4] = [
    "aws_route53_record",
    "aws_route53_zone",
    "aws_route53_health_check",
    "aws_route53_cidr_location",
];

/// Takes over everything of Route 53 in the files.
pub(in crate::cli::import) fn terraform(terraform: &Terraform, draft: &mut Draft) {
    let (sets, checks) = read(terraform, draft);
    Tree { sets: &sets, checks: &checks }.grow(draft);
}

/// The record sets and health checks of the files.
pub(super) fn read(terraform: &Terraform, draft: &mut Draft) -> (Vec<RecordSet>, Checks) {
    let of_kind = |kind: &'static str| terraform.resources.iter().filter(move |r| r.kind == kind);
    let mut zones = BTreeMap::new();
    for resource in of_kind("aws_route53_zone") {
        if let Some(name) = resource.body.get("name").and_then(Node::text) {
            zones.insert(resource.address.clone(), absolute(&name));
            draft.zone(&name);
            if resource.body.get("vpc").is_some() {
                let how = "it is answered to everyone who can reach the server";
                draft.about(&resource.place(), "a private zone", how);
            }
        }
    }
    let mut checks = Checks::new();
    for resource in of_kind("aws_route53_health_check") {
        let name = &resource.name;
        let found = check::add(&resource.body, &check::TERRAFORM, name, &resource.place(), draft);
        checks.extend(found.map(|check| (resource.address.clone(), check)));
    }
    let mut sets = Vec::new();
    for resource in of_kind("aws_route53_record") {
        sets.extend(Reading { terraform, zones: &zones }.set(resource, draft));
    }
    (sets, checks)
}

struct Reading<'a> {
    terraform: &'a Terraform,
    /// Names of zones by the address of their resource.
    zones: &'a BTreeMap<String, String>,
}

impl Reading<'_> {
    fn set(&self, resource: &Resource, draft: &mut Draft) -> Option<RecordSet> {
        let fields = Fields::new(&resource.body);
        let place = resource.place();
        if let Some(repeats) = fields.take_any(&["for_each", "count"]) {
            let what = format!("a record repeated by `{}`", repeats.shown());
            draft.left(&place, what, "write its records out one by one");
            return None;
        }
        let zone = fields.take("zone_id").and_then(|node| {
            let address = self.terraform.referred(node).map(|zone| zone.address.clone());
            self.zones.get(&address?).cloned()
        });
        let name = match fields.take("name").map(|node| (&node.value, node.text())) {
            Some((_, Some(name))) => name,
            None => String::new(),
            Some((Value::Unknown(text), _)) => {
                let what = format!("a record whose name is `{text}`");
                draft.left(&place, what, "give its value with --set");
                return None;
            }
            Some(_) => return None,
        };
        let name = full(&name, zone.as_deref());
        let rtype = fields.text("type").unwrap_or_else(|| "A".to_owned());
        fields.skip(&["allow_overwrite", "depends_on", "lifecycle", "provider"]);
        let routing = self.routing(&fields, draft);
        let set = RecordSet {
            values: self.values(&fields, &rtype, &place, draft),
            alias: fields.take("alias").and_then(|alias| alias_of(alias, &place, draft)),
            ttl: fields.number("ttl").map(|ttl| ttl as u32),
            identifier: fields.text("set_identifier").unwrap_or_else(|| resource.name.clone()),
            check: fields.take("health_check_id").and_then(|node| {
                let check = self.terraform.referred(node).map(|check| check.address.clone());
                if check.is_none() {
                    let what = format!("the health check `{}`", node.shown());
                    draft.left(&place, what, "it stands in no file; the records count as up");
                }
                check
            }),
            name,
            rtype,
            routing,
            place,
        };
        fields.finish(&resource.address, |_| "", draft);
        Some(set)
    }

    fn routing<'a>(&self, fields: &Fields<'a>, draft: &mut Draft) -> Routing {
        let block = |key: &'a str| fields.take(key).and_then(|node| node.items().first());
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::text);
        if let Some(node) = block("weighted_routing_policy") {
            let weight = node.get("weight").and_then(Node::number).unwrap_or(0.0);
            return Routing::Weighted(weight as u32);
        }
        // The first form of the provider.
        if let Some(weight) = fields.number("weight") {
            return Routing::Weighted(weight as u32);
        }
        if let Some(node) = block("latency_routing_policy") {
            return Routing::Latency(text(node, "region").unwrap_or_default());
        }
        if let Some(node) = block("failover_routing_policy") {
            let word = text(node, "type").unwrap_or_default();
            return Routing::Failover { is_primary: word.eq_ignore_ascii_case("PRIMARY") };
        }
        if let Some(node) = block("geolocation_routing_policy") {
            let [continent, country, subdivision] =
                ["continent", "country", "subdivision"].map(|key| text(node, key));
            let place = place(continent.as_deref(), country.as_deref(), subdivision.as_deref());
            return Routing::Geolocation(place);
        }
        if let Some(node) = block("geoproximity_routing_policy") {
            let theirs = node.get("bias").and_then(Node::number).unwrap_or(0.0);
            let (bias, is_exact) = bias(theirs);
            if !is_exact {
                let what = format!("a bias of {theirs}");
                draft.about(
                    &node.place,
                    what,
                    &format!("{bias} lengthens distances nearly as much"),
                );
            }
            let point = node.get("coordinates").and_then(|node| node.items().first());
            let degrees = |key: &str| point.and_then(|point| point.get(key)?.number());
            let location =
                match (text(node, "aws_region"), degrees("latitude"), degrees("longitude")) {
                    (Some(region), ..) => Location::Region(format!("aws:{region}")),
                    (None, Some(latitude), Some(longitude)) => {
                        Location::Point { latitude, longitude }
                    }
                    _ => {
                        let group = text(node, "local_zone_group").unwrap_or_default();
                        let region = parent_region(&group);
                        let what = format!("the local zone `{group}`");
                        draft.about(&node.place, what, &format!("placed at its region, {region}"));
                        Location::Region(format!("aws:{region}"))
                    }
                };
            return Routing::Geoproximity { location, bias };
        }
        if let Some(node) = block("cidr_routing_policy") {
            return Routing::Cidr(self.networks(node, draft));
        }
        if fields.is_true("multivalue_answer_routing_policy") {
            return Routing::Multivalue;
        }
        Routing::Simple
    }

    /// The networks of a location of a CIDR collection; none for `*`.
    fn networks(&self, node: &Node, draft: &mut Draft) -> Vec<String> {
        let name = node.get("location_name").and_then(Node::text).unwrap_or_default();
        if name == "*" {
            return Vec::new();
        }
        let is_it = |resource: &&Resource| {
            resource.kind == "aws_route53_cidr_location"
                && resource.body.get("name").and_then(Node::text).as_ref() == Some(&name)
        };
        let blocks =
            self.terraform.resources.iter().find(is_it).and_then(|r| r.body.get("cidr_blocks"));
        let blocks: Vec<String> =
            blocks.into_iter().flat_map(Node::items).filter_map(Node::text).collect();
        if blocks.is_empty() {
            let what = format!("the networks of the location `{name}`");
            draft.left(&node.place, what, "they stand in no file");
        }
        blocks
    }

    fn values<'a>(
        &self,
        fields: &Fields<'a>,
        rtype: &str,
        place: &str,
        draft: &mut Draft,
    ) -> Vec<String> {
        let mut values = Vec::new();
        for node in fields.take("records").into_iter().flat_map(Node::items) {
            match &node.value {
                Value::Unknown(reference) => {
                    let name = stand_in(reference, place, draft);
                    values.push(name);
                }
                _ => values.extend(node.text().map(|text| match rtype {
                    // Terraform adds the outer quotes itself.
                    "TXT" | "SPF" if !text.starts_with('"') => format!("\"{text}\""),
                    _ => text,
                })),
            }
        }
        values
    }
}

fn alias_of(node: &Node, place: &str, draft: &mut Draft) -> Option<Alias> {
    let node = node.items().first()?;
    let fields = Fields::new(node);
    let name = fields.take("name")?;
    let name = match &name.value {
        Value::Unknown(reference) => stand_in(reference, place, draft),
        _ => absolute(&name.text()?),
    };
    let evaluates_health = fields.is_true("evaluate_target_health");
    fields.skip(&["zone_id"]);
    fields.finish("alias", |_| "", draft);
    Some(Alias { name, evaluates_health })
}

/// A name that stands for a value only Terraform knows: one that is sure not to exist (RFC 6761).
fn stand_in(reference: &str, place: &str, draft: &mut Draft) -> String {
    let labels = reference.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    let labels =
        labels.split('.').map(|label| label.trim_matches('-')).collect::<Vec<_>>().join(".");
    let name = absolute(&format!("{labels}.invalid"));
    draft.left(
        place,
        format!("the value of `{reference}`"),
        &format!(
            "only Terraform knows it; `{name}` stands for it. Give it with --set {reference}=VALUE"
        ),
    );
    name
}

/// `us-west-2-lax-1` is in `us-west-2`.
fn parent_region(group: &str) -> String {
    group.split('-').take(3).collect::<Vec<_>>().join("-")
}

/// A name in its zone: Terraform adds the zone's name where it is missing.
fn full(name: &str, zone: Option<&str>) -> String {
    let Some(zone) = zone else { return absolute(name) };
    if name.is_empty() || name == "@" {
        return zone.to_owned();
    }
    let absolute = absolute(name);
    if is_within(&absolute, zone) { absolute } else { format!("{absolute}{zone}") }
}
