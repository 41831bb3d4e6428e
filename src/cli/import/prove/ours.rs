//! What the imported configuration tells, in the words of [`told`](super::told).

use std::collections::{BTreeMap, BTreeSet};

use super::Scene;
use super::told::{self, Family, Told, data, settled};
use crate::admin::Question;
use crate::cli::explain;
use crate::geo::address;
use crate::health::Verdict;
use crate::server::Generation;
use crate::steering::Client;
use crate::steering::answers::Outcome;
use crate::steering::control::Control;
use crate::steering::evaluate::{Asker, evaluate};
use crate::steering::model::MemberData;
use crate::steering::resolve::{Item, Resolved};
use crate::steering::spread;
use crate::wire::{Name, Type};
use crate::zone::{self, RecordId};

/// The imported configuration in every state that is supposed.
pub(super) struct Ours<'a> {
    generation: &'a Generation,
    states: BTreeMap<BTreeSet<String>, Control>,
}

impl<'a> Ours<'a> {
    pub(super) fn new(generation: &'a Generation) -> Ours<'a> {
        Ours { generation, states: BTreeMap::new() }
    }

    /// What a name tells.
    pub(super) fn tell(&mut self, name: &str, scene: &Scene<'_>) -> Told {
        let rtype = match scene.family {
            Family::V4 => Type::A,
            Family::V6 => Type::AAAA,
        };
        let Ok(name) = name.parse::<Name>() else { return Vec::new() };
        let Some(found) = self.generation.snapshot.zones.find(&name, rtype) else {
            return Vec::new();
        };
        match found.outcome {
            zone::Outcome::Steered(id) => self.steered(id, rtype, scene),
            _ => self.plain(&name, rtype, scene),
        }
    }

    /// A name that is in the zone file: what the engine answers.
    fn plain(&mut self, name: &Name, rtype: Type, scene: &Scene<'_>) -> Told {
        let length = if scene.address.is_ipv4() { 32 } else { 128 };
        let question = Question { name: name.clone(), rtype, address: scene.address, length };
        let generation = self.generation;
        let control = self.control(scene.down);
        let Ok(told) = explain::suppose(generation, control, &[], &question) else {
            return Vec::new();
        };
        let of_name = told.records.iter().filter_map(|record| {
            let words: Vec<&str> = record.split_whitespace().collect();
            match words[..] {
                [owner, _, _, "A" | "AAAA" | "CNAME", text] => {
                    (data(owner) == data(&name.to_string())).then(|| data(text))
                }
                _ => None,
            }
        });
        settled(told::all(of_name), scene.family)
    }

    fn control(&mut self, down: &BTreeSet<String>) -> &Control {
        let generation = self.generation;
        self.states.entry(down.clone()).or_insert_with(|| control(generation, down))
    }

    fn steered(&mut self, record: RecordId, rtype: Type, scene: &Scene<'_>) -> Told {
        self.control(scene.down);
        let control = &self.states[scene.down];
        let client = Client::new(address::unwrap(scene.address).address);
        let record = &control.view().model.records[record.0 as usize];
        let asker = Asker { client, location: scene.location, rtype };
        let outcome = evaluate(control.view(), record, asker, None).outcome;
        let Outcome::Resolved(resolved) = outcome else { return Vec::new() };
        let own = spread::seed(record.owner.to_lower().as_wire());
        let portion = u16::from(spread::portion(own, spread::client_key(client.address)));
        let mut told = Vec::new();
        self.collect(&resolved, 1.0, portion, &mut told);
        settled(told, scene.family)
    }

    fn collect(&self, resolved: &Resolved, share: f64, portion: u16, told: &mut Told) {
        match resolved {
            Resolved::NoData => told.push((share, BTreeSet::new())),
            Resolved::Ring(ring) => {
                let items: Vec<String> = ring.items.iter().map(|item| self.item(item)).collect();
                if ring.is_fixed || ring.take >= items.len() {
                    return told.push((share, items.into_iter().collect()));
                }
                for first in 0..items.len() {
                    let turn = items.iter().cycle().skip(first).take(ring.take).cloned();
                    told.push((share / items.len() as f64, turn.collect()));
                }
            }
            Resolved::Draw(parts) => {
                let weights: Vec<u32> = parts.iter().map(|(weight, _)| *weight).collect();
                for (part, (_, inner)) in shares(&weights).zip(parts) {
                    self.collect(inner, share * part, portion, told);
                }
            }
            // Over all clients: what one gets is fixed, and differs from hash to hash.
            Resolved::Hash(parts) => {
                let weights: Vec<u32> = parts.iter().map(|(one, _)| one.weight).collect();
                for (part, (_, inner)) in shares(&weights).zip(parts) {
                    self.collect(inner, share * part, portion, told);
                }
            }
            Resolved::Split(parts) => {
                if let Some((_, part)) = parts.iter().find(|(bound, _)| portion < *bound) {
                    self.collect(part, share, portion, told);
                }
            }
        }
    }

    fn item(&self, item: &Item) -> String {
        match item {
            Item::Address(address) => address.to_string(),
            Item::Member(pool, index) => {
                match &self.generation.steering.model.pool(*pool).members[*index].data {
                    MemberData::Address(address) => address.to_string(),
                    MemberData::Alias(name) => data(&name.to_string()),
                    MemberData::Data { rtype, .. } => format!("({rtype})"),
                }
            }
        }
    }
}

/// What is down in a state: checks of members with these addresses or host names.
fn control(generation: &Generation, down: &BTreeSet<String>) -> Control {
    let members = generation.steering.model.pools.iter().flat_map(|pool| &pool.members);
    let is_down = |text: &str| down.contains(&data(text));
    let checks = members.filter(|member| is_down(&member.name)).filter_map(|member| member.check);
    let checks: BTreeSet<_> = checks.collect();
    let verdicts = checks.into_iter().map(|check| (check, Verdict::Down));
    let mut control = Control::new(generation.steering.clone(), verdicts);
    control.settle();
    control
}

/// The weights as parts of 1; all alike when all are 0.
fn shares(weights: &[u32]) -> impl Iterator<Item = f64> {
    let nobody = weights.iter().all(|weight| *weight == 0);
    let weight = move |weight: &u32| if nobody { 1.0 } else { f64::from(*weight) };
    let sum: f64 = weights.iter().map(weight).sum();
    weights.iter().map(move |one| weight(one) / sum)
}
