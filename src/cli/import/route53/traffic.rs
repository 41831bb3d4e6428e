//! Traffic policies: documents that Route 53 makes record sets of.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Checks;
use super::{bias, place};
use crate::cli::import::draft::{Draft, Kind, Location, Member, Pool, Record, absolute};
use crate::cli::import::node::{Fields, Node};

/// A name that a traffic policy is used for.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) ttl: u32,
    /// Id and version of the policy.
    pub(super) policy: (String, String),
    pub(super) place: String,
}

impl Instance {
    /// Of `list-traffic-policy-instances`.
    pub(super) fn read(node: &Node) -> Option<Instance> {
        let text = |key: &str| node.get(key).and_then(Node::text);
        Some(Instance {
            name: absolute(&text("Name")?),
            ttl: node.get("TTL").and_then(Node::number).unwrap_or(60.0) as u32,
            policy: (text("TrafficPolicyId")?, text("TrafficPolicyVersion")?),
            place: node.place.clone(),
        })
    }
}

/// One document being read.
struct Document<'a> {
    node: &'a Node,
    title: String,
    checks: &'a Checks,
}

/// Takes over a document: its policies, and a record for each of its instances.
pub(super) fn take_over(
    node: &Node,
    title: &str,
    instances: &[&Instance],
    checks: &Checks,
    draft: &mut Draft,
) {
    let document = Document { node, title: title.to_owned(), checks };
    let start = Fields::new(node);
    let is_rule = node.get("StartRule").is_some();
    let start = start.text("StartRule").or_else(|| start.text("StartEndpoint")).unwrap_or_default();
    let mut made = BTreeMap::new();
    let target = if is_rule {
        document.rule(&start, &mut made, &mut BTreeSet::new(), draft)
    } else {
        document.endpoint(&start, None, None, draft)
    };
    let Some(target) = target else {
        let why = "it leads to no value that could be taken over";
        return draft.left(&node.place, format!("the traffic policy {title}"), why);
    };
    if instances.is_empty() {
        let what = format!(
            "the traffic policy {title} is used for no name in these files: bind `{target}` to one \
             with `[record.\"NAME\"]`, or give the output of `list-traffic-policy-instances` too"
        );
        draft.ask(&node.place, what);
    }
    for instance in instances {
        draft.exact(&instance.place, format!("`{}`: the traffic policy {title}", instance.name));
        draft.records.push(Record {
            name: instance.name.clone(),
            target: target.clone(),
            ttl: instance.ttl,
            on_all_down: Vec::new(),
            place: instance.place.clone(),
        });
    }
}

impl Document<'_> {
    fn rule(
        &self,
        id: &str,
        made: &mut BTreeMap<String, String>,
        above: &mut BTreeSet<String>,
        draft: &mut Draft,
    ) -> Option<String> {
        if let Some(known) = made.get(id) {
            return Some(known.clone());
        }
        let node = self.node.get("Rules").and_then(|rules| rules.get(id))?;
        if !above.insert(id.to_owned()) {
            draft.left(&node.place, format!("the rule {id}"), "its rules lead in a circle");
            return None;
        }
        let word = node.get("RuleType").and_then(Node::text).unwrap_or_default();
        let mut targets: Vec<(&Node, String)> = Vec::new();
        for (branch, _) in branches(node, &word) {
            let location = location(branch);
            if let Some(target) = self.branch(branch, location, made, above, draft) {
                targets.push((branch, target));
            }
        }
        above.remove(id);
        if targets.is_empty() {
            return None;
        }
        let what = format!("traffic policy {}: {word} rule {id}", self.title);
        let kind = kind(&word, &targets, &what, &node.place, draft)?;
        let name = draft.choice(&format!("{}-{id}", self.title), &node.place, kind);
        made.insert(id.to_owned(), name.clone());
        Some(name)
    }

    /// What one branch of a rule leads to: a rule or an endpoint.
    fn branch(
        &self,
        branch: &Node,
        location: Option<Location>,
        made: &mut BTreeMap<String, String>,
        above: &mut BTreeSet<String>,
        draft: &mut Draft,
    ) -> Option<String> {
        let text = |key: &str| branch.get(key).and_then(Node::text);
        let check = text("HealthCheck");
        if let Some(rule) = text("RuleReference") {
            if check.is_some() {
                let how = "the checks of what the rule leads to decide";
                draft.about(&branch.place, "a health check beside a rule", how);
            }
            let target = self.rule(&rule, made, above, draft);
            if let (Some(target), Some(location)) = (&target, &location) {
                draft.locate(target, location);
            }
            return target;
        }
        self.endpoint(&text("EndpointReference")?, check.as_deref(), location, draft)
    }

    /// A pool of one member.
    fn endpoint(
        &self,
        id: &str,
        check: Option<&str>,
        location: Option<Location>,
        draft: &mut Draft,
    ) -> Option<String> {
        let node = self.node.get("Endpoints").and_then(|endpoints| endpoints.get(id))?;
        let value = node.get("Value").and_then(Node::text)?;
        let mut member = Member::of_host(&value);
        let kind = node.get("Type").and_then(Node::text).unwrap_or_default();
        if kind != "value" {
            let how = "an alias answers with addresses there, with a CNAME here";
            draft.about(&node.place, format!("{kind} `{value}`"), how);
        }
        let known = check.and_then(|id| self.checks.get(id));
        if let (Some(id), None) = (check, known) {
            let why = "it stands in no file, or could not be taken over; the endpoint counts as up";
            draft.left(&node.place, format!("the health check {id}"), why);
        }
        if let Some(known) = known {
            known.watch(&mut member, draft);
        }
        let pool = Pool {
            name: draft.target_name(&format!("{}-{id}", self.title)),
            place: node.place.clone(),
            monitor: known.map(|check| check.monitor.clone()),
            location,
            members: vec![member],
            ..Pool::default()
        };
        // The same endpoint with the same check is the same pool.
        let same = draft.pools.iter().find(|other| {
            let Pool { name: _, place, monitor, location, members, .. } = other;
            (place, monitor, location, members)
                == (&pool.place, &pool.monitor, &pool.location, &pool.members)
        });
        if let Some(same) = same {
            return Some(same.name.clone());
        }
        let name = pool.name.clone();
        draft.pools.push(pool);
        Some(name)
    }
}

/// The branches of a rule of a type, and whether each is the primary one of a failover.
pub(super) fn branches<'a>(rule: &'a Node, word: &str) -> Vec<(&'a Node, bool)> {
    let list = match word {
        "failover" => {
            let primary = rule.get("Primary").map(|branch| (branch, true));
            let secondary = rule.get("Secondary").map(|branch| (branch, false));
            return primary.into_iter().chain(secondary).collect();
        }
        "geo" => "Locations",
        "latency" => "Regions",
        "geoproximity" => "GeoproximityLocations",
        _ => "Items",
    };
    let branches = rule.get(list).map(Node::items).unwrap_or_default();
    branches.iter().map(|branch| (branch, false)).collect()
}

/// Where a branch of a latency or geoproximity rule is.
pub(super) fn location(branch: &Node) -> Option<Location> {
    let degrees = |key: &str| branch.get(key).and_then(Node::number);
    if let (Some(latitude), Some(longitude)) = (degrees("Latitude"), degrees("Longitude")) {
        return Some(Location::Point { latitude, longitude });
    }
    let region = branch.get("Region").and_then(Node::text)?;
    // `aws:route53:us-east-1` in geoproximity rules.
    let region = region.rsplit(':').next()?;
    Some(Location::Region(format!("aws:{region}")))
}

fn kind(
    word: &str,
    targets: &[(&Node, String)],
    what: &str,
    at: &str,
    draft: &mut Draft,
) -> Option<Kind> {
    let mut names: Vec<String> = Vec::new();
    for (_, target) in targets {
        if !names.contains(target) {
            names.push(target.clone());
        }
    }
    let number = |node: &Node, key: &str| node.get(key).and_then(Node::number).unwrap_or(0.0);
    Some(match word {
        "failover" => {
            draft.exact(at, what);
            Kind::Failover(names)
        }
        "weighted" => {
            let weight = |node: &Node| number(node, "Weight") as u32;
            let nobody = targets.iter().all(|(node, _)| weight(node) == 0);
            let mut sum: Vec<(String, u32)> = names.into_iter().map(|name| (name, 0)).collect();
            for (node, target) in targets {
                let weight = if nobody { 1 } else { weight(node) };
                sum.iter_mut().filter(|(name, _)| name == target).for_each(|(_, n)| *n += weight);
            }
            draft.exact(at, what);
            Kind::Weighted { targets: sum, by_client: false }
        }
        "latency" => {
            let how = "Amazon's measurements are not public: distances to the regions stand for \
                       them, or a table of your own (docs/latency.md)";
            draft.about(at, what, how);
            Kind::Latency(names)
        }
        "multivalue" => {
            draft.about(at, what, "members take turns, where Route 53 draws up to eight");
            Kind::RoundRobin { targets: names, answers: 8 }
        }
        "geoproximity" => {
            let mut list: Vec<(String, i32)> = Vec::new();
            for (node, target) in targets {
                let theirs = number(node, "Bias");
                let (bias, is_exact) = bias(theirs);
                if !is_exact {
                    let how = format!("{bias} lengthens distances nearly as much");
                    draft.about(&node.place, format!("a bias of {theirs}"), &how);
                }
                if !list.iter().any(|(name, _)| name == target) {
                    list.push((target.clone(), bias));
                }
            }
            draft.exact(at, what);
            Kind::Nearest(list)
        }
        "geo" => {
            let mut default = Vec::new();
            let mut rules = Vec::new();
            for (node, target) in targets {
                let text = |key: &str| node.get(key).and_then(Node::text);
                let [continent, country, subdivision] =
                    ["Continent", "Country", "Subdivision"].map(text);
                let place = place(continent.as_deref(), country.as_deref(), subdivision.as_deref());
                match place {
                    Some(place) => rules.push((vec![place], vec![target.clone()])),
                    None => default.push(target.clone()),
                }
            }
            draft.exact(at, what);
            if rules.is_empty() {
                return Some(Kind::Failover(default));
            }
            Kind::Geo { rules, default, on_down: "climb" }
        }
        other => {
            let why = format!("a rule of type `{other}` is not known");
            draft.left(at, what, &why);
            return None;
        }
    })
}
