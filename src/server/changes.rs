//! What became otherwise from one generation to the next, in a few lines for the log.
//!
//! Compares by names: places in files and indexes change without meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::engine::Snapshot;
use crate::health::Check;
use crate::steering::model::{Destination, Kind, Member, Model, Policy, Pool, Record, Target};

/// What one generation is, as far as it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its zones.
    pub snapshot: &'a Snapshot,
    /// What steers.
    pub model: &'a Model,
    /// What is checked.
    pub checks: &'a [Check],
}

/// Differences of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `zones`.
    pub kind: &'static str,
    /// Names that are new.
    pub added: Vec<String>,
    /// Names that are gone.
    pub removed: Vec<String>,
    /// Names that mean something else now.
    pub changed: Vec<String>,
}

/// Names that a line holds in each of its parts.
const LISTED: usize = 8;

/// The differences of all kinds that have any. Zones changed when their serials did.
pub fn between(old: Side<'_>, new: Side<'_>) -> Vec<Difference> {
    let zones = |side: Side<'_>| -> BTreeMap<String, String> {
        let zones = side.snapshot.zones.zones();
        zones.map(|zone| (zone.apex().to_lower().to_string(), zone.serial().to_string())).collect()
    };
    let mut zones = Difference::of("zones", (zones(old), zones(new)), |zone, before, after| {
        format!("{zone} (serial {before}, now {after})")
    });
    let policies = |Side { model, .. }: Side<'_>| -> BTreeMap<String, String> {
        let policies = model.policies.iter();
        policies.map(|policy| (policy.name.clone(), meaning(model, policy))).collect()
    };
    let pools = |Side { model, .. }: Side<'_>| -> BTreeMap<String, String> {
        model.pools.iter().map(|pool| (pool.name.clone(), settings(pool))).collect()
    };
    let members = |side: Side<'_>| -> BTreeMap<String, String> {
        let pools = side.model.pools.iter();
        pools.flat_map(|pool| side.members(pool)).collect()
    };
    let records = |Side { model, .. }: Side<'_>| -> BTreeMap<String, String> {
        let record = |record: &Record| {
            let Record { owner, target, ttl, on_all_down, .. } = record;
            let meaning = format!("{} {ttl} {on_all_down:?}", model.target_name(*target));
            (owner.to_string(), meaning)
        };
        model.records.iter().map(record).collect()
    };
    let mut all = Vec::new();
    all.append(&mut zones);
    for (kind, sides) in [
        ("policies", (policies(old), policies(new))),
        ("pools", (pools(old), pools(new))),
        ("members", (members(old), members(new))),
        ("records", (records(old), records(new))),
    ] {
        all.append(&mut Difference::of(kind, sides, |name, _, _| name.to_owned()));
    }
    all
}

impl Side<'_> {
    /// The members of a pool by `pool/member`, with all that matters of them.
    fn members(self, pool: &Pool) -> Vec<(String, String)> {
        let member = |member: &Member| {
            let check = member.check.map(|check| {
                let check = &self.checks[check.0 as usize];
                (check.identity(), check.monitor.pace())
            });
            (format!("{}/{}", pool.name, member.name), format!("{} {check:?}", member.weight))
        };
        pool.members.iter().map(member).collect()
    }
}

impl Difference {
    /// Nothing, or one. `shown` is the text of a name that has another value now.
    fn of(
        kind: &'static str,
        (old, new): (BTreeMap<String, String>, BTreeMap<String, String>),
        shown: impl Fn(&str, &str, &str) -> String,
    ) -> Vec<Difference> {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (old.keys().collect(), new.keys().collect());
        let changed = new.iter().filter_map(|(name, value)| {
            let before = old.get(name).filter(|before| *before != value)?;
            Some(shown(name, before, value))
        });
        let difference = Difference {
            kind,
            added: (&after - &before).into_iter().cloned().collect(),
            removed: (&before - &after).into_iter().cloned().collect(),
            changed: changed.collect(),
        };
        let Difference { added, removed, changed, .. } = &difference;
        let is_any = !(added.is_empty() && removed.is_empty() && changed.is_empty());
        is_any.then_some(difference).into_iter().collect()
    }
}

impl fmt::Display for Difference {
    /// `zones: 1 added (b.example.), 2 changed (…)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind)?;
        let parts =
            [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        for (place, (what, names)) in parts.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let listed = names[..names.len().min(LISTED)].join(", ");
            let more = if names.len() > LISTED { ", …" } else { "" };
            write!(f, "{comma} {} {what} ({listed}{more})", names.len())?;
        }
        Ok(())
    }
}

/// What a pool is beside its members.
fn settings(pool: &Pool) -> String {
    let Pool { balance, answers, min_healthy, state, coordinates, .. } = pool;
    let Pool { ramp, capacity, cost, .. } = pool;
    let place = (coordinates, ramp, capacity, cost);
    format!("{balance:?} {answers} {min_healthy} {state:?} {place:?}")
}

/// What a policy says, with names for indexes and without its places in files.
fn meaning(model: &Model, policy: &Policy) -> String {
    let name = |target: &Target| model.target_name(*target);
    let names = |targets: &[Target]| -> Vec<&str> { targets.iter().map(name).collect() };
    let destination = |to: &Destination| match to {
        Destination::None => None,
        Destination::Targets(targets) => Some(names(targets)),
    };
    match &policy.kind {
        Kind::Failover { targets } => format!("failover {:?} {}", names(targets), policy.take),
        Kind::RoundRobin { targets, answers } => {
            format!("round-robin {:?} {answers}", names(targets))
        }
        Kind::Weighted { targets, spread } => {
            let targets: Vec<_> = targets.iter().map(|(to, weight)| (name(to), weight)).collect();
            format!("weighted {targets:?} {spread:?}")
        }
        Kind::Geo { rules, default, on_down } => {
            let rules = rules.iter().map(|rule| (&rule.matches, destination(&rule.to)));
            let rules: Vec<_> = rules.collect();
            format!("geo {rules:?} {:?} {on_down:?}", default.as_ref().map(destination))
        }
        Kind::Nearest { targets } => {
            let targets: Vec<_> = targets.iter().map(|(to, bias)| (name(to), bias)).collect();
            format!("nearest {targets:?} {}", policy.take)
        }
        Kind::Load { targets } => {
            let targets: Vec<_> = targets.iter().map(|(to, weight)| (name(to), weight)).collect();
            format!("load {targets:?}")
        }
        Kind::Latency { targets, table, within, explore } => {
            let rows = table.rows.iter();
            let rows: Vec<_> =
                rows.map(|row| (&row.clients, &model.pool(row.pool).name, row.ms)).collect();
            format!("latency {:?} {rows:?} {within:?} {explore}", names(targets))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_many_names_stays_a_line() {
        let sides = |names: std::ops::Range<u32>, value: &str| {
            names.map(|n| (format!("n{n}"), value.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let shown = |old, new| {
            let found = Difference::of("records", (old, new), |name, _, _| name.to_owned());
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(sides(0..2, "a"), sides(1..3, "b")),
            ["records: 1 added (n2), 1 removed (n0), 1 changed (n1)"]
        );
        assert!(shown(sides(0..2, "a"), sides(0..2, "a")).is_empty());
        let many = shown(sides(0..0, "a"), sides(0..10_000, "a"));
        let eight = "n0, n1, n10, n100, n1000, n1001, n1002, n1003";
        assert_eq!(many, [format!("records: 10000 added ({eight}, …)")]);
    }
}
