//! How much each client counts: by the people of its country, or by the queries of a log.
//!
//! A country's people stand behind its addresses in equal parts: most behind IPv4, the others
//! behind IPv6, as far as the databases know of either.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail};

use super::arguments::Weights;
use super::query_log;
use crate::geo::{Atlas, Country, LocationId, country, unwrap};
use crate::steering::census::{self, Kin, Size};
use crate::steering::compile::CompiledTarget;

/// What clients are weighed by.
#[derive(Debug)]
pub(super) enum Clients {
    /// The people of each country, and how many addresses it has.
    People(HashMap<Country, (f64, Size)>),
    /// Addresses, and how many queries came from each.
    Queries(Vec<(IpAddr, f64)>),
}

impl Clients {
    /// As the command line says.
    pub(super) fn new(weights: &Weights, atlas: &Atlas) -> anyhow::Result<Clients> {
        if !weights.queries.is_empty() {
            return query_log::read(&weights.queries).map(Clients::Queries);
        }
        let own = weights.people.as_deref().map(people).transpose()?;
        let mut countries: HashMap<Country, (f64, Size)> = HashMap::new();
        for (location, size) in census::count_places(atlas) {
            let Some(code) = atlas.location(location).country else { continue };
            let people = match &own {
                Some(own) => own.get(&code).copied(),
                None => country::find(code).map(|info| info.population as f64),
            };
            let (_, all) = countries
                .entry(code)
                .or_insert_with(|| (people.unwrap_or_default(), Size::default()));
            *all += size;
        }
        Ok(Clients::People(countries))
    }

    /// What they are counted in.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Clients::People(_) => "people",
            Clients::Queries(_) => "queries",
        }
    }

    /// The clients of a target that count, by class and place, and how much.
    pub(super) fn of(&self, target: &CompiledTarget, atlas: &Atlas) -> Vec<(Kin, f64)> {
        match self {
            Clients::People(_) => census::count(target, atlas)
                .into_iter()
                .map(|(kin, size)| (kin, self.weight(atlas, kin.location, size)))
                .filter(|(_, weight)| *weight > 0.0)
                .collect(),
            Clients::Queries(queries) => {
                let kin = |(address, count): &(IpAddr, f64)| (kin(target, atlas, *address), *count);
                queries.iter().map(kin).collect()
            }
        }
    }

    /// The clients of two targets, by what they are in the one and in the other.
    pub(super) fn of_both(
        &self,
        old: (&CompiledTarget, &Atlas),
        new: (&CompiledTarget, &Atlas),
    ) -> Vec<((Kin, Kin), f64)> {
        match self {
            Clients::People(_) => census::count_pairs(old, new)
                .into_iter()
                .map(|(pair, size)| (pair, self.weight(old.1, pair.0.location, size)))
                .filter(|(_, weight)| *weight > 0.0)
                .collect(),
            Clients::Queries(queries) => queries
                .iter()
                .map(|(address, count)| {
                    ((kin(old.0, old.1, *address), kin(new.0, new.1, *address)), *count)
                })
                .collect(),
        }
    }

    /// How many people stand behind so many addresses of a place.
    fn weight(&self, atlas: &Atlas, location: LocationId, size: Size) -> f64 {
        let Clients::People(countries) = self else { return 0.0 };
        let country = atlas.location(location).country;
        let Some((people, all)) = country.and_then(|code| countries.get(&code)) else { return 0.0 };
        people * size.part_of(*all)
    }
}

fn kin(target: &CompiledTarget, atlas: &Atlas, address: IpAddr) -> Kin {
    let table = target.table.as_ref();
    let class = table.map_or(0, |table| table.find(unwrap(address).address).class);
    Kin { class, location: atlas.locate(address) }
}

/// Reads `code,people` lines; a heading and comments are passed over.
fn people(path: &Path) -> anyhow::Result<HashMap<Country, f64>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut found = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let row = line.split_once(',').and_then(|(code, people)| {
            Some((code.trim().parse().ok()?, people.trim().parse::<f64>().ok()?))
        });
        match row {
            Some((code, people)) if people >= 0.0 && people.is_finite() => {
                found.insert(code, people);
            }
            _ if number == 0 || line.trim().is_empty() || line.starts_with('#') => {}
            _ => bail!("{}:{}: `{line}` is not COUNTRY,PEOPLE", path.display(), number + 1),
        }
    }
    Ok(found)
}
