//! The record sets that Route 53 makes of a traffic policy: a tree of aliases, a name for each
//! rule.

use std::collections::BTreeSet;

use super::traffic::{self, Instance};
use super::{Alias, RecordSet, Routing, bias, place};
use crate::cli::import::draft::absolute;
use crate::cli::import::node::Node;

/// In the names of rules, which are nobody's to ask for.
const INNER: &str = "._traffic-policy.";

/// Whether a name is only there for a rule of a policy.
pub(in crate::cli::import) fn is_inner(name: &str) -> bool {
    name.contains(INNER)
}

/// The sets for one name that a policy is used for.
pub(super) fn expand(document: &Node, instance: &Instance) -> Vec<RecordSet> {
    let text = |key: &str| document.get(key).and_then(Node::text);
    let mut tree = Tree {
        document,
        instance,
        rtype: text("RecordType").unwrap_or_default(),
        start: text("StartRule"),
        sets: Vec::new(),
    };
    match (tree.start.clone(), text("StartEndpoint")) {
        (Some(rule), _) => tree.rule(&rule, &mut BTreeSet::new()),
        (None, Some(endpoint)) => {
            let set = tree.endpoint(&endpoint, instance.name.clone(), Routing::Simple, None);
            tree.sets.extend(set);
        }
        (None, None) => {}
    }
    tree.sets
}

struct Tree<'a> {
    document: &'a Node,
    instance: &'a Instance,
    rtype: String,
    start: Option<String>,
    sets: Vec<RecordSet>,
}

impl Tree<'_> {
    /// The first rule has the name of the instance, others one that nobody else has.
    fn owner(&self, rule: &str) -> String {
        match self.start.as_deref() == Some(rule) {
            true => self.instance.name.clone(),
            false => format!("{rule}{INNER}{}", self.instance.name),
        }
    }

    fn rule(&mut self, id: &str, seen: &mut BTreeSet<String>) {
        if !seen.insert(id.to_owned()) {
            return;
        }
        let document = self.document;
        let Some(rule) = document.get("Rules").and_then(|rules| rules.get(id)) else { return };
        let word = rule.get("RuleType").and_then(Node::text).unwrap_or_default();
        for (branch, is_primary) in traffic::branches(rule, &word) {
            let text = |key: &str| branch.get(key).and_then(Node::text);
            let Some(routing) = routing(&word, branch, is_primary) else { continue };
            if let Some(rule) = text("RuleReference") {
                let alias = Alias { name: self.owner(&rule), evaluates_health: true };
                let set = self.set(self.owner(id), routing, branch);
                self.sets.push(RecordSet { alias: Some(alias), ..set });
                self.rule(&rule, seen);
            } else if let Some(endpoint) = text("EndpointReference") {
                let check = text("HealthCheck");
                let set = self.endpoint(&endpoint, self.owner(id), routing, check);
                self.sets.extend(set);
            }
        }
    }

    fn endpoint(
        &self,
        id: &str,
        owner: String,
        routing: Routing,
        check: Option<String>,
    ) -> Option<RecordSet> {
        let node = self.document.get("Endpoints").and_then(|endpoints| endpoints.get(id))?;
        let value = node.get("Value").and_then(Node::text)?;
        let set = RecordSet { check, ..self.set(owner, routing, node) };
        Some(match node.get("Type").and_then(Node::text).as_deref() {
            Some("value") | None => RecordSet { values: vec![value], ..set },
            // Something of Amazon's, whose health nobody here knows.
            Some(_) => {
                let alias = Alias { name: absolute(&value), evaluates_health: false };
                RecordSet { alias: Some(alias), ..set }
            }
        })
    }

    fn set(&self, name: String, routing: Routing, node: &Node) -> RecordSet {
        RecordSet {
            name,
            rtype: self.rtype.clone(),
            ttl: Some(self.instance.ttl),
            values: Vec::new(),
            alias: None,
            identifier: self.sets.len().to_string(),
            routing,
            check: None,
            place: node.place.clone(),
        }
    }
}

/// How a branch of a rule is chosen; `None` for what Route 53 does not know.
fn routing(word: &str, branch: &Node, is_primary: bool) -> Option<Routing> {
    let text = |key: &str| branch.get(key).and_then(Node::text);
    let number = |key: &str| branch.get(key).and_then(Node::number);
    Some(match word {
        "failover" => Routing::Failover { is_primary },
        "weighted" => Routing::Weighted(number("Weight").unwrap_or(0.0) as u32),
        "latency" => Routing::Latency(text("Region")?),
        "multivalue" => Routing::Multivalue,
        "geoproximity" => Routing::Geoproximity {
            location: traffic::location(branch)?,
            bias: bias(number("Bias").unwrap_or(0.0)).0,
        },
        "geo" => {
            let [continent, country, subdivision] =
                ["Continent", "Country", "Subdivision"].map(text);
            Routing::Geolocation(place(
                continent.as_deref(),
                country.as_deref(),
                subdivision.as_deref(),
            ))
        }
        _ => return None,
    })
}
