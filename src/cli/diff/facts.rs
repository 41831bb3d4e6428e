//! What differs between two configurations, ready to be shown.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::cli::people::Clients;
use crate::geo::{LocationId, country};
use crate::server::Generation;
use crate::server::changes::{self, Side};
use crate::steering::census::{self, Kin};
use crate::steering::control::Control;
use crate::steering::model::Model;
use crate::wire::Name;
use crate::zone::RecordId;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// What the files say otherwise: `pools: 1 changed (eu-west)`.
    pub(super) files: Vec<String>,
    /// `people` or `queries`.
    pub(super) unit: &'static str,
    /// Names whose clients move, the most first. Names that both sides bind to the same targets
    /// stand together.
    pub(super) names: Vec<NameFacts>,
}

/// Names whose clients move alike.
#[derive(Debug, Serialize)]
pub(super) struct NameFacts {
    pub(super) names: Vec<String>,
    /// The part of all clients who are sent to another pool, 0 to 1.
    pub(super) moved: f64,
    /// From where, to where, and which part of all clients; the most first.
    pub(super) ways: Vec<(String, String, f64)>,
    /// Country, which part of its own clients moves, and how many they are; the most first.
    pub(super) countries: Vec<(String, f64, f64)>,
    /// The same for networks (ASN), where the databases know them.
    pub(super) networks: Vec<(String, f64, f64)>,
}

/// Smaller parts come of adding many numbers up.
const NOTHING: f64 = 1e-9;

impl Facts {
    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.names.is_empty()
    }
}

pub(super) fn gather(old: &Generation, new: &Generation, clients: &Clients) -> Facts {
    let sides = (side(old), side(new));
    let files = changes::between(sides.0, sides.1).iter().map(ToString::to_string).collect();
    let controls = (settled(old), settled(new));
    let mut names: BTreeMap<_, Vec<(RecordId, RecordId)>> = BTreeMap::new();
    let by_owner: HashMap<&Name, RecordId> = new
        .steering
        .model
        .records
        .iter()
        .map(|record| &record.owner)
        .zip((0..).map(RecordId))
        .collect();
    for (old_id, record) in (0..).map(RecordId).zip(&old.steering.model.records) {
        if let Some(new_id) = by_owner.get(&record.owner) {
            let other = &new.steering.model.records[new_id.0 as usize];
            names.entry((record.target, other.target)).or_default().push((old_id, *new_id));
        }
    }
    let mut names: Vec<NameFacts> = names
        .into_values()
        .filter_map(|records| {
            let name = |(id, _): &(RecordId, RecordId)| {
                old.steering.model.records[id.0 as usize].owner.to_string()
            };
            let pair = Pair { old: (old, &controls.0), new: (new, &controls.1) };
            pair.compare(records[0], records.iter().map(name).collect(), clients)
        })
        .collect();
    names.sort_by(|a, b| b.moved.total_cmp(&a.moved).then_with(|| a.names.cmp(&b.names)));
    Facts { files, unit: clients.unit(), names }
}

fn side(generation: &Generation) -> Side<'_> {
    Side {
        snapshot: &generation.snapshot,
        model: &generation.steering.model,
        checks: &generation.checks,
    }
}

/// Everything up.
fn settled(generation: &Generation) -> Control {
    let mut control = Control::new(generation.steering.clone(), []);
    control.settle();
    control
}

struct Pair<'a> {
    old: (&'a Generation, &'a Control),
    new: (&'a Generation, &'a Control),
}

impl Pair<'_> {
    /// `None` when no client moves.
    fn compare(
        &self,
        (old_record, new_record): (RecordId, RecordId),
        names: Vec<String>,
        clients: &Clients,
    ) -> Option<NameFacts> {
        let compiled = |generation: &'_ Generation, record: RecordId| {
            let target = generation.steering.model.records[record.0 as usize].target;
            generation.steering.compiled.number(target)
        };
        let old_target = &self.old.0.steering.compiled.targets[compiled(self.old.0, old_record)];
        let new_target = &self.new.0.steering.compiled.targets[compiled(self.new.0, new_record)];
        let before = shares(&self.old.0.steering.model, self.old.1, old_record);
        let after = shares(&self.new.0.steering.model, self.new.1, new_record);
        let kin = clients.of_both((old_target, &self.old.0.atlas), (new_target, &self.new.0.atlas));
        let all: f64 = kin.iter().map(|(_, weight)| weight).sum();

        let mut ways: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        let mut countries = Tally::default();
        let mut networks = Tally::default();
        let mut moved = 0.0;
        // Classes meet in few pairs, whatever the number of clients.
        let mut of_classes: HashMap<(u32, u32), Vec<_>> = HashMap::new();
        for ((old, new), weight) in &kin {
            let moves = of_classes
                .entry((old.class, new.class))
                .or_insert_with(|| moves(&before[old.class as usize], &after[new.class as usize]));
            let part: f64 = moves.iter().map(|(.., share)| share).sum();
            moved += weight * part;
            for (from, to, share) in &*moves {
                *ways.entry((from, to)).or_default() += weight * share;
            }
            countries.add(self.country(old.location), *weight, weight * part);
            if let Some(asn) = self.network(*old) {
                networks.add(asn, *weight, weight * part);
            }
        }
        if moved <= NOTHING * all {
            return None;
        }
        let mut ways: Vec<_> = ways
            .into_iter()
            .map(|((from, to), weight)| (from.to_owned(), to.to_owned(), weight / all))
            .collect();
        ways.sort_by(|a, b| b.2.total_cmp(&a.2));
        Some(NameFacts {
            names,
            moved: moved / all,
            ways,
            countries: countries.sorted(all),
            networks: networks.sorted(all),
        })
    }

    fn country(&self, location: LocationId) -> String {
        match self.old.0.atlas.location(location).country {
            Some(code) => match country::find(code) {
                Some(info) => format!("{code} {}", info.name),
                None => code.to_string(),
            },
            None => "unknown".to_owned(),
        }
    }

    fn network(&self, kin: Kin) -> Option<String> {
        self.old.0.atlas.location(kin.location).asn.map(|asn| format!("AS{asn}"))
    }
}

/// How many there are of something, and how many of them move.
#[derive(Debug, Default)]
struct Tally(HashMap<String, (f64, f64)>);

impl Tally {
    fn add(&mut self, name: String, all: f64, moved: f64) {
        let entry = self.0.entry(name).or_default();
        entry.0 += all;
        entry.1 += moved;
    }

    /// Those of which any move: name, part of its own, and how many.
    fn sorted(self, everybody: f64) -> Vec<(String, f64, f64)> {
        let moving = self.0.into_iter().filter(|(_, (_, moved))| *moved > NOTHING * everybody);
        let mut list: Vec<_> =
            moving.map(|(name, (all, moved))| (name, moved / all, moved)).collect();
        list.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        list
    }
}

/// For each class the share of each pool, by name.
pub(in crate::cli) fn shares(
    model: &Model,
    control: &Control,
    record: RecordId,
) -> Vec<BTreeMap<String, f64>> {
    let outcomes = control.outcomes(record).into_iter();
    let named = |outcome| {
        let mut shares = BTreeMap::new();
        for (outlet, share) in census::outlets(&outcome) {
            *shares.entry(outlet.name(model).to_owned()).or_default() += share;
        }
        shares
    };
    outcomes.map(|(outcome, _)| named(outcome)).collect()
}

/// The least that must move from one division to another: who gives, who takes, and how much.
fn moves<'a>(
    before: &'a BTreeMap<String, f64>,
    after: &'a BTreeMap<String, f64>,
) -> Vec<(&'a str, &'a str, f64)> {
    let names: HashSet<&String> = before.keys().chain(after.keys()).collect();
    let share = |side: &BTreeMap<String, f64>, name: &str| side.get(name).copied().unwrap_or(0.0);
    let gain = |name: &str| share(after, name) - share(before, name);
    let moved: f64 = names.iter().map(|name| gain(name).max(0.0)).sum();
    let mut found = Vec::new();
    for from in names.iter().filter(|name| gain(name) < -NOTHING) {
        for to in names.iter().filter(|name| gain(name) > NOTHING) {
            found.push((from.as_str(), to.as_str(), -gain(from) * gain(to) / moved));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn division(shares: &[(&str, f64)]) -> BTreeMap<String, f64> {
        shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
    }

    #[test]
    fn what_one_gives_others_take() {
        let before = division(&[("a", 0.5), ("b", 0.5)]);
        let after = division(&[("a", 0.25), ("b", 0.5), ("c", 0.25)]);
        assert_eq!(moves(&before, &after), [("a", "c", 0.25)]);
        assert!(moves(&before, &before).is_empty());
    }
}
