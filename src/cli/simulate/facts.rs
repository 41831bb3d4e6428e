//! What a simulation found, ready to be shown.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::burden::{Burden, overloaded};
use super::{map, svg};
use crate::cli::arguments::Simulate;
use crate::cli::people::Clients;
use crate::geo::{Coordinates, LocationId, country};
use crate::server::Generation;
use crate::steering::census::{self, Kin, Outlet};
use crate::steering::control::Control;
use crate::steering::latency;
use crate::steering::model::{Model, PoolId, PoolState, Target};
use crate::zone::RecordId;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// Pools that are supposed to be down.
    pub(super) down: Vec<String>,
    /// `people` or `queries`.
    pub(super) unit: &'static str,
    /// How much all clients ask for, in the unit of `capacity`, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<f64>,
    /// One for each target of the names.
    pub(super) targets: Vec<TargetFacts>,
    /// The map of the one target, when it is wanted.
    #[serde(skip)]
    pub(super) image: Option<String>,
}

/// Names that are bound to one target.
#[derive(Debug, Serialize)]
pub(super) struct TargetFacts {
    pub(super) names: Vec<String>,
    pub(super) target: String,
    /// How much all clients count.
    pub(super) clients: f64,
    /// The largest first.
    pub(super) outlets: Vec<OutletFacts>,
    /// The largest first.
    pub(super) continents: Vec<PlaceFacts>,
    /// The largest first; only when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) countries: Vec<PlaceFacts>,
    /// The worst first; only when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failures: Vec<FailureFacts>,
    /// Only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) map: Option<map::Map>,
}

/// A pool, or what stands for one.
#[derive(Debug, Serialize)]
pub(super) struct OutletFacts {
    pub(super) outlet: String,
    /// Its part of all clients, 0 to 1.
    pub(super) share: f64,
    pub(super) clients: f64,
    /// Great-circle distance to its clients in kilometres, of half of them and of 95 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) km: Option<(f64, f64)>,
    /// The round trip in milliseconds that this distance takes, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ms: Option<(f64, f64)>,
    /// What it gets to do, when that and its capacity are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) burden: Option<Burden>,
}

/// A continent or a country.
#[derive(Debug, Serialize)]
pub(super) struct PlaceFacts {
    pub(super) place: String,
    pub(super) clients: f64,
    /// Each outlet's part of its clients, the largest first.
    pub(super) shares: Vec<(String, f64)>,
}

/// What would be if some pools were down.
#[derive(Debug, Serialize)]
pub(super) struct FailureFacts {
    pub(super) down: Vec<String>,
    /// The part of all clients who get another answer.
    pub(super) moved: f64,
    /// The part of all clients who are sent nowhere, or where nothing is up.
    pub(super) lost: f64,
    /// The outlet that gets the most clients on top, its part before and after.
    pub(super) most_loaded: Option<(String, f64, f64)>,
    /// Pools that get more than they can do, the worst first, with their loads: 1.0 is full.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) overloaded: Vec<(String, f64)>,
}

/// How much goes from each place to each outlet.
type Flows = HashMap<(Outlet, LocationId), f64>;

/// Records by what they are bound to.
pub(super) fn by_target(model: &Model, wanted: &[RecordId]) -> BTreeMap<Target, Vec<RecordId>> {
    let mut of_target: BTreeMap<Target, Vec<RecordId>> = BTreeMap::new();
    for id in wanted {
        of_target.entry(model.records[id.0 as usize].target).or_default().push(*id);
    }
    of_target
}

/// `total` is how much all clients ask for, in the unit of `capacity`.
pub(super) fn gather(
    generation: &Generation,
    control: &mut Control,
    clients: &Clients,
    wanted: BTreeMap<Target, Vec<RecordId>>,
    total: Option<f64>,
    arguments: &Simulate,
) -> Facts {
    let model = &generation.steering.model;
    let mut image = None;
    let mut targets: Vec<TargetFacts> = wanted
        .into_iter()
        .map(|(target, records)| {
            let compiled = &generation.steering.compiled;
            let kin = clients.of(&compiled.targets[compiled.number(target)], &generation.atlas);
            let subject = Subject { generation, target, record: records[0], kin, total };
            let name = |id: &RecordId| model.records[id.0 as usize].owner.to_string();
            let facts = subject.facts(records.iter().map(name).collect(), control, arguments);
            if arguments.svg.is_some() {
                image = Some(subject.image(control, &facts));
            }
            facts
        })
        .collect();
    targets.sort_by(|a, b| a.names.cmp(&b.names));
    Facts { down: arguments.down.clone(), unit: clients.unit(), total, targets, image }
}

/// One target, its clients, and a record of it.
struct Subject<'a> {
    generation: &'a Generation,
    target: Target,
    record: RecordId,
    kin: Vec<(Kin, f64)>,
    total: Option<f64>,
}

impl Subject<'_> {
    fn facts(
        &self,
        names: Vec<String>,
        control: &mut Control,
        arguments: &Simulate,
    ) -> TargetFacts {
        let model = &self.generation.steering.model;
        let flows = self.flows(control);
        let clients: f64 = flows.values().sum();
        let totals = totals(&flows);
        let mut outlets: Vec<OutletFacts> = totals
            .iter()
            .map(|(outlet, people)| {
                let km = self.distances(*outlet, &flows);
                let share = people / clients;
                OutletFacts {
                    outlet: outlet.name(model).to_owned(),
                    share,
                    burden: match outlet {
                        Outlet::Pool(id) => {
                            self.total.and_then(|it| Burden::of(model.pool(*id), share, it))
                        }
                        _ => None,
                    },
                    clients: *people,
                    km,
                    ms: km.map(|(half, most)| {
                        (latency::of_distance(half), latency::of_distance(most))
                    }),
                }
            })
            .collect();
        outlets.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.outlet.cmp(&b.outlet)));
        TargetFacts {
            names,
            target: model.target_name(self.target).to_owned(),
            clients,
            continents: self.places(&flows, |id| self.continent(id)),
            countries: match arguments.countries {
                true => self.places(&flows, |id| self.country(id)),
                false => Vec::new(),
            },
            failures: self.failures(control, &flows, arguments.every_failure.unwrap_or(0)),
            map: arguments.map.then(|| self.map(&flows, &outlets)),
            outlets,
        }
    }

    fn flows(&self, control: &Control) -> Flows {
        let outcomes = control.outcomes(self.record);
        let outlets: Vec<_> =
            outcomes.iter().map(|(outcome, panic)| census::outlets_now(outcome, *panic)).collect();
        let mut flows = Flows::new();
        for (kin, weight) in &self.kin {
            for (outlet, share) in &outlets[kin.class as usize] {
                *flows.entry((*outlet, kin.location)).or_default() += weight * share;
            }
        }
        flows
    }

    /// The median and the 95th percentile of the distance to an outlet's clients.
    fn distances(&self, outlet: Outlet, flows: &Flows) -> Option<(f64, f64)> {
        let Outlet::Pool(pool) = outlet else { return None };
        let at = self.generation.steering.model.pool(pool).coordinates?;
        let mut ways: Vec<(f64, f64)> = flows
            .iter()
            .filter(|((other, _), _)| *other == outlet)
            .filter_map(|((_, location), weight)| {
                Some((self.coordinates(*location)?.distance_km(at), *weight))
            })
            .collect();
        ways.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some((percentile(&ways, 0.5)?, percentile(&ways, 0.95)?))
    }

    fn places(&self, flows: &Flows, name: impl Fn(LocationId) -> String) -> Vec<PlaceFacts> {
        let mut of_place: BTreeMap<String, BTreeMap<Outlet, f64>> = BTreeMap::new();
        for ((outlet, location), weight) in flows {
            *of_place.entry(name(*location)).or_default().entry(*outlet).or_default() += weight;
        }
        let model = &self.generation.steering.model;
        let place = |(place, outlets): (String, BTreeMap<Outlet, f64>)| {
            let clients: f64 = outlets.values().sum();
            let mut shares: Vec<_> = outlets
                .into_iter()
                .map(|(outlet, weight)| (outlet.name(model).to_owned(), weight / clients))
                .collect();
            shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            PlaceFacts { place, clients, shares }
        };
        let mut places: Vec<PlaceFacts> = of_place.into_iter().map(place).collect();
        places.sort_by(|a, b| b.clients.total_cmp(&a.clients));
        places
    }

    /// Takes every so many pools down, and puts them back.
    fn failures(&self, control: &mut Control, flows: &Flows, at_once: u8) -> Vec<FailureFacts> {
        let pools = self.generation.steering.model.pools_under(self.target);
        let pools: Vec<PoolId> = pools
            .into_iter()
            .filter(|pool| control.standing(*pool).state != PoolState::Down)
            .collect();
        let mut cases: Vec<Vec<PoolId>> = Vec::new();
        if at_once >= 1 {
            cases.extend(pools.iter().map(|pool| vec![*pool]));
        }
        if at_once >= 2 {
            for (index, first) in pools.iter().enumerate() {
                cases.extend(pools[index + 1..].iter().map(|second| vec![*first, *second]));
            }
        }
        let mut found: Vec<FailureFacts> =
            cases.iter().map(|case| self.failure(control, flows, case)).collect();
        let worst = |failure: &FailureFacts| failure.overloaded.first().map_or(0.0, |it| it.1);
        found.sort_by(|a, b| {
            let by_load = worst(b).total_cmp(&worst(a));
            let by_share = highest(b).total_cmp(&highest(a));
            b.lost.total_cmp(&a.lost).then(by_load).then(by_share)
        });
        found
    }

    fn failure(&self, control: &mut Control, before: &Flows, down: &[PoolId]) -> FailureFacts {
        for pool in down {
            control.force(*pool, Some(PoolState::Down));
        }
        control.settle();
        let after = self.flows(control);
        for pool in down {
            control.force(*pool, None);
        }
        control.settle();
        let model = &self.generation.steering.model;
        let clients: f64 = before.values().sum();
        let moved: f64 = before
            .iter()
            .map(|(key, weight)| (weight - after.get(key).unwrap_or(&0.0)).max(0.0))
            .sum();
        let (old, new) = (totals(before), totals(&after));
        let lost = |totals: &BTreeMap<Outlet, f64>| -> f64 {
            let lost = [Outlet::Substitute, Outlet::Nothing];
            lost.iter().filter_map(|outlet| totals.get(outlet)).sum()
        };
        let most_loaded = new
            .iter()
            .filter(|(outlet, _)| matches!(outlet, Outlet::Pool(_)))
            .map(|(outlet, weight)| (*outlet, old.get(outlet).copied().unwrap_or(0.0), *weight))
            .max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)));
        FailureFacts {
            down: down.iter().map(|pool| model.pool(*pool).name.clone()).collect(),
            moved: moved / clients,
            lost: lost(&new) / clients,
            overloaded: overloaded(self.generation, &new, clients, self.total),
            most_loaded: most_loaded.map(|(outlet, old, new)| {
                (outlet.name(model).to_owned(), old / clients, new / clients)
            }),
        }
    }

    fn map(&self, flows: &Flows, outlets: &[OutletFacts]) -> map::Map {
        let model = &self.generation.steering.model;
        let points = flows.iter().filter_map(|((outlet, location), weight)| {
            let name = outlet.name(model);
            let number = outlets.iter().position(|facts| facts.outlet == name)?;
            Some((self.coordinates(*location)?, number, *weight))
        });
        map::Map::draw(points, outlets.iter().map(|facts| facts.outlet.clone()).collect())
    }

    /// The map as an image.
    fn image(&self, control: &Control, facts: &TargetFacts) -> String {
        let flows = self.flows(control);
        let code = |location: LocationId| {
            let country = self.generation.atlas.location(location).country;
            country.map_or(String::new(), |code| code.to_string())
        };
        let countries = self.places(&flows, code).into_iter();
        let countries = countries.map(|place| (place.place.clone(), place)).collect();
        let model = &self.generation.steering.model;
        let pools = model.pools_under(self.target).into_iter().filter_map(|id| {
            let pool = model.pool(id);
            Some((pool.name.clone(), pool.coordinates?))
        });
        svg::draw(facts, &countries, &pools.collect::<Vec<_>>())
    }

    fn coordinates(&self, location: LocationId) -> Option<Coordinates> {
        self.generation.atlas.location(location).coordinates
    }

    fn continent(&self, location: LocationId) -> String {
        let continent = self.generation.atlas.location(location).continent;
        continent.map_or("unknown".to_owned(), |continent| continent.to_string())
    }

    fn country(&self, location: LocationId) -> String {
        let Some(code) = self.generation.atlas.location(location).country else {
            return "unknown".to_owned();
        };
        match country::find(code) {
            Some(info) => format!("{code} {}", info.name),
            None => code.to_string(),
        }
    }
}

fn highest(failure: &FailureFacts) -> f64 {
    failure.most_loaded.as_ref().map_or(0.0, |(_, _, share)| *share)
}

fn totals(flows: &Flows) -> BTreeMap<Outlet, f64> {
    let mut totals = BTreeMap::new();
    for ((outlet, _), weight) in flows {
        *totals.entry(*outlet).or_default() += weight;
    }
    totals
}

/// The value that so large a part of the weights does not exceed; `values` are sorted.
fn percentile(values: &[(f64, f64)], part: f64) -> Option<f64> {
    let all: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    for (value, weight) in values {
        sum += weight;
        if sum >= part * all {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}
