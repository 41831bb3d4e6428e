//! How much each client counts: by the people of its country, or by the queries of a log.
//!
//! A country's people stand behind its addresses in equal parts: most behind IPv4, the others
//! behind IPv6, as far as the databases know of either.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::arguments::Weights;
use super::report;
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
            return queries(&weights.queries);
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

fn queries(paths: &[PathBuf]) -> anyhow::Result<Clients> {
    let mut counts: HashMap<IpAddr, f64> = HashMap::new();
    let mut unread = 0_usize;
    for path in paths {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        for line in String::from_utf8_lossy(&text).lines() {
            match client_of(line) {
                Some((client, count)) => *counts.entry(client).or_default() += count,
                None if line.trim().is_empty() || line.starts_with('#') => {}
                None => unread += 1,
            }
        }
    }
    if unread > 0 {
        report::say(&format!("{unread} lines of the logs without a client passed over"));
    }
    if counts.is_empty() {
        bail!("no query in the logs");
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(address, _)| *address);
    Ok(Clients::Queries(counts))
}

/// The client of a line of a query log and how many queries it stands for.
///
/// `ADDRESS[/LENGTH][,COUNT]`; BIND's `… client @0x… ADDRESS#PORT (…): query: …`, with its
/// `[ECS ADDRESS/LENGTH/SCOPE]`; Route 53's twelve fields, the resolver's address before the
/// client's subnet or `-`.
fn client_of(line: &str) -> Option<(IpAddr, f64)> {
    let address = |text: &str| text.split('/').next().and_then(|text| text.parse().ok());
    if let Some((_, rest)) = line.split_once("[ECS ") {
        return Some((address(rest.split(']').next()?)?, 1.0));
    }
    if let Some((_, rest)) = line.split_once("client ") {
        let client = rest.split_whitespace().find(|word| word.contains('#'))?;
        return Some((address(client.split('#').next()?)?, 1.0));
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [.., resolver, subnet] = words[..]
        && words.len() >= 10
    {
        return Some((address(subnet).or_else(|| address(resolver))?, 1.0));
    }
    let mut fields = line.split(',').map(str::trim);
    let client = address(fields.next()?)?;
    let count = match fields.next() {
        Some(count) => {
            count.parse().ok().filter(|count: &f64| *count > 0.0 && count.is_finite())?
        }
        None => 1.0,
    };
    Some((client, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_read_from_logs_of_several_makes() {
        let client =
            |line: &str| client_of(line).map(|(address, count)| (address.to_string(), count));
        let read = |address: &str, count| Some((address.to_owned(), count));
        assert_eq!(client("192.0.2.1"), read("192.0.2.1", 1.0));
        assert_eq!(client("2001:db8::/56, 12"), read("2001:db8::", 12.0));
        assert_eq!(
            client(
                "25-Nov-2026 10:00:00.000 queries: info: client @0x7f 192.0.2.7#5353 \
                 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)"
            ),
            read("192.0.2.7", 1.0)
        );
        assert_eq!(
            client(
                "client @0x7f 192.0.2.7#53 (a.example): query: a.example IN A +E(0) (192.0.2.53) \
                 [ECS 198.51.100.0/24/0]"
            ),
            read("198.51.100.0", 1.0)
        );
        let route53 = "1.0 2026-11-25T08:15:44.865Z Z123412341234 example.com A NOERROR UDP \
                       IAD12 192.168.3.1";
        let with = |subnet: &str| client(&format!("{route53} {subnet}"));
        assert_eq!(with("192.168.222.0/24"), read("192.168.222.0", 1.0));
        assert_eq!(with("-"), read("192.168.3.1", 1.0));
        for wrong in ["", "hello", "192.0.2.1,-3", "192.0.2.1,many"] {
            assert_eq!(client(wrong), None, "{wrong}");
        }
    }
}
