//! The last step before a draft is written: what Meridian would refuse is taken out, and told.

use std::collections::HashSet;

use super::draft::{Data, Draft, Kind, Pool};
use crate::config::Match;

impl Draft {
    /// Leaves nothing in that is an error of the configuration.
    pub(super) fn settle(&mut self) {
        self.settle_places();
        let mut kept = Vec::new();
        for record in std::mem::take(&mut self.records) {
            if kept.iter().any(|known: &super::draft::Record| known.name == record.name) {
                let what = format!("`{}` a second time", record.name);
                self.left(&record.place, what, "the first is taken");
                continue;
            }
            self.zone_around(&record.name);
            let is_alias = |pool: &&Pool| {
                pool.members.iter().any(|member| matches!(member.data, Data::Cname(_)))
            };
            let leads_to_names = self.pools_under(&record.target).iter().any(is_alias);
            let beside = self.zones.iter().flat_map(|zone| &zone.records);
            let has_others = beside.into_iter().any(|other| other.owner == record.name);
            if leads_to_names && (self.is_apex(&record.name) || has_others) {
                self.left(
                    &record.place,
                    format!("`{}` steered to host names", record.name),
                    "an alias (CNAME) cannot stand at the apex of a zone or beside other records; \
                     use the addresses behind it",
                );
                continue;
            }
            kept.push(record);
        }
        self.records = kept;
    }

    /// Places that do not exist, and places that two rules of a policy name.
    fn settle_places(&mut self) {
        let mut policies = std::mem::take(&mut self.policies);
        for policy in &mut policies {
            let Kind::Geo { rules, .. } = &mut policy.kind else { continue };
            let mut seen = HashSet::new();
            for (places, _) in &mut *rules {
                places.retain(|place| {
                    let why = match place.parse::<Match>() {
                        Err(why) => why,
                        Ok(found) if !seen.insert(found.clone()) => {
                            "another rule has it already".to_owned()
                        }
                        Ok(_) => return true,
                    };
                    self.left(&policy.place, format!("policy `{}`: `{place}`", policy.name), &why);
                    false
                });
            }
            rules.retain(|(places, _)| !places.is_empty());
        }
        for policy in &mut policies {
            // A geo policy without a rule is its default.
            if let Kind::Geo { rules, default, .. } = &mut policy.kind
                && rules.is_empty()
            {
                policy.kind = Kind::Failover(std::mem::take(default));
            }
        }
        policies.retain(|policy| !policy.kind.targets().is_empty());
        self.policies = policies;
        let names: HashSet<String> = self
            .policies
            .iter()
            .map(|policy| policy.name.clone())
            .chain(self.pools.iter().map(|pool| pool.name.clone()))
            .collect();
        let (kept, lost): (Vec<_>, Vec<_>) =
            self.records.drain(..).partition(|record| names.contains(&record.target));
        self.records = kept;
        for record in lost {
            self.left(
                &record.place,
                format!("`{}`", record.name),
                "nothing is left that answers it",
            );
        }
    }
}
