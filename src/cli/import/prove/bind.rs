//! BIND's own rules: every address of a name, in an order that `rrset-order` may turn.

use std::collections::{BTreeMap, BTreeSet};

use super::told::{all, data};
use super::{Rule, Scene};
use crate::cli::import::bind::zones;
use crate::cli::import::{Failure, Texts, masterfile};

pub(super) fn rules(texts: &Texts) -> Result<Vec<Rule>, Failure> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (zone, text) in zones(texts)? {
        masterfile::split(text, &zone, |entry| {
            // Wildcards answer other names.
            let is_address = matches!(entry.rtype.as_str(), "A" | "AAAA");
            if is_address && !entry.owner.starts_with('*') {
                let text = entry.data.first().map(|text| data(text));
                names.entry(entry.owner).or_default().extend(text);
            }
            false
        });
    }
    let rule = |(name, list): (String, Vec<String>)| {
        let tell = move |_: &Scene<'_>| all(list.clone());
        Rule { name, checked: BTreeSet::new(), networks: Vec::new(), tell: Box::new(tell) }
    };
    Ok(names.into_iter().map(rule).collect())
}
