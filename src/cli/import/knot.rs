//! Knot DNS: its module geoip, with knot.conf, geo.conf and zone files.

use std::collections::BTreeMap;

use super::draft::{
    Data, Draft, Kind, Member, Pool, Record, Static, absolute, first_label, is_within, slug,
};
use super::masterfile;
use super::node::{Fields, Node};
use super::yaml;
use super::{Failure, Texts};

/// Seconds that answers of the module live when nothing else is said.
const DEFAULT_TTL: u32 = 60;

/// Keys of geo.conf that are no record types.
const NO_TYPES: [&str; 3] = ["geo", "net", "weight"];

/// A module of knot.conf.
#[derive(Debug, Clone, Default)]
struct Module {
    /// The last part of the path of its geo.conf.
    file: String,
    ttl: u32,
    /// What the parts of `geo` are, in their order: `country/iso_code`.
    keys: Vec<String>,
}

/// A record of a zone file that a name of geo.conf may fall back on.
struct Plain {
    owner: String,
    rtype: String,
    /// In presentation form.
    data: String,
    ttl: u32,
    /// Whether the record itself says how long it lives.
    has_ttl: bool,
}

/// Takes over a knot.conf, geo.conf files and zone files (`NAME.zone`).
///
/// # Errors
/// When one of them is no YAML.
pub(super) fn take_over(texts: &Texts, draft: &mut Draft) -> Result<(), Failure> {
    let mut modules = Vec::new();
    let mut maps = Vec::new();
    let mut zones = Vec::new();
    for (path, text) in texts {
        let file = path.rsplit('/').next().unwrap_or(path);
        if let Some(name) = file.strip_suffix(".zone") {
            draft.zone(name);
            zones.push((path, absolute(name), text));
            continue;
        }
        let document = yaml::read(path, text)?;
        match document.get("mod-geoip") {
            Some(found) => {
                modules.extend(found.items().iter().map(|node| module(node, draft)));
                for (key, node) in document.entries() {
                    if key != "mod-geoip" {
                        let why = "settings of Knot DNS itself stand in meridian.toml";
                        draft.left(&node.place, key.as_str(), why);
                    }
                }
            }
            None => maps.push((file, document)),
        }
    }
    // Which types of which names geo.conf has; beside an alias there is no other.
    let steered_types: BTreeMap<String, Vec<String>> = maps
        .iter()
        .flat_map(|(_, map)| map.entries())
        .map(|(name, entries)| (absolute(name), types_of(entries)))
        .collect();
    let mut plain = Vec::new();
    for (path, zone, text) in zones {
        let mut taken: Vec<Plain> = Vec::new();
        let rest = masterfile::split(text, &zone, |entry| {
            let is_taken = steered_types.get(&entry.owner).is_some_and(|types| {
                let has = |rtype: &str| types.iter().any(|known| known == rtype);
                let is_address = matches!(entry.rtype.as_str(), "A" | "AAAA");
                is_address || has(&entry.rtype) || has("CNAME")
            });
            if is_taken {
                taken.push(Plain {
                    ttl: entry.ttl.unwrap_or_default(),
                    has_ttl: entry.ttl.is_some(),
                    data: entry.text(),
                    owner: entry.owner,
                    rtype: entry.rtype,
                });
            }
            is_taken
        });
        for record in taken.iter_mut().filter(|record| !record.has_ttl) {
            record.ttl = rest.ttl.unwrap_or(3600);
        }
        plain.extend(taken);
        masterfile::store(rest, path, &zone, draft);
    }
    for (file, map) in &maps {
        let known = modules.iter().find(|module| module.file == *file).cloned();
        let module = known.unwrap_or_else(|| {
            let how = "as with geodb-key: [ country/iso_code, city/names/en ]; give knot.conf too";
            draft.about(&map.place, "a geo.conf that no knot.conf names", how);
            let keys = ["country/iso_code", "city/names/en"].map(str::to_owned).to_vec();
            Module { keys, ttl: DEFAULT_TTL, ..Module::default() }
        });
        for (name, entries) in map.entries() {
            steered(&absolute(name), entries, &module, &plain, draft);
        }
    }
    Ok(())
}

fn module(node: &Node, draft: &mut Draft) -> Module {
    let fields = Fields::new(node);
    let file = fields.text("config-file").unwrap_or_default();
    let keys = fields.take("geodb-key").map(Node::items).unwrap_or_default();
    let keys: Vec<String> = keys.iter().filter_map(Node::text).collect();
    let ttl = fields.text("ttl").and_then(|ttl| masterfile::seconds(&ttl)).unwrap_or(DEFAULT_TTL);
    fields.skip(&["id", "mode"]);
    let why = |key: &str| match key {
        "geodb-file" => "databases are named in `[geoip]` of meridian.toml",
        _ => "",
    };
    fields.finish("mod-geoip", why, draft);
    let keys = match keys.is_empty() {
        true => vec!["country/iso_code".to_owned()],
        false => keys,
    };
    Module { file: file.rsplit('/').next().unwrap_or_default().to_owned(), ttl, keys }
}

/// A name of geo.conf with its alternatives.
fn steered(name: &str, entries: &Node, module: &Module, plain: &[Plain], draft: &mut Draft) {
    let label = first_label(name);
    let mut default = Vec::new();
    let mut rules: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut weighted: Vec<(String, u32)> = Vec::new();
    let mut types: Vec<String> = Vec::new();
    for entry in entries.items() {
        let text = |key: &str| entry.get(key).and_then(Node::text);
        let (title, places) = match (text("geo"), text("net"), text("weight")) {
            (Some(geo), ..) => match place(&geo, &module.keys) {
                Ok(place) => (geo, place.into_iter().collect()),
                Err(why) => {
                    draft.left(&entry.place, format!("`{name}` geo: {geo}"), why);
                    continue;
                }
            },
            (None, Some(net), _) => (net.clone(), vec![format!("net:{net}")]),
            (None, None, weight) => (weight.unwrap_or_default(), Vec::new()),
        };
        let title = match slug(&title) {
            title if title.is_empty() => "default".to_owned(),
            title => title,
        };
        let Some(pool) = pool(&format!("{label}-{title}"), name, entry, &mut types, draft) else {
            continue;
        };
        if let Some(weight) = entry.get("weight").and_then(Node::number) {
            weighted.push((pool, weight as u32));
        } else if places.is_empty() {
            default.push(pool);
        } else {
            rules.push((places, vec![pool]));
        }
    }
    let (mut back, mut others) = (Vec::new(), Vec::new());
    for record in plain.iter().filter(|record| record.owner == name) {
        // Nothing stands beside an alias.
        let is_back = types.contains(&record.rtype) || types.contains(&"CNAME".to_owned());
        if is_back { back.push(record) } else { others.push(record) }
    }
    for Plain { owner, rtype, data, ttl, .. } in others {
        // Another type than those of geo.conf stays in the zone.
        let (owner, rtype, data, ttl) = (owner.clone(), rtype.clone(), data.clone(), *ttl);
        draft.zone_around(&owner).records.push(Static { owner, rtype, data, ttl });
    }
    // A type that an alternative does not have is answered by the zone file.
    let own: Vec<String> = rules.iter().flat_map(|(_, to)| to).chain(&default).cloned().collect();
    for pool in draft.pools.iter_mut().filter(|pool| own.contains(&pool.name)) {
        let has: Vec<Option<String>> = pool.members.iter().map(rtype_of).collect();
        if has.contains(&None) {
            continue; // an alias stands for all types
        }
        let missing = back.iter().filter(|record| !has.contains(&Some(record.rtype.clone())));
        pool.members.extend(missing.map(|record| member(&record.rtype, &record.data)));
    }
    if back.iter().any(|record| record.ttl != module.ttl) {
        let how = format!("a name has one here: {} s, that of the module", module.ttl);
        draft.about(&entries.place, format!("`{name}`: TTLs of the zone file"), &how);
    }
    if default.is_empty() && weighted.is_empty() && !back.is_empty() {
        let members = back.iter().map(|record| member(&record.rtype, &record.data)).collect();
        let pool = Pool {
            name: draft.target_name(&format!("{label}-default")),
            place: format!("{} (the zone file's own records)", entries.place),
            members,
            ..Pool::default()
        };
        default.push(pool.name.clone());
        draft.pools.push(pool);
    }
    let kind = if !weighted.is_empty() {
        if weighted.iter().all(|(_, weight)| *weight == 0) {
            weighted.iter_mut().for_each(|(_, weight)| *weight = 1);
        }
        Kind::Weighted { targets: weighted, by_client: false }
    } else if rules.is_empty() {
        Kind::Failover(default)
    } else {
        Kind::Geo { rules, default, on_down: "climb" }
    };
    if kind.targets().is_empty() {
        return draft.left(&entries.place, format!("`{name}`"), "no answer of it could be read");
    }
    if !draft.zones.iter().any(|zone| is_within(name, &zone.name)) {
        draft.ask(&entries.place, format!("the zone file around `{name}` is not among the files"));
    }
    draft.exact(&entries.place, format!("`{name}`: {} alternatives", entries.items().len()));
    let target = draft.choice(&label, &entries.place, kind);
    draft.records.push(Record {
        name: name.to_owned(),
        target,
        ttl: module.ttl,
        on_all_down: Vec::new(),
        place: entries.place.clone(),
    });
}

fn member(rtype: &str, data: &str) -> Member {
    match rtype {
        "A" | "AAAA" => Member::of_host(data),
        "CNAME" => Member::new(Data::Cname(absolute(data))),
        rtype => Member::new(Data::Rdata(format!("{rtype} {data}"))),
    }
}

/// The type of a member; `None` is an alias.
fn rtype_of(member: &Member) -> Option<String> {
    match &member.data {
        Data::Address(address) if address.is_ipv4() => Some("A".to_owned()),
        Data::Address(_) => Some("AAAA".to_owned()),
        Data::Cname(_) => None,
        Data::Rdata(text) => text.split(' ').next().map(str::to_owned),
    }
}

/// The types that the alternatives of a name have.
fn types_of(entries: &Node) -> Vec<String> {
    let keys = entries.items().iter().flat_map(Node::entries).map(|(key, _)| key);
    let types = keys.filter(|key| !NO_TYPES.contains(&key.as_str()));
    types.map(|key| key.to_ascii_uppercase()).collect()
}

/// The pool of one alternative: all its records.
fn pool(
    wanted: &str,
    name: &str,
    entry: &Node,
    types: &mut Vec<String>,
    draft: &mut Draft,
) -> Option<String> {
    let mut members = Vec::new();
    for (key, values) in entry.entries() {
        if NO_TYPES.contains(&key.as_str()) {
            continue;
        }
        let rtype = key.to_ascii_uppercase();
        for value in values.items().iter().filter_map(Node::text) {
            members.push(member(&rtype, &value));
        }
        if !types.contains(&rtype) {
            types.push(rtype);
        }
    }
    if members.is_empty() {
        draft.left(&entry.place, format!("an alternative of `{name}`"), "it has no records");
        return None;
    }
    let pool = Pool {
        name: draft.target_name(wanted),
        place: entry.place.clone(),
        answers: u32::try_from(members.len()).ok().filter(|count| *count > 8),
        members,
        ..Pool::default()
    };
    let name = pool.name.clone();
    draft.pools.push(pool);
    Some(name)
}

/// The place of `CZ;Prague` by what its parts are; `None` is everywhere.
fn place(geo: &str, keys: &[String]) -> Result<Option<String>, &'static str> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (part, key) in geo.split(';').map(str::trim).zip(keys) {
        if part == "*" || part.is_empty() {
            continue;
        }
        // `(id)` in front says that it is a number.
        let key = key.split(')').next_back().unwrap_or(key);
        known.insert(
            match key {
                "continent/code" => "continent",
                "country/iso_code" => "country",
                "subdivisions/0/iso_code" => "subdivision",
                "city/names/en" => "city",
                "autonomous_system_number" => "asn",
                _ => return Err("what this part of geodb-key means is not known here; use codes"),
            },
            part,
        );
    }
    let part = |key: &str| known.get(key).copied();
    Ok(match (part("asn"), part("city"), part("subdivision"), part("country"), part("continent")) {
        (Some(asn), ..) => Some(format!("asn:{asn}")),
        (_, Some(city), _, Some(country), _) => Some(format!("city:{country}/{city}")),
        (_, Some(city), ..) => Some(format!("city:{city}")),
        (_, _, Some(part), Some(country), _) => Some(format!("subdivision:{country}-{part}")),
        (_, _, _, Some(country), _) => Some(format!("country:{country}")),
        (_, _, _, _, Some(continent)) => Some(format!("continent:{continent}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_by_their_keys() {
        let keys = ["country/iso_code", "city/names/en"].map(str::to_owned);
        assert_eq!(place("CZ;Prague", &keys), Ok(Some("city:CZ/Prague".to_owned())));
        assert_eq!(place("US;*", &keys), Ok(Some("country:US".to_owned())));
        assert_eq!(place("*", &keys), Ok(None));
        let asn = ["(id)autonomous_system_number".to_owned()];
        assert_eq!(place("64500", &asn), Ok(Some("asn:64500".to_owned())));
        assert!(place("x", &["traits/is_mobile".to_owned()]).is_err());
    }
}
