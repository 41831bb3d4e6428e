//! The last step before a draft is written: what Meridian would refuse is taken out, and told.

use std::collections::HashSet;

use super::draft::{Data, Draft, Kind, Location, Member, Pool, Record, Static};
use crate::config::Match;
use crate::geo::region;

impl Draft {
    /// Leaves nothing in that is an error of the configuration.
    pub(super) fn settle(&mut self) {
        self.settle_pools();
        self.settle_places();
        self.settle_distances();
        let mut kept = Vec::new();
        for record in std::mem::take(&mut self.records) {
            if kept.iter().any(|known: &Record| known.name == record.name) {
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
            self.settle_twice(&record);
            kept.push(record);
        }
        self.records = kept;
    }

    /// Addresses that stand in the zone file and are steered as well.
    fn settle_twice(&mut self, record: &Record) {
        let pools = self.pools_under(&record.target);
        let members = pools.iter().flat_map(|pool| &pool.members);
        let types: HashSet<&str> = members
            .filter_map(|member| match &member.data {
                Data::Address(address) => Some(if address.is_ipv4() { "A" } else { "AAAA" }),
                _ => None,
            })
            .collect();
        let is_twice =
            |other: &Static| other.owner == record.name && types.contains(other.rtype.as_str());
        let all =
            self.zones.iter_mut().flat_map(|zone| zone.records.extract_if(.., |r| is_twice(r)));
        for Static { owner, rtype, data, .. } in all.collect::<Vec<_>>() {
            let why = "the name is steered, and its other addresses are in pools";
            self.left(&record.place, format!("`{owner}` {rtype} {data}"), why);
        }
    }

    /// Members that cannot stand together, and locations that do not exist.
    fn settle_pools(&mut self) {
        let mut pools = std::mem::take(&mut self.pools);
        for pool in &mut pools {
            let name = pool.name.clone();
            let what = |what: &str| format!("pool `{name}`: {what}");
            let is_name = |member: &Member| matches!(member.data, Data::Cname(_));
            if pool.members.iter().any(is_name) && !pool.members.iter().all(is_name) {
                let why = "names cannot stand beside addresses in one pool; the names are left out";
                self.left(&pool.place, what("host names beside addresses"), why);
                pool.members.retain(|member| !is_name(member));
            }
            let mut kept: Vec<Member> = Vec::new();
            for member in std::mem::take(&mut pool.members) {
                if !kept.iter().any(|known| known.data == member.data) {
                    kept.push(member);
                }
            }
            if pool.balance.is_some() && kept.iter().all(|member| member.weight == Some(0)) {
                kept.iter_mut().for_each(|member| member.weight = None);
            }
            pool.members = kept;
            if let Some(Location::Region(code)) = &pool.location
                && region::find(code).is_none()
            {
                let why = "no such region is known here; give the pool its coordinates";
                self.left(&pool.place, what(&format!("location {code}")), why);
                pool.location = None;
            }
        }
        self.pools = pools;
    }

    /// Distances to what says not where it is.
    fn settle_distances(&mut self) {
        for index in 0..self.policies.len() {
            let policy = &self.policies[index];
            if !matches!(policy.kind, Kind::Nearest(_) | Kind::Latency(_)) {
                continue;
            }
            let targets: Vec<String> = policy.kind.targets().into_iter().cloned().collect();
            let (place, name) = (policy.place.clone(), policy.name.clone());
            let is_placed = |target: &String| {
                self.pools_under(target).iter().any(|pool| pool.location.is_some())
            };
            if targets.iter().all(is_placed) {
                continue;
            }
            let why = "not all of its pools say where they are; in order of preference instead";
            self.left(&place, format!("policy `{name}`: by distance"), why);
            self.policies[index].kind = Kind::Failover(targets);
        }
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

#[cfg(test)]
mod tests {
    use super::super::draft::{Fate, Policy};
    use super::*;

    fn pool(name: &str, members: &[&str], location: Option<&str>) -> Pool {
        Pool {
            name: name.to_owned(),
            members: members.iter().map(|host| Member::of_host(host)).collect(),
            location: location.map(|code| Location::Region(code.to_owned())),
            ..Pool::default()
        }
    }

    #[test]
    fn what_would_be_refused_is_taken_out_and_told() {
        let mut draft = Draft::default();
        draft.zone("example.com");
        draft.pools.push(pool("a", &["192.0.2.1", "192.0.2.1", "b.example.net"], None));
        draft.pools.push(pool("b", &["192.0.2.2"], Some("aws:mars-1")));
        let targets = vec!["a".to_owned(), "b".to_owned()];
        let kind = Kind::Latency(targets.clone());
        draft.policies.push(Policy { name: "p".to_owned(), place: String::new(), kind });
        let record = |name: &str, target: &str| Record {
            name: name.to_owned(),
            target: target.to_owned(),
            ttl: 60,
            on_all_down: Vec::new(),
            place: String::new(),
        };
        draft.records = vec![
            record("www.example.com.", "p"),
            record("www.example.com.", "a"),
            record("lost.example.com.", "gone"),
        ];
        draft.settle();
        assert_eq!(draft.pools[0].members.len(), 1);
        assert_eq!(draft.pools[1].location, None);
        assert_eq!(draft.policies[0].kind, Kind::Failover(targets));
        assert_eq!(draft.records.len(), 1);
        let left = draft.notes.iter().filter(|note| note.fate == Fate::Left).count();
        assert_eq!(left, 5, "{:?}", draft.notes);
    }
}
