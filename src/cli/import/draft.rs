//! What an import comes to before it is written: zones, monitors, pools, policies and records in
//! Meridian's terms, and notes on how each thing of the source was taken over.
//!
//! Every importer fills a [`Draft`]; one writer turns it into files. Knows no source.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Everything that was taken over, and what is to be said about it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) zones: Vec<Zone>,
    pub(super) monitors: Vec<Monitor>,
    pub(super) pools: Vec<Pool>,
    pub(super) policies: Vec<Policy>,
    pub(super) records: Vec<Record>,
    pub(super) notes: Vec<Note>,
    names: BTreeSet<String>,
    monitor_names: BTreeSet<String>,
}

/// How a thing of the source was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) fate: Fate,
    /// Where it stands in the source.
    pub(super) place: String,
    pub(super) what: String,
    /// How it was approximated, or why it was left; empty for what is exact.
    pub(super) how: String,
}

/// What became of a thing of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Exact,
    Approximated,
    Left,
    /// Something that only the user can add.
    ToDo,
}

/// A zone: what does not move.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// In lower case, with the last dot.
    pub(super) name: String,
    /// The data of its SOA record, if the source has one.
    pub(super) soa: Option<String>,
    /// The lines of a zone file that stay as they are, its SOA and NS records among them.
    pub(super) text: Option<String>,
    pub(super) records: Vec<Static>,
}

/// A record of a zone file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Static {
    /// With the last dot.
    pub(super) owner: String,
    pub(super) rtype: String,
    /// In presentation form; names in it are absolute.
    pub(super) data: String,
    pub(super) ttl: u32,
}

/// How members are checked: the keys of its table.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) keys: Vec<(&'static str, toml::Value)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) monitor: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) members: Vec<Member>,
    /// `weighted` or `sticky`; `None` is round-robin.
    pub(super) balance: Option<&'static str>,
    pub(super) answers: Option<u32>,
    pub(super) min_healthy: Option<u32>,
    /// `up` or `down`; `None` is auto.
    pub(super) state: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Location {
    /// `aws:us-east-1`
    Region(String),
    Point {
        latitude: f64,
        longitude: f64,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) data: Data,
    pub(super) weight: Option<u32>,
    pub(super) port: Option<u16>,
    pub(super) check: Option<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Address(IpAddr),
    /// With the last dot.
    Cname(String),
    /// Type and data.
    Rdata(String),
}

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) kind: Kind,
}

/// Targets are names of pools and policies of the draft.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Failover(Vec<String>),
    RoundRobin {
        targets: Vec<String>,
        answers: u32,
    },
    Weighted {
        targets: Vec<(String, u32)>,
        by_client: bool,
    },
    Geo {
        /// Places, and the targets for them in order of preference; none is a deliberate NODATA.
        rules: Vec<(Vec<String>, Vec<String>)>,
        default: Vec<String>,
        /// `climb`, `nearest` or `fence`.
        on_down: &'static str,
    },
    Nearest(Vec<(String, i32)>),
    Latency(Vec<String>),
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    /// With the last dot.
    pub(super) name: String,
    pub(super) target: String,
    pub(super) ttl: u32,
    /// Addresses that are told when nothing is up; none: all of them.
    pub(super) on_all_down: Vec<IpAddr>,
    pub(super) place: String,
}

impl Member {
    pub(super) fn new(data: Data) -> Member {
        Member { data, weight: None, port: None, check: None }
    }

    /// An address, or else the name of a host.
    pub(super) fn of_host(text: &str) -> Member {
        Member::new(match text.parse() {
            Ok(address) => Data::Address(address),
            Err(_) => Data::Cname(absolute(text)),
        })
    }
}

impl Kind {
    /// The targets, some perhaps often.
    pub(super) fn targets(&self) -> Vec<&String> {
        match self {
            Kind::Failover(targets) | Kind::RoundRobin { targets, .. } | Kind::Latency(targets) => {
                targets.iter().collect()
            }
            Kind::Weighted { targets, .. } => targets.iter().map(|(target, _)| target).collect(),
            Kind::Nearest(targets) => targets.iter().map(|(target, _)| target).collect(),
            Kind::Geo { rules, default, .. } => {
                rules.iter().flat_map(|(_, to)| to).chain(default).collect()
            }
        }
    }
}

impl Draft {
    /// A name for a pool or policy that nobody has yet, near the one that is wanted.
    pub(super) fn target_name(&mut self, wanted: &str) -> String {
        let name = free(wanted, "target", &self.names);
        self.names.insert(name.clone());
        name
    }

    /// A name for a monitor, likewise.
    pub(super) fn monitor_name(&mut self, wanted: &str) -> String {
        let name = free(wanted, "check", &self.monitor_names);
        self.monitor_names.insert(name.clone());
        name
    }

    /// Notes that something is the same here.
    pub(super) fn exact(&mut self, place: &str, what: impl Into<String>) {
        self.note(Fate::Exact, place, what.into(), "");
    }

    /// Notes that something is nearly the same here, and how.
    pub(super) fn about(&mut self, place: &str, what: impl Into<String>, how: &str) {
        self.note(Fate::Approximated, place, what.into(), how);
    }

    /// Notes that something was not taken over, and why.
    pub(super) fn left(&mut self, place: &str, what: impl Into<String>, why: &str) {
        self.note(Fate::Left, place, what.into(), why);
    }

    /// Notes what the user is to add.
    pub(super) fn ask(&mut self, place: &str, what: impl Into<String>) {
        self.note(Fate::ToDo, place, what.into(), "");
    }

    fn note(&mut self, fate: Fate, place: &str, what: String, how: &str) {
        let note = Note { fate, place: place.to_owned(), what, how: how.to_owned() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The zone of this name, made if it is not there.
    pub(super) fn zone(&mut self, name: &str) -> &mut Zone {
        let name = absolute(name);
        let index = match self.zones.iter().position(|zone| zone.name == name) {
            Some(index) => index,
            None => {
                self.zones.push(Zone { name, soa: None, text: None, records: Vec::new() });
                self.zones.len() - 1
            }
        };
        &mut self.zones[index]
    }

    /// The zone that a name is in: the longest known one, else one of its last two labels.
    pub(super) fn zone_around(&mut self, name: &str) -> &mut Zone {
        let name = absolute(name);
        let known = self.zones.iter().filter(|zone| is_within(&name, &zone.name));
        let known = known.max_by_key(|zone| zone.name.len()).map(|zone| zone.name.clone());
        let apex = known.unwrap_or_else(|| {
            let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
            let apex = absolute(&labels[labels.len().saturating_sub(2)..].join("."));
            let what = format!("`{apex}` is taken for the zone of `{name}`");
            self.about(&apex, what, "no file says which zone it is in; --zone NAME does");
            apex
        });
        self.zone(&apex)
    }

    /// Whether a name is the apex of a zone.
    pub(super) fn is_apex(&self, name: &str) -> bool {
        self.zones.iter().any(|zone| zone.name == name)
    }

    /// The pools below a target, in order, each once.
    pub(super) fn pools_under(&self, target: &str) -> Vec<&Pool> {
        let mut found: Vec<&Pool> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut wanted = vec![target];
        while let Some(name) = wanted.pop() {
            if !seen.insert(name) {
                continue;
            }
            found.extend(self.pools.iter().filter(|pool| pool.name == name));
            let policy = self.policies.iter().find(|policy| policy.name == name);
            let below = policy.into_iter().flat_map(|policy| policy.kind.targets());
            wanted.extend(below.map(String::as_str).collect::<Vec<_>>().into_iter().rev());
        }
        found
    }

    /// The policies that a target is or leads to, each once.
    pub(super) fn policies_under(&self, target: &str) -> Vec<&Policy> {
        let mut found: Vec<&Policy> = Vec::new();
        let mut wanted = vec![target];
        while let Some(name) = wanted.pop() {
            let is_new = !found.iter().any(|policy| policy.name == name);
            let policy = self.policies.iter().find(|policy| policy.name == name && is_new);
            if let Some(policy) = policy {
                wanted.extend(policy.kind.targets().into_iter().map(String::as_str));
                found.push(policy);
            }
        }
        found
    }

    /// Says where the pools below a target are, as far as they do not say so themselves.
    pub(super) fn locate(&mut self, target: &str, location: &Location) {
        let names: Vec<String> =
            self.pools_under(target).iter().map(|pool| pool.name.clone()).collect();
        for pool in self.pools.iter_mut().filter(|pool| names.contains(&pool.name)) {
            pool.location.get_or_insert_with(|| location.clone());
        }
    }

    /// Adds a policy; gives its name.
    pub(super) fn choice(&mut self, wanted: &str, place: &str, kind: Kind) -> String {
        let name = self.target_name(wanted);
        self.policies.push(Policy { name: name.clone(), place: place.to_owned(), kind });
        name
    }
}

/// A name with its last dot, in lower case.
pub(super) fn absolute(name: &str) -> String {
    format!("{}.", name.trim().trim_end_matches('.').to_ascii_lowercase())
}

/// Whether an absolute name is `zone` or below it.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|front| front.ends_with('.'))
}

/// The first label of a name, for naming what answers it; that of a wildcard with the next one.
pub(super) fn first_label(name: &str) -> String {
    match name.split('.').next() {
        Some("*") => format!("wildcard-{}", first_label(name.trim_start_matches("*."))),
        Some(label) if !label.is_empty() => label.to_owned(),
        _ => "root".to_owned(),
    }
}

/// A text as the name of a pool, policy or monitor.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(48);
    slug.trim_end_matches('-').to_owned()
}

fn free(wanted: &str, otherwise: &str, taken: &BTreeSet<String>) -> String {
    let slug = match slug(wanted) {
        slug if slug.is_empty() || slug == "none" => otherwise.to_owned(),
        slug => slug,
    };
    if !taken.contains(&slug) {
        return slug;
    }
    (2..).map(|n| format!("{slug}-{n}")).find(|name| !taken.contains(name)).unwrap_or(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidy_and_never_taken_twice() {
        let mut draft = Draft::default();
        assert_eq!(draft.target_name("US East (Primary)"), "us-east-primary");
        assert_eq!(draft.target_name("us_east__primary"), "us-east-primary-2");
        assert_eq!(draft.target_name("none"), "target");
        assert_eq!(draft.monitor_name("us-east-primary"), "us-east-primary");
        assert_eq!(first_label("*.example.com."), "wildcard-example");
    }

    #[test]
    fn a_name_is_in_the_longest_zone_around_it() {
        let mut draft = Draft::default();
        draft.zone("example.com");
        draft.zone("sub.example.com.");
        assert_eq!(draft.zone_around("www.sub.example.com").name, "sub.example.com.");
        assert_eq!(draft.zone_around("notexample.com").name, "notexample.com.");
        assert_eq!(draft.notes.len(), 1, "the guess is told");
    }
}
