//! Record sets become zone records, pools and policies.
//!
//! Route 53 chooses among the sets of one name; an alias to another name of the zone leads on to
//! its sets. That is a tree of policies here.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Checks;
use super::{RecordSet, Routing};
use crate::cli::import::draft::{
    Data, Draft, Kind, Location, Member, Pool, Record, Static, absolute, first_label, slug,
};

/// What an alias to a load balancer of Amazon lives for, in seconds.
const ALIAS_TTL: u32 = 60;

pub(super) struct Tree<'a> {
    pub(super) sets: &'a [RecordSet],
    pub(super) checks: &'a Checks,
}

/// Sets of one name that are told apart by their identifier: one of them for each type.
struct Branch<'a> {
    sets: Vec<&'a RecordSet>,
}

impl Tree<'_> {
    /// Adds everything to the draft.
    pub(super) fn grow(&self, draft: &mut Draft) {
        let mut names: Vec<&str> = Vec::new();
        for set in self.sets {
            if !names.contains(&set.name.as_str()) {
                names.push(&set.name);
            }
        }
        let mut grown = BTreeMap::new();
        for name in names {
            let of_name = || self.sets.iter().filter(move |set| set.name == name);
            let steered: Vec<&RecordSet> = of_name()
                .filter(|set| set.routing != Routing::Simple || set.alias.is_some())
                .collect();
            for set in of_name().filter(|s| s.routing == Routing::Simple && s.alias.is_none()) {
                self.simple(set, draft);
            }
            if steered.is_empty() {
                continue;
            }
            let mut above = BTreeSet::new();
            let Some(target) = self.target(name, &mut grown, &mut above, draft) else { continue };
            let ttl = self.ttl(&steered, draft);
            let place = steered[0].place.clone();
            draft.records.push(Record {
                name: name.to_owned(),
                target,
                ttl,
                on_all_down: Vec::new(),
                place,
            });
        }
    }

    /// A set that is not steered.
    fn simple(&self, set: &RecordSet, draft: &mut Draft) {
        if set.rtype == "SOA" {
            draft.zone(&set.name).soa = set.values.first().cloned();
            let how = "the primary server is named anew";
            return draft.about(&set.place, format!("`{}` SOA", set.name), how);
        }
        if set.rtype == "NS" && draft.is_apex(&set.name) {
            let why = "they are Amazon's servers; --name-server names those that will answer";
            return draft.left(&set.place, format!("`{}` NS", set.name), why);
        }
        if set.check.is_some() {
            let why =
                "Route 53 does not look at it without a routing policy, and neither is it here";
            draft.left(&set.place, "the health check of a simple record", why);
        }
        let ttl = set.ttl.unwrap_or(300);
        draft.zone_around(&set.name);
        for value in &set.values {
            let data = match set.rtype.as_str() {
                // The value of a reference that nobody knows.
                "A" | "AAAA" if value.parse::<std::net::IpAddr>().is_err() => continue,
                rtype => with_absolute_names(rtype, value),
            };
            let record = Static { owner: set.name.clone(), rtype: set.rtype.clone(), data, ttl };
            draft.zone_around(&set.name).records.push(record);
        }
        draft.exact(&set.place, format!("`{}` {}: in the zone file", set.name, set.rtype));
    }

    /// The target for a name: of its sets, whatever their routing.
    fn target(
        &self,
        name: &str,
        grown: &mut BTreeMap<String, String>,
        above: &mut BTreeSet<String>,
        draft: &mut Draft,
    ) -> Option<String> {
        if let Some(known) = grown.get(name) {
            return Some(known.clone());
        }
        let sets: Vec<&RecordSet> = self.sets.iter().filter(|set| set.name == name).collect();
        let first = *sets.first()?;
        if !above.insert(name.to_owned()) {
            draft.left(
                &first.place,
                format!("aliases of `{name}` in a circle"),
                "they lead nowhere",
            );
            return None;
        }
        let branches = branches(&sets, draft);
        for rtype in ["A", "AAAA"] {
            let has = |branch: &Branch<'_>| branch.sets.iter().any(|set| set.rtype == rtype);
            let is_checked = branches.iter().any(|branch| branch.sets[0].check.is_some());
            if is_checked && branches.iter().any(has) && !branches.iter().all(has) {
                let how = "one choice is made for all types: where the sets that have it are down \
                           there is no answer, and there one of them all the same";
                draft.about(&first.place, format!("`{name}`: {rtype} in some sets alone"), how);
            }
        }
        let mut targets = Vec::new();
        for branch in &branches {
            if let Some(target) = self.branch(name, branch, branches.len(), grown, above, draft) {
                targets.push((branch.sets[0], target));
            }
        }
        let target = match &targets[..] {
            [] => None,
            [(set, only)] if matches!(set.routing, Routing::Simple | Routing::Weighted(_)) => {
                draft.exact(&set.place, format!("`{name}`: {only}"));
                Some(only.clone())
            }
            targets => choice(name, targets, draft),
        };
        above.remove(name);
        if let Some(target) = &target {
            grown.insert(name.to_owned(), target.clone());
        }
        target
    }

    /// The target for the sets of one identifier: a pool, or what an alias leads to.
    fn branch(
        &self,
        name: &str,
        branch: &Branch<'_>,
        count: usize,
        grown: &mut BTreeMap<String, String>,
        above: &mut BTreeSet<String>,
        draft: &mut Draft,
    ) -> Option<String> {
        let first = branch.sets[0];
        let alias = branch.sets.iter().find_map(|set| set.alias.as_ref());
        if let Some(alias) = alias.filter(|alias| self.sets.iter().any(|s| s.name == alias.name)) {
            if first.check.is_some() {
                let how = "the checks of what the alias leads to decide";
                draft.about(&first.place, "a health check beside an alias to another record", how);
            }
            let target = self.target(&alias.name, grown, above, draft);
            if let (Some(target), Some(location)) = (&target, location(&first.routing)) {
                draft.locate(target, &location);
            }
            return target;
        }
        let check = first.check.as_ref().and_then(|key| self.checks.get(key));
        let mut members: Vec<Member> = Vec::new();
        for set in &branch.sets {
            for mut member in members_of(set, draft) {
                if let Some(check) = check {
                    check.watch(&mut member, draft);
                }
                if !members.iter().any(|known| known.data == member.data) {
                    members.push(member);
                }
            }
        }
        let is_name = |member: &Member| matches!(member.data, Data::Cname(_));
        if members.iter().any(is_name) && !members.iter().all(is_name) {
            let why = "names cannot stand beside addresses in one pool; the names are left out";
            draft.left(&first.place, "host names beside addresses", why);
            members.retain(|member| !is_name(member));
        }
        if members.is_empty() {
            draft.left(&first.place, format!("`{name}` {}", first.identifier), "it has no value");
            return None;
        }
        if let Some(alias) = alias.filter(|alias| alias.evaluates_health && check.is_none()) {
            let how = "nothing here knows the health of what it leads to; give the pool a monitor";
            draft.about(&first.place, format!("the health of `{}`", alias.name), how);
        }
        let pool = Pool {
            name: draft.target_name(&pool_name(name, &first.identifier, count)),
            place: first.place.clone(),
            monitor: check.map(|check| check.monitor.clone()),
            location: location(&first.routing),
            // A set is one answer with all its values.
            answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
            members,
            ..Pool::default()
        };
        let name = pool.name.clone();
        draft.pools.push(pool);
        Some(name)
    }

    fn ttl(&self, sets: &[&RecordSet], draft: &mut Draft) -> u32 {
        let ttls: BTreeSet<u32> = sets.iter().map(|set| set.ttl.unwrap_or(ALIAS_TTL)).collect();
        let shortest = ttls.first().copied().unwrap_or(ALIAS_TTL);
        if ttls.len() > 1 {
            let ttls = ttls.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let how = format!("a name has one here: {shortest} s, the shortest");
            draft.about(&sets[0].place, format!("TTLs of {ttls} s"), &how);
        }
        shortest
    }
}

/// Where a set is, if its routing says so.
fn location(routing: &Routing) -> Option<Location> {
    match routing {
        Routing::Latency(region) => Some(Location::Region(format!("aws:{region}"))),
        Routing::Geoproximity { location, .. } => Some(location.clone()),
        _ => None,
    }
}

/// The sets of a name by their identifier, in the order of the source.
fn branches<'a>(sets: &[&'a RecordSet], draft: &mut Draft) -> Vec<Branch<'a>> {
    let mut branches: Vec<Branch<'a>> = Vec::new();
    let routing = |set: &&&RecordSet| set.routing != Routing::Simple || set.alias.is_some();
    let steered: Vec<&'a RecordSet> = match sets.iter().any(|set| routing(&set)) {
        true => sets.iter().filter(routing).copied().collect(),
        // What an alias leads to may be a plain set of addresses.
        false => sets
            .iter()
            .filter(|s| matches!(s.rtype.as_str(), "A" | "AAAA" | "CNAME"))
            .copied()
            .collect(),
    };
    for set in steered {
        // With a key of its own (a place, a region), a set is the same choice for another type.
        let has_key = !matches!(set.routing, Routing::Multivalue | Routing::Weighted(_));
        let same = branches.iter_mut().find(|branch| {
            let first = branch.sets[0];
            branch.sets.iter().all(|other| other.rtype != set.rtype)
                && (first.identifier == set.identifier || has_key && first.routing == set.routing)
        });
        match same {
            Some(branch) => {
                let first = branch.sets[0];
                if first.routing != set.routing {
                    let how =
                        format!("one choice is made for all types here: as {} has it", first.rtype);
                    draft.about(&set.place, format!("another choice for {}", set.rtype), &how);
                }
                branch.sets.push(set);
            }
            None => branches.push(Branch { sets: vec![set] }),
        }
    }
    branches
}

/// The policy over the branches of a name.
fn choice(name: &str, targets: &[(&RecordSet, String)], draft: &mut Draft) -> Option<String> {
    let (first, _) = targets.first()?;
    let place = first.place.clone();
    let what = format!("`{name}`: {} routing", first.routing.word());
    let kind = match &first.routing {
        Routing::Weighted(_) => {
            let weight = |set: &RecordSet| match set.routing {
                Routing::Weighted(weight) => weight,
                _ => 0,
            };
            // All of them 0 means equal shares there.
            let nobody = targets.iter().all(|(set, _)| weight(set) == 0);
            let mut sum: Vec<(String, u32)> = Vec::new();
            for (set, target) in targets {
                let weight = if nobody { 1 } else { weight(set) };
                match sum.iter_mut().find(|(known, _)| known == target) {
                    Some((_, known)) => *known += weight,
                    None => sum.push((target.clone(), weight)),
                }
            }
            draft.exact(&place, what);
            Kind::Weighted { targets: sum, by_client: false }
        }
        Routing::Latency(_) => {
            let how = "Amazon's measurements are not public: distances to the regions stand for \
                       them, or a table of your own (docs/latency.md)";
            draft.about(&place, what, how);
            Kind::Latency(distinct(targets))
        }
        Routing::Failover { .. } => {
            let is_primary =
                |set: &RecordSet| matches!(set.routing, Routing::Failover { is_primary: true });
            let mut order = targets.to_vec();
            order.sort_by_key(|(set, _)| !is_primary(set));
            draft.exact(&place, what);
            Kind::Failover(distinct(&order))
        }
        Routing::Geolocation(_) | Routing::Cidr(_) => {
            let mut default = Vec::new();
            let mut rules: Vec<(Vec<String>, Vec<String>)> = Vec::new();
            for (set, target) in targets {
                let places = match &set.routing {
                    Routing::Geolocation(Some(place)) => vec![place.clone()],
                    Routing::Cidr(networks) => {
                        networks.iter().map(|network| format!("net:{network}")).collect()
                    }
                    _ => Vec::new(),
                };
                match places.is_empty() {
                    true => default.push(target.clone()),
                    false => rules.push((places, vec![target.clone()])),
                }
            }
            draft.exact(&place, what);
            if rules.is_empty() {
                return default.into_iter().next();
            }
            // Route 53 goes on to the next larger place too when a set is down.
            Kind::Geo { rules, default, on_down: "climb" }
        }
        Routing::Geoproximity { .. } => {
            let bias = |set: &RecordSet| match set.routing {
                Routing::Geoproximity { bias, .. } => bias,
                _ => 0,
            };
            draft.exact(&place, what);
            Kind::Nearest(targets.iter().map(|(set, target)| (target.clone(), bias(set))).collect())
        }
        Routing::Multivalue => {
            draft.about(&place, what, "members take turns, where Route 53 draws up to eight");
            Kind::RoundRobin { targets: distinct(targets), answers: 8 }
        }
        Routing::Simple => {
            draft.exact(&place, what);
            Kind::RoundRobin { targets: distinct(targets), answers: 8 }
        }
    };
    Some(draft.choice(&first_label(name), &place, kind))
}

fn distinct(targets: &[(&RecordSet, String)]) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for (_, target) in targets {
        if !list.contains(target) {
            list.push(target.clone());
        }
    }
    list
}

fn members_of(set: &RecordSet, draft: &mut Draft) -> Vec<Member> {
    if let Some(alias) = &set.alias {
        let how = "an alias answers with addresses there, with a CNAME here";
        draft.about(&set.place, format!("alias to `{}`", alias.name), how);
        return vec![Member::of_host(&alias.name)];
    }
    let member = |value: &String| match set.rtype.as_str() {
        "A" | "AAAA" | "CNAME" => Member::of_host(value),
        rtype => {
            let data = with_absolute_names(rtype, value);
            Member::new(Data::Rdata(format!("{rtype} {data}")))
        }
    };
    set.values.iter().map(member).collect()
}

/// `www-us-east` for the set `us-east` of `www.example.com`.
fn pool_name(name: &str, identifier: &str, count: usize) -> String {
    let label = slug(&first_label(name));
    let identifier = slug(identifier);
    if count == 1 || identifier.is_empty() {
        return format!("{label}-pool");
    }
    if identifier.starts_with(&format!("{label}-")) {
        identifier
    } else {
        format!("{label}-{identifier}")
    }
}

/// Names in the data of a record are absolute in Route 53, with or without their last dot.
fn with_absolute_names(rtype: &str, data: &str) -> String {
    let mut words: Vec<String> = data.split_whitespace().map(str::to_owned).collect();
    let index = match rtype {
        "CNAME" | "NS" | "PTR" | "DNAME" => 0,
        "MX" => 1,
        "SRV" => 3,
        "HTTPS" | "SVCB" => 1,
        _ => return data.to_owned(),
    };
    if let Some(word) = words.get_mut(index).filter(|word| *word != ".") {
        *word = absolute(word);
    }
    words.join(" ")
}
