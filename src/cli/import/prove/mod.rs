//! `--prove`: what the old system tells sampled clients, beside what the imported files tell them.
//!
//! Every source has an evaluator of its own rules, which reads the source's files and knows
//! nothing of drafts, pools and policies: a mistake in the translation is a difference here. Both
//! sides see the same GeoIP data, so that databases do not differ; and besides everything being
//! up, the addresses that the old system checks are supposed to be down, one after another and all
//! of them.

mod bind;
mod cloudflare;
mod gdnsd;
mod geodns;
mod knot;
mod octodns;
mod ours;
mod powerdns;
mod route53;
mod sample;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use anyhow::bail;
use ipnet::IpNet;

use self::ours::Ours;
use self::told::{Family, Told, shown};
use super::draft::{Draft, Fate};
use super::terraform::Terraform;
use super::{Failure, Texts, json};
use crate::cli::arguments::System;
use crate::cli::report::{self, plural};
use crate::geo::Location;

/// Differences that are shown of one name, at most; all are counted.
const SHOWN: usize = 10;

/// One question to an old system.
struct Scene<'a> {
    address: IpAddr,
    location: &'a Location,
    /// Addresses and host names that its checks find down.
    down: &'a BTreeSet<String>,
    family: Family,
}

/// What an old system does for one name.
struct Rule {
    /// With the last dot.
    name: String,
    /// Addresses and host names that it checks.
    checked: BTreeSet<String>,
    /// Networks that it tells apart: each has a client among the sampled ones.
    networks: Vec<IpNet>,
    tell: Box<dyn Fn(&Scene<'_>) -> Told>,
}

/// How many clients, and which.
pub(super) struct Sample {
    pub(super) clients: usize,
    pub(super) seed: u64,
}

/// A difference, and for whom it was found first.
struct Difference {
    what: String,
    count: usize,
}

/// What was compared, and what came of it.
struct Comparison {
    names: usize,
    clients: usize,
    asked: usize,
    /// Names with what differs.
    different: Vec<(String, Vec<Difference>)>,
}

/// Compares, and prints what differs. Whether everything that differs was told of.
///
/// # Errors
/// When what was written cannot be read.
pub(super) fn run(
    system: System,
    texts: &Texts,
    given: &BTreeMap<String, String>,
    draft: &Draft,
    written: &Path,
    sample: &Sample,
) -> anyhow::Result<bool> {
    let rules = rules(system, texts, given)?;
    let Comparison { names, clients, asked, different } = compare(&rules, written, sample)?;
    let mut out = io::stdout().lock();
    let (mut untold, mut reported) = (0, 0);
    for (name, found) in &different {
        let count: usize = found.iter().map(|difference| difference.count).sum();
        let why = told_of(draft, name);
        let title = match why.is_empty() {
            true => "DIFFERENT",
            false => "different, as the report says",
        };
        *(if why.is_empty() { &mut untold } else { &mut reported }) += count;
        writeln!(out, "{name}: {title}, {}", plural(count, "time"))?;
        for reason in why {
            writeln!(out, "  report: {reason}")?;
        }
        for Difference { what, count } in found.iter().take(SHOWN) {
            writeln!(out, "  {count} times, such as {what}")?;
        }
        if found.len() > SHOWN {
            writeln!(out, "  and {} other differences", found.len() - SHOWN)?;
        }
    }
    let has_rule = |name: &str| rules.iter().any(|rule| rule.name == name);
    for record in draft.records.iter().filter(|record| !has_rule(&record.name)) {
        writeln!(out, "{}: not compared; nothing here knows its rules", record.name)?;
    }
    writeln!(
        out,
        "proved: {} for {}, {asked} comparisons: {untold} different, {reported} different as the \
         report says",
        plural(names, "name"),
        plural(clients, "client"),
    )?;
    Ok(untold == 0)
}

/// Asks both sides the same.
fn compare(rules: &[Rule], written: &Path, sample: &Sample) -> anyhow::Result<Comparison> {
    let Some((_, generation)) = report::generation(written) else {
        bail!("{} cannot be served as it is; see above", written.display());
    };
    let networks: Vec<IpNet> = rules.iter().flat_map(|rule| rule.networks.clone()).collect();
    let clients = sample::clients(&generation.atlas, &networks, sample);
    let mut ours = Ours::new(&generation);
    let (mut asked, mut different) = (0, Vec::new());
    for rule in rules {
        let states = states(rule);
        let mut found: Vec<Difference> = Vec::new();
        for (number, address) in clients.iter().enumerate() {
            let location = generation.atlas.location(generation.atlas.locate(*address));
            // Everything up, and one of the other states in turn.
            let other = 1 + number % states.len().saturating_sub(1).max(1);
            for down in [0, other].iter().filter_map(|index| states.get(*index)) {
                for family in Family::ALL {
                    let scene = Scene { address: *address, location, down, family };
                    let theirs = told::settled((rule.tell)(&scene), family);
                    let here = ours.tell(&rule.name, &scene);
                    asked += 1;
                    if !told::is_same(&theirs, &here) {
                        add(&mut found, &theirs, &here, &scene);
                    }
                }
            }
        }
        if !found.is_empty() {
            different.push((rule.name.clone(), found));
        }
    }
    Ok(Comparison { names: rules.len(), clients: clients.len(), asked, different })
}

fn rules(
    system: System,
    texts: &Texts,
    given: &BTreeMap<String, String>,
) -> Result<Vec<Rule>, Failure> {
    Ok(match system {
        System::Terraform => {
            let terraform = Terraform::read(texts, given)?;
            let mut rules = route53::terraform(&terraform);
            rules.extend(cloudflare::terraform(&terraform));
            rules
        }
        System::Route53 => route53::json(&json(texts)?),
        System::Cloudflare => cloudflare::json(&json(texts)?),
        System::Gdnsd => gdnsd::rules(texts)?,
        System::Powerdns => powerdns::rules(texts)?,
        System::Bind => bind::rules(texts)?,
        System::Knot => knot::rules(texts)?,
        System::Geodns => geodns::rules(&json(texts)?),
        System::Octodns => octodns::rules(texts)?,
    })
}

/// What may be down: nothing, each of what is checked alone, all of it.
fn states(rule: &Rule) -> Vec<BTreeSet<String>> {
    let mut states = vec![BTreeSet::new()];
    states.extend(rule.checked.iter().map(|one| BTreeSet::from([one.clone()])));
    if rule.checked.len() > 1 {
        states.push(rule.checked.clone());
    }
    states
}

/// The same two answers are one difference, however many get them.
fn add(found: &mut Vec<Difference>, theirs: &Told, here: &Told, scene: &Scene<'_>) {
    let what = format!("{}, here {}", shown(theirs), shown(here));
    if let Some(known) = found.iter_mut().find(|known| known.what.starts_with(&what)) {
        known.count += 1;
        return;
    }
    let place = match (&scene.location.subdivision, scene.location.country) {
        (Some(subdivision), _) => subdivision.to_string(),
        (None, Some(country)) => country.to_string(),
        (None, None) => "nowhere".to_owned(),
    };
    let down = match scene.down.is_empty() {
        true => String::new(),
        false => {
            let list: Vec<&str> = scene.down.iter().map(String::as_str).collect();
            format!(" when {} is down", list.join(", "))
        }
    };
    let what = format!("{what}, for {} ({place}){down}", scene.address);
    found.push(Difference { what, count: 1 });
}

/// What the report says of a name that is not exact: of itself, and of what answers it. What was
/// left out of a pool, such as who is written to when it fails, does not count.
fn told_of(draft: &Draft, name: &str) -> Vec<String> {
    let (mut places, mut pools): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for record in draft.records.iter().filter(|record| record.name == name) {
        places.push(&record.place);
        let below = draft.pools_under(&record.target);
        pools.extend(below.iter().map(|pool| pool.place.as_str()));
        let policies = draft.policies_under(&record.target);
        places.extend(policies.iter().map(|policy| policy.place.as_str()));
    }
    let quoted = [format!("`{name}`"), format!("`{}`", name.trim_end_matches('.'))];
    let is_about = |note: &&super::draft::Note| {
        let is_here = places.contains(&note.place.as_str());
        let is_named = quoted.iter().any(|name| note.what.contains(name.as_str()));
        match note.fate {
            // A name that was left altogether has no places.
            Fate::Left => is_here || places.is_empty() && is_named,
            Fate::Approximated => is_here || is_named || pools.contains(&note.place.as_str()),
            Fate::Exact | Fate::ToDo => false,
        }
    };
    // How monitors ask, how long an answer lives and which zone it is in change none that is compared.
    let is_other = |note: &&super::draft::Note| {
        ["monitor `", "TTL", " is taken for the zone of "]
            .iter()
            .any(|word| note.what.contains(word))
    };
    let notes = draft.notes.iter().filter(is_about).filter(|note| !is_other(note));
    notes.map(|note| format!("{}: {}", note.what, note.how)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::import;
    use crate::cli::import::draft::{Kind, Location};

    /// Clients of several countries, and of nowhere.
    const CLIENTS: &str = r#"
[geoip.networks]
"20.0.0.0/8" = { country = "US", subdivision = "US-NY", latitude = 40.7, longitude = -74.0 }
"21.0.0.0/8" = { country = "US", subdivision = "US-CA", latitude = 37.3, longitude = -121.9 }
"81.0.0.0/8" = { country = "GB", latitude = 51.5, longitude = -0.1 }
"82.0.0.0/8" = { country = "DE", latitude = 50.1, longitude = 8.7 }
"133.0.0.0/8" = { country = "JP", latitude = 35.7, longitude = 139.7 }
"196.0.0.0/8" = { country = "ZA", latitude = -26.2, longitude = 28.0 }
"2a00::/16" = { country = "GB", latitude = 51.5, longitude = -0.1 }
"#;

    /// Names that differ without a word in the report, when an import has been changed so.
    fn untold(system: System, files: &[&str], change: impl FnOnce(&mut Draft)) -> Vec<String> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
        let text = |file: &&str| {
            let text = fs::read_to_string(data.join(file)).unwrap();
            let name = file.rsplit('/').next().unwrap();
            ((*name).to_owned(), text)
        };
        let texts: Vec<(String, String)> = files.iter().map(text).collect();
        let mut draft = Draft::default();
        let given = BTreeMap::new();
        import::fill(system, &texts, &given, &mut draft).unwrap();
        draft.settle();
        change(&mut draft);
        let directory = tempfile::tempdir().unwrap();
        let name_servers = ["ns1.example.net.".to_owned()];
        let around = import::Surroundings {
            source: String::new(),
            databases: &[],
            name_servers: &name_servers,
        };
        let mut files = import::files(&draft, &around);
        let server = files.iter_mut().find(|(path, _)| path.ends_with("meridian.toml")).unwrap();
        server.1.push_str(CLIENTS);
        import::write_files(directory.path(), &files).unwrap();
        let rules = rules(system, &texts, &given).unwrap();
        assert!(!rules.is_empty());
        let written = directory.path().join("meridian.toml");
        let sample = Sample { clients: 200, seed: 7 };
        let found = compare(&rules, &written, &sample).unwrap().different;
        let untold = found.into_iter().filter(|(name, _)| told_of(&draft, name).is_empty());
        untold.map(|(name, found)| format!("{name}: {}", found[0].what)).collect()
    }

    /// Members of one pool in the place of another's.
    fn swap(one: &'static str, other: &'static str) -> impl FnOnce(&mut Draft) {
        move |draft| {
            let index = |name: &str| draft.pools.iter().position(|pool| pool.name == name).unwrap();
            let (one, other) = (index(one), index(other));
            let members = draft.pools[one].members.clone();
            draft.pools[one].members = draft.pools[other].members.clone();
            draft.pools[other].members = members;
        }
    }

    /// Imports as they are have nothing to hide; changed ones are found out, by the name.
    fn finds(system: System, files: &[&str], change: impl FnOnce(&mut Draft), name: &str) {
        assert_eq!(untold(system, files, |_| {}), [""; 0], "as it is");
        let found = untold(system, files, change);
        assert!(found.iter().any(|found| found.starts_with(name)), "{found:?}");
    }

    #[test]
    fn a_wrong_translation_of_gdnsd_is_found() {
        let files = ["gdnsd/config", "gdnsd/example.com"];
        finds(System::Gdnsd, &files, swap("near-us", "near-eu"), "near.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_knot_is_found() {
        let files = [
            "knot/knot.conf",
            "knot/geo.conf",
            "knot/nets.conf",
            "knot/shares.conf",
            "knot/example.com.zone",
        ];
        finds(System::Knot, &files, swap("www-gb", "www-us"), "www.example.com.");
        let weight = |draft: &mut Draft| {
            for policy in &mut draft.policies {
                if let Kind::Weighted { targets, .. } = &mut policy.kind {
                    targets[0].1 = 31;
                }
            }
        };
        finds(System::Knot, &files, weight, "many.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_powerdns_is_found() {
        let files = ["powerdns/geo.yaml", "powerdns/example.com.zone"];
        let first_pools = |draft: &mut Draft| {
            let rule = draft.policies.iter_mut().find(|policy| policy.name == "where").unwrap();
            if let Kind::Geo { rules, .. } = &mut rule.kind {
                rules.remove(0);
            }
        };
        finds(System::Powerdns, &files, first_pools, "where.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_octodns_is_found() {
        let files = ["octodns/example.com.yaml"];
        finds(System::Octodns, &files, swap("www-na", "www-apac"), "www.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_geodns_is_found() {
        let files = ["geodns/example.com.json"];
        finds(System::Geodns, &files, swap("www-eu", "www-us-ca"), "www.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_bind_is_found() {
        let files = ["bind/named.conf", "bind/db.example"];
        let lost = |draft: &mut Draft| {
            draft.pools.iter_mut().for_each(|pool| drop(pool.members.pop()));
        };
        finds(System::Bind, &files, lost, "www.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_route53_is_found() {
        let files =
            ["route53/cidr-blocks.json", "route53/health-checks.json", "route53/record-sets.json"];
        let turned = |draft: &mut Draft| {
            for policy in &mut draft.policies {
                if let Kind::Failover(targets) = &mut policy.kind {
                    targets.reverse();
                }
            }
        };
        finds(System::Route53, &files, turned, "us.tree.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_a_traffic_policy_is_found() {
        let files = ["route53/instances.json", "route53/traffic-policy.json"];
        finds(System::Route53, &files, swap("world-us", "world-eu"), "world.example.com.");
    }

    #[test]
    fn a_wrong_translation_of_cloudflare_is_found() {
        let files =
            ["cloudflare/load-balancers.json", "cloudflare/monitors.json", "cloudflare/pools.json"];
        let moved = |draft: &mut Draft| {
            for pool in draft.pools.iter_mut().filter(|pool| pool.name == "us-dc") {
                pool.location = Some(Location::Point { latitude: 35.7, longitude: 139.7 });
            }
        };
        finds(System::Cloudflare, &files, moved, "near.example.com.");
    }
}
