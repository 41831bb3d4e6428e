//! The JSON of `aws route53`: list-resource-record-sets, list-health-checks, list-hosted-zones,
//! list-cidr-blocks, get-traffic-policy, list-traffic-policy-instances, and traffic policy documents.

use std::collections::BTreeMap;

use super::check::{self, Checks};
use super::expand::expand;
use super::traffic::{self, Instance};
use super::tree::Tree;
use super::{Alias, RecordSet, Routing, bias, place};
use crate::cli::import::Failure;
use crate::cli::import::draft::{Draft, Location, absolute};
use crate::cli::import::node::{Fields, Node};

/// Takes over everything in the documents, in any order.
///
/// # Errors
/// When one of them is no document of Route 53.
pub(in crate::cli::import) fn json(documents: &[Node], draft: &mut Draft) -> Result<(), Failure> {
    let (sets, checks) = read(documents, draft)?;
    for set in sets.iter().filter(|set| set.rtype == "SOA") {
        draft.zone(&set.name);
    }
    Tree { sets: &sets, checks: &checks }.grow(draft);
    let instances = instances(documents);
    for document in documents {
        traffic_policy(document, &instances, &checks, draft)?;
    }
    Ok(())
}

/// The record sets that Route 53 makes of traffic policies and that are not among `sets`.
pub(super) fn of_policies(documents: &[Node], sets: &[RecordSet]) -> Vec<RecordSet> {
    let is_new = |instance: &Instance| !sets.iter().any(|set| set.name == instance.name);
    let mut found = Vec::new();
    for policy in documents.iter().filter_map(|document| Policy::read(document).ok().flatten()) {
        for instance in instances(documents).iter().filter(|i| i.policy == policy.id) {
            if is_new(instance) {
                found.extend(expand(&policy.document, instance));
            }
        }
    }
    found
}

fn instances(documents: &[Node]) -> Vec<Instance> {
    let lists = documents.iter().filter_map(|document| document.get("TrafficPolicyInstances"));
    lists.flat_map(Node::items).filter_map(Instance::read).collect()
}

/// The record sets and health checks of documents.
///
/// # Errors
/// When one of them is no document of Route 53.
pub(super) fn read(
    documents: &[Node],
    draft: &mut Draft,
) -> Result<(Vec<RecordSet>, Checks), Failure> {
    let mut checks = Checks::new();
    let mut networks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in documents {
        let list = |key: &str| document.get(key).map(Node::items).unwrap_or_default();
        let known = [
            "ResourceRecordSets",
            "HealthChecks",
            "HostedZones",
            "CidrBlocks",
            "TrafficPolicyInstances",
            "TrafficPolicy",
            "AWSPolicyFormatVersion",
        ];
        if !known.iter().any(|key| document.get(key).is_some()) {
            return Err(Failure::Foreign {
                path: document.place.clone(),
                why: "this is not what `aws route53 list-resource-record-sets`, \
                      `list-health-checks`, `list-hosted-zones`, `list-cidr-blocks`, \
                      `get-traffic-policy` or `list-traffic-policy-instances` print, and no \
                      traffic policy document",
            });
        }
        for check in list("HealthChecks") {
            checks.extend(health_check(check, draft));
        }
        for zone in list("HostedZones") {
            if let Some(name) = zone.get("Name").and_then(Node::text) {
                draft.zone(&name);
            }
        }
        for block in list("CidrBlocks") {
            let text = |key: &str| block.get(key).and_then(Node::text).unwrap_or_default();
            networks.entry(text("LocationName")).or_default().push(text("CidrBlock"));
        }
        if document.get("IsTruncated").is_some_and(Node::is_true) {
            let why = "the list was cut; ask for all of it without --max-items";
            draft.left(&document.place, "what comes after the last item", why);
        }
    }
    let mut sets = Vec::new();
    for document in documents {
        for set in document.get("ResourceRecordSets").map(Node::items).unwrap_or_default() {
            sets.extend(record_set(set, &networks, &checks, draft));
        }
    }
    Ok((sets, checks))
}

/// A document as it is, or inside of what `get-traffic-policy` prints.
fn traffic_policy(
    document: &Node,
    instances: &[Instance],
    checks: &Checks,
    draft: &mut Draft,
) -> Result<(), Failure> {
    if document.get("AWSPolicyFormatVersion").is_some() {
        traffic::take_over(document, "traffic", &[], checks, draft);
        return Ok(());
    }
    let Some(Policy { id, title, document }) = Policy::read(document)? else { return Ok(()) };
    // What Route 53 made of it may be among the record sets, and is taken over from there.
    let is_new = |instance: &&Instance| !draft.records.iter().any(|r| r.name == instance.name);
    let of_it: Vec<&Instance> =
        instances.iter().filter(|i| i.policy == id).filter(is_new).collect();
    let is_known = of_it.is_empty() && instances.iter().any(|instance| instance.policy == id);
    if !is_known {
        traffic::take_over(&document, &title, &of_it, checks, draft);
    }
    Ok(())
}

/// What `get-traffic-policy` prints.
struct Policy {
    /// Id and version.
    id: (String, String),
    title: String,
    document: Node,
}

impl Policy {
    /// `None` when it is another document.
    fn read(document: &Node) -> Result<Option<Policy>, Failure> {
        let Some(policy) = document.get("TrafficPolicy") else { return Ok(None) };
        let text = |key: &str| policy.get(key).and_then(Node::text).unwrap_or_default();
        let place = format!("{}/Document", policy.place);
        let json = serde_json::from_str(&text("Document")).map_err(|error| Failure::Syntax {
            path: place.clone(),
            line: Some(error.line()),
            why: error.to_string(),
        })?;
        Ok(Some(Policy {
            id: (text("Id"), text("Version")),
            title: text("Name"),
            document: Node::of_json(&json, &place),
        }))
    }
}

fn health_check(node: &Node, draft: &mut Draft) -> Option<(String, check::Check)> {
    let id = node.get("Id").and_then(Node::text)?;
    let place = format!("{} (health check {id})", node.place);
    let config = node.get("HealthCheckConfig")?;
    let host = ["FullyQualifiedDomainName", "IPAddress"]
        .iter()
        .find_map(|key| config.get(key).and_then(Node::text));
    let name = host.unwrap_or_else(|| id.clone());
    let check = check::add(config, &check::API, &name, &place, draft)?;
    Some((id, check))
}

fn record_set(
    node: &Node,
    networks: &BTreeMap<String, Vec<String>>,
    checks: &Checks,
    draft: &mut Draft,
) -> Option<RecordSet> {
    let fields = Fields::new(node);
    // `*` is written as \052.
    let name = absolute(&fields.text("Name")?.replace("\\052", "*"));
    let rtype = fields.text("Type")?;
    let identifier = fields.text("SetIdentifier").unwrap_or_default();
    let place = match identifier.as_str() {
        "" => format!("{} ({name} {rtype})", node.place),
        identifier => format!("{} ({name} {rtype}, {identifier})", node.place),
    };
    if let Some(id) = fields.text("TrafficPolicyInstanceId") {
        let how = "the records it made are taken over, the policy is not";
        draft.about(&place, format!("made by the traffic policy instance {id}"), how);
    }
    let values = fields.take("ResourceRecords").map(Node::items).unwrap_or_default();
    let values = values.iter().filter_map(|value| value.get("Value")?.text()).collect();
    let alias = fields.take("AliasTarget").and_then(|node| {
        Some(Alias {
            name: absolute(&node.get("DNSName")?.text()?),
            evaluates_health: node.get("EvaluateTargetHealth").is_some_and(Node::is_true),
        })
    });
    let routing = routing(&fields, networks, draft);
    let check = fields.text("HealthCheckId");
    if let Some(id) = check.as_ref().filter(|id| !checks.contains_key(*id)) {
        let why = "it stands in no file, or could not be taken over; the records count as up";
        draft.left(&place, format!("the health check {id}"), why);
    }
    let ttl = fields.number("TTL").map(|ttl| ttl as u32);
    let what = format!("{name} {rtype}");
    fields.finish(&what, |_| "", draft);
    Some(RecordSet { name, rtype, ttl, values, alias, identifier, routing, check, place })
}

fn routing(
    fields: &Fields<'_>,
    networks: &BTreeMap<String, Vec<String>>,
    draft: &mut Draft,
) -> Routing {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text);
    if let Some(weight) = fields.number("Weight") {
        return Routing::Weighted(weight as u32);
    }
    if let Some(region) = fields.text("Region") {
        return Routing::Latency(region);
    }
    if let Some(word) = fields.text("Failover") {
        return Routing::Failover { is_primary: word == "PRIMARY" };
    }
    if let Some(node) = fields.take("GeoLocation") {
        let [continent, country, subdivision] =
            ["ContinentCode", "CountryCode", "SubdivisionCode"].map(|key| text(node, key));
        let place = place(continent.as_deref(), country.as_deref(), subdivision.as_deref());
        return Routing::Geolocation(place);
    }
    if let Some(node) = fields.take("GeoProximityLocation") {
        let theirs = node.get("Bias").and_then(Node::number).unwrap_or(0.0);
        let (bias, is_exact) = bias(theirs);
        if !is_exact {
            let how = format!("{bias} lengthens distances nearly as much");
            draft.about(&node.place, format!("a bias of {theirs}"), &how);
        }
        let point = node.get("Coordinates");
        let degrees = |key: &str| point.and_then(|point| point.get(key)?.number());
        let location = match (text(node, "AWSRegion"), degrees("Latitude"), degrees("Longitude")) {
            (None, Some(latitude), Some(longitude)) => Location::Point { latitude, longitude },
            (region, ..) => Location::Region(format!("aws:{}", region.unwrap_or_default())),
        };
        return Routing::Geoproximity { location, bias };
    }
    if let Some(node) = fields.take("CidrRoutingConfig") {
        let name = text(node, "LocationName").unwrap_or_default();
        if name != "*" && !networks.contains_key(&name) {
            let why = "they stand in no file; give the output of `list-cidr-blocks` too";
            draft.left(&node.place, format!("the networks of the location `{name}`"), why);
        }
        return Routing::Cidr(networks.get(&name).cloned().unwrap_or_default());
    }
    if fields.is_true("MultiValueAnswer") {
        return Routing::Multivalue;
    }
    Routing::Simple
}
