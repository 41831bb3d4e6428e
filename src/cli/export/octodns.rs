//! A zone in octoDNS's YAML: static records, and policies as dynamic records.
//!
//! octoDNS has rules for places and networks, pools with one fallback each, and weights within a
//! pool. What is more than that is left, and told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{steered_in, zone_file};
use crate::config::Config;
use crate::geo::country;
use crate::server::Generation;
use crate::steering::matching::Match;
use crate::steering::model::{
    Balance, Destination, Kind, MemberData, Model, OnAllDown, PoolId, Record, Target,
};
use crate::wire::{Name, Type};
use crate::zone;

/// Names in the order of the zone, each with the YAML of its records.
type Names = BTreeMap<String, Vec<String>>;

/// A rule: geos and subnets, and pools in order of preference.
type Rule = (Vec<String>, Vec<String>, Vec<PoolId>);

/// The document, and what could not be said in it.
///
/// # Errors
/// When there is no such zone.
pub(super) fn document(
    config: &Config,
    generation: &Generation,
    zone: &Name,
) -> anyhow::Result<(String, Vec<String>)> {
    let (_, file) = zone_file(config, zone)?;
    let mut names = Names::new();
    let mut left = Vec::new();
    let mut sets: BTreeMap<(String, Type), (u32, Vec<String>)> = BTreeMap::new();
    for record in &file.records {
        let label = label(&record.owner, zone);
        if record.rtype == Type::SOA || (record.rtype == Type::NS && label.is_empty()) {
            // Providers have their own.
            continue;
        }
        match value(record) {
            Some(value) => {
                let set = sets.entry((label, record.rtype)).or_insert((record.ttl, Vec::new()));
                set.1.push(value);
            }
            None => left.push(format!("{} {} of {}", record.owner, record.rtype, record.site)),
        }
    }
    for ((label, rtype), (ttl, values)) in sets {
        let mut text = format!("type: {rtype}\nttl: {ttl}\nvalues:\n");
        for value in values {
            let _ = writeln!(text, "- {value}"); // writing into a String does not fail
        }
        names.entry(label).or_default().push(text);
    }
    let model = &generation.steering.model;
    for (_, record) in steered_in(generation, zone) {
        let name = label(&record.owner, zone);
        match dynamic(model, record) {
            Ok(texts) => names.entry(name).or_default().extend(texts),
            Err(why) => left.push(format!("{}: {why}", record.owner)),
        }
    }
    Ok((written(&names), left))
}

fn written(names: &Names) -> String {
    let mut out = String::from("---\n");
    for (label, records) in names {
        let _ = writeln!(out, "{}:", quoted(label));
        let is_list = records.len() > 1;
        for record in records {
            for (index, line) in record.lines().enumerate() {
                let front = match (is_list, index) {
                    (false, _) => "  ",
                    (true, 0) => "  - ",
                    (true, _) => "    ",
                };
                let _ = writeln!(out, "{front}{line}");
            }
        }
    }
    out
}

/// A name below its zone; empty for the zone itself.
fn label(name: &Name, zone: &Name) -> String {
    let (name, zone) = (name.to_string().to_lowercase(), zone.to_string().to_lowercase());
    name.strip_suffix(&zone).unwrap_or(&name).trim_end_matches('.').to_owned()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The value of a static record; `None` for types that are not written.
fn value(record: &zone::Record) -> Option<String> {
    let data = &record.rdata;
    let number = |at: usize| Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
    let name = |at: usize| Some(Name::from_wire(data.get(at..)?).ok()?.to_string());
    Some(match record.rtype {
        Type::A => Ipv4Addr::from(<[u8; 4]>::try_from(&data[..]).ok()?).to_string(),
        Type::AAAA => quoted(&Ipv6Addr::from(<[u8; 16]>::try_from(&data[..]).ok()?).to_string()),
        Type::CNAME | Type::NS | Type::PTR | Type::DNAME => name(0)?,
        Type::MX => format!("{{ preference: {}, exchange: {} }}", number(0)?, name(2)?),
        Type::SRV => format!(
            "{{ priority: {}, weight: {}, port: {}, target: {} }}",
            number(0)?,
            number(2)?,
            number(4)?,
            name(6)?
        ),
        Type::TXT => {
            let mut text = String::new();
            let mut rest = &data[..];
            while let Some((length, after)) = rest.split_first() {
                text.push_str(std::str::from_utf8(after.get(..usize::from(*length))?).ok()?);
                rest = &after[usize::from(*length)..];
            }
            // octoDNS wants semicolons with a backslash.
            quoted(&text.replace(';', "\\;"))
        }
        Type::CAA => {
            let length = usize::from(*data.get(1)?);
            let tag = std::str::from_utf8(data.get(2..2 + length)?).ok()?;
            let value = std::str::from_utf8(data.get(2 + length..)?).ok()?;
            format!("{{ flags: {}, tag: {tag}, value: {} }}", data.first()?, quoted(value))
        }
        _ => return None,
    })
}

/// A steered name: a dynamic record for each of its types.
fn dynamic(model: &Model, record: &Record) -> Result<Vec<String>, String> {
    let mut rules = Vec::new();
    rules_of(model, record.target, &mut rules)?;
    let (types, has_alias) = model.record_types(record);
    let types: Vec<Type> = match has_alias {
        true => vec![Type::CNAME],
        false => types,
    };
    let mut texts = Vec::new();
    for rtype in types {
        if !matches!(rtype, Type::A | Type::AAAA | Type::CNAME) {
            return Err(format!("records of type {rtype} cannot be dynamic there"));
        }
        texts.push(of_type(model, record, rtype, &rules)?);
    }
    Ok(texts)
}

fn of_type(model: &Model, record: &Record, rtype: Type, rules: &[Rule]) -> Result<String, String> {
    // A pool with another fallback is another pool there.
    let mut pools: Vec<(String, PoolId, Option<String>)> = Vec::new();
    let mut text = format!("type: {rtype}\nttl: {}\ndynamic:\n  rules:\n", record.ttl);
    for (geos, nets, chain) in rules {
        let mut next: Option<String> = None;
        for id in chain.iter().rev() {
            let known = pools.iter().find(|(_, pool, after)| pool == id && *after == next);
            let name = match known {
                Some((name, ..)) => name.clone(),
                None => {
                    let same = pools.iter().filter(|(_, pool, _)| pool == id).count();
                    let own = &model.pool(*id).name;
                    let name = if same == 0 { own.clone() } else { format!("{own}-{}", same + 1) };
                    pools.push((name.clone(), *id, next));
                    name
                }
            };
            next = Some(name);
        }
        let _ = writeln!(text, "  - pool: {}", next.unwrap_or_default());
        for (key, list) in [("geos", geos), ("subnets", nets)] {
            if !list.is_empty() {
                let list: Vec<String> = list.iter().map(|item| quoted(item)).collect();
                let _ = writeln!(text, "    {key}: [{}]", list.join(", "));
            }
        }
    }
    text.push_str("  pools:\n");
    let mut plain = Vec::new();
    for (name, id, fallback) in &pools {
        let pool = model.pool(*id);
        let _ = writeln!(text, "    {name}:");
        if let Some(fallback) = fallback {
            let _ = writeln!(text, "      fallback: {fallback}");
        }
        text.push_str("      values:\n");
        let mut count = 0;
        for member in &pool.members {
            let value = match &member.data {
                MemberData::Address(a) if a.is_ipv4() == (rtype == Type::A) => a.to_string(),
                MemberData::Alias(name) if rtype == Type::CNAME => name.to_string(),
                _ => continue,
            };
            let weight = match pool.balance {
                Balance::RoundRobin => String::new(),
                // 1 to 15 there.
                Balance::Weighted | Balance::Sticky if (1..=15).contains(&member.weight) => {
                    format!(", weight: {}", member.weight)
                }
                _ => return Err(format!("a weight of {} in `{}`", member.weight, pool.name)),
            };
            let _ = writeln!(text, "      - {{ value: {}{weight} }}", quoted(&value));
            plain.push(value);
            count += 1;
        }
        if count == 0 {
            return Err(format!("pool `{}` has no {rtype}", pool.name));
        }
    }
    if let OnAllDown::Addresses(list) = &record.on_all_down {
        plain = list
            .iter()
            .filter(|address| address.is_ipv4() == (rtype == Type::A))
            .map(ToString::to_string)
            .collect();
    }
    let mut seen = Vec::new();
    plain.retain(|value| {
        !seen.contains(value) && {
            seen.push(value.clone());
            true
        }
    });
    match (rtype, plain.first()) {
        (Type::CNAME, Some(first)) => {
            let _ = writeln!(text, "value: {}", quoted(first));
        }
        _ => {
            text.push_str("values:\n");
            plain.iter().for_each(|value| {
                let _ = writeln!(text, "- {}", quoted(value));
            });
        }
    }
    Ok(text)
}

/// The rules that a target comes to, the one without places last.
fn rules_of(model: &Model, target: Target, rules: &mut Vec<Rule>) -> Result<(), String> {
    let geo = match target {
        Target::Policy(id) => match &model.policy(id).kind {
            Kind::Geo { rules, default, .. } => Some((rules, default)),
            _ => None,
        },
        Target::Pool(_) => None,
    };
    let Some((own, default)) = geo else {
        rules.push((Vec::new(), Vec::new(), chain(model, target)?));
        return Ok(());
    };
    for rule in own {
        let (mut geos, mut nets) = (Vec::new(), Vec::new());
        for place in &rule.matches {
            match place {
                Match::Net(net) => nets.push(net.to_string()),
                place => geos.push(geo_of(place)?),
            }
        }
        rules.push((geos, nets, destination(model, &rule.to)?));
    }
    // Networks first, then the most specific places: there the first that matches decides.
    let depth = |rule: &Rule| {
        let dashes = rule.0.iter().map(|geo| geo.matches('-').count()).max().unwrap_or(0);
        (std::cmp::Reverse(!rule.1.is_empty()), std::cmp::Reverse(dashes))
    };
    rules.sort_by_key(depth);
    let Some(default) = default else {
        return Err("it has no default, and octoDNS wants one".to_owned());
    };
    rules.push((Vec::new(), Vec::new(), destination(model, default)?));
    Ok(())
}

fn destination(model: &Model, to: &Destination) -> Result<Vec<PoolId>, String> {
    let Destination::Targets(targets) = to else {
        return Err("a deliberate empty answer (`none`) has no counterpart there".to_owned());
    };
    let mut pools = Vec::new();
    for target in targets {
        pools.extend(chain(model, *target)?);
    }
    Ok(pools)
}

/// Pools in order of preference.
fn chain(model: &Model, target: Target) -> Result<Vec<PoolId>, String> {
    let id = match target {
        Target::Pool(id) => return Ok(vec![id]),
        Target::Policy(id) => id,
    };
    let policy = model.policy(id);
    match &policy.kind {
        Kind::Failover { targets } if policy.take == 1 => {
            let mut pools = Vec::new();
            for target in targets {
                pools.extend(chain(model, *target)?);
            }
            Ok(pools)
        }
        _ => {
            let (kind, name) = (policy.kind_name(), &policy.name);
            Err(format!("policy `{name}` ({kind}) has no counterpart there"))
        }
    }
}

fn geo_of(place: &Match) -> Result<String, String> {
    let of_country = |code: crate::geo::Country| {
        let info = country::find(code).ok_or_else(|| format!("`{code}` has no continent"))?;
        Ok(format!("{}-{code}", info.continent))
    };
    match place {
        Match::Continent(continent) => Ok(continent.to_string()),
        Match::Country(code) => of_country(*code),
        Match::Subdivision(code) if code.starts_with("US-") || code.starts_with("CA-") => {
            Ok(format!("NA-{code}"))
        }
        other => Err(format!("`{other}` has no counterpart there")),
    }
}
