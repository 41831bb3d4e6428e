//! Route 53's own rules for choosing among the record sets of a name, as its developer guide has
//! them ("Choosing a routing policy", "How Amazon Route 53 chooses records when health checking is
//! configured").

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnet::IpNet;

use super::told::{Told, all, data, draw};
use super::{Family, Rule, Scene};
use crate::cli::import::draft::Location as Where;
use crate::cli::import::node::Node;
use crate::cli::import::route53::{self, RecordSet, Routing};
use crate::cli::import::terraform::Terraform;
use crate::geo::{Coordinates, Location, region};

/// Aliases after each other, at most.
const DEEPEST: usize = 16;

pub(super) fn json(documents: &[Node]) -> Vec<Rule> {
    rules(route53::sets_of_json(documents))
}

pub(super) fn terraform(terraform: &Terraform) -> Vec<Rule> {
    rules(route53::sets_of_terraform(terraform))
}

/// All record sets, and whether each has a health check that can be asked.
struct Sets(Vec<(RecordSet, bool)>);

fn rules(sets: Vec<(RecordSet, bool)>) -> Vec<Rule> {
    let sets = Rc::new(Sets(sets));
    let mut names: Vec<String> = Vec::new();
    for (set, _) in &sets.0 {
        let is_steered = set.routing != Routing::Simple || set.alias.is_some();
        let is_asked = is_told(set) && !route53::is_inner(&set.name);
        if is_steered && is_asked && !names.contains(&set.name) {
            names.push(set.name.clone());
        }
    }
    let rule = |name: String| {
        let mut networks: Vec<IpNet> = Vec::new();
        for (set, _) in &sets.0 {
            if let Routing::Cidr(list) = &set.routing {
                networks.extend(list.iter().filter_map(|net| net.parse::<IpNet>().ok()));
            }
        }
        let checked = sets.checked(&name, 0);
        let (sets, owner) = (Rc::clone(&sets), name.clone());
        let tell = move |scene: &Scene<'_>| sets.answer(&owner, scene, 0).0;
        Rule { name, checked, networks, tell: Box::new(tell) }
    };
    names.into_iter().map(rule).collect()
}

/// Whether a set is of a type that is compared.
fn is_told(set: &RecordSet) -> bool {
    matches!(set.rtype.as_str(), "A" | "AAAA" | "CNAME")
}

impl Sets {
    fn of(&self, name: &str) -> impl Iterator<Item = &(RecordSet, bool)> {
        self.0.iter().filter(move |(set, _)| set.name == name && is_told(set))
    }

    /// The values that health checks speak of, below a name.
    fn checked(&self, name: &str, depth: usize) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (set, has_check) in self.of(name).filter(|_| depth < DEEPEST) {
            match &set.alias {
                Some(alias) => found.extend(self.checked(&alias.name, depth + 1)),
                None if *has_check => found.extend(set.values.iter().map(|text| data(text))),
                None => {}
            }
        }
        found
    }

    /// What a name tells, and whether something of it is healthy.
    fn answer(&self, name: &str, scene: &Scene<'_>, depth: usize) -> (Told, bool) {
        let family = match scene.family {
            Family::V4 => "A",
            Family::V6 => "AAAA",
        };
        let is_asked = |set: &RecordSet| set.rtype == family || set.rtype == "CNAME";
        let sets: Vec<&(RecordSet, bool)> =
            self.of(name).filter(|(set, _)| is_asked(set) && depth < DEEPEST).collect();
        let Some((first, _)) = sets.first() else { return (Vec::new(), false) };
        let told = |(set, has_check): &(RecordSet, bool)| self.set(set, *has_check, scene, depth);
        let answers: Vec<(&RecordSet, Told, bool)> = sets
            .iter()
            .map(|one| {
                let (answer, is_healthy) = told(one);
                (&one.0, answer, is_healthy)
            })
            .collect();
        let is_any = answers.iter().any(|(_, _, is_healthy)| *is_healthy);
        // When none is healthy, all count as healthy.
        let counts = |is_healthy: bool| is_healthy || !is_any;
        let healthy = || answers.iter().filter(|(_, _, is_healthy)| counts(*is_healthy));
        let one = |found: Option<&(&RecordSet, Told, bool)>| {
            found.map(|(_, told, _)| told.clone()).unwrap_or_default()
        };
        let answer = match &first.routing {
            Routing::Simple | Routing::Multivalue => {
                let sets = healthy().flat_map(|(_, told, _)| told.iter());
                all(sets.flat_map(|(_, set)| set.iter().cloned()))
            }
            Routing::Weighted(_) => {
                let weight = |set: &RecordSet| match set.routing {
                    Routing::Weighted(weight) => f64::from(weight),
                    _ => 0.0,
                };
                draw(healthy().map(|(set, told, _)| (weight(set), told.clone())).collect())
            }
            Routing::Failover { .. } => {
                let is_primary =
                    |set: &RecordSet| set.routing == Routing::Failover { is_primary: true };
                let primary = answers.iter().find(|(set, ..)| is_primary(set));
                let secondary = answers.iter().find(|(set, ..)| !is_primary(set));
                match (primary, secondary) {
                    (Some(primary), _) if primary.2 => one(Some(primary)),
                    (_, Some(secondary)) if secondary.2 => one(Some(secondary)),
                    (primary, secondary) => one(primary.or(secondary)),
                }
            }
            Routing::Geolocation(_) => {
                let nearest = healthy().filter_map(|found| match &found.0.routing {
                    Routing::Geolocation(None) => Some((0, found)),
                    Routing::Geolocation(Some(place)) => {
                        narrowness(place, scene.location).map(|narrowness| (narrowness, found))
                    }
                    _ => None,
                });
                one(nearest.max_by_key(|(narrowness, _)| *narrowness).map(|(_, found)| found))
            }
            Routing::Cidr(_) => {
                let longest = healthy().filter_map(|found| match &found.0.routing {
                    Routing::Cidr(networks) if networks.is_empty() => Some((0, found)),
                    Routing::Cidr(networks) => {
                        let nets = networks.iter().filter_map(|net| net.parse::<IpNet>().ok());
                        let around = nets.filter(|net| net.contains(&scene.address));
                        around
                            .map(|net| (1 + u32::from(net.prefix_len()), found))
                            .max_by_key(|f| f.0)
                    }
                    _ => None,
                });
                one(longest.max_by_key(|(length, _)| *length).map(|(_, found)| found))
            }
            Routing::Latency(_) | Routing::Geoproximity { .. } => {
                let Some(here) = scene.location.coordinates else {
                    return (one(healthy().next()), is_any);
                };
                let near = healthy().filter_map(|found| {
                    let (there, bias) = match &found.0.routing {
                        Routing::Latency(code) => {
                            (point(&Where::Region(format!("aws:{code}")))?, 0)
                        }
                        Routing::Geoproximity { location, bias } => (point(location)?, *bias),
                        _ => return None,
                    };
                    let distance = here.distance_km(there) * (1.0 - f64::from(bias) / 100.0);
                    Some((distance, found))
                });
                one(near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, found)| found))
            }
        };
        (answer, is_any)
    }

    fn set(
        &self,
        set: &RecordSet,
        has_check: bool,
        scene: &Scene<'_>,
        depth: usize,
    ) -> (Told, bool) {
        let Some(alias) = &set.alias else {
            let values: Vec<String> = set.values.iter().map(|text| data(text)).collect();
            // One check finds all of its sets down.
            let same = self.0.iter().filter(|(other, _)| has_check && other.check == set.check);
            let mut checked = same.flat_map(|(other, _)| &other.values);
            let is_down = checked.any(|value| scene.down.contains(&data(value)));
            return (all(values), !is_down);
        };
        if self.of(&alias.name).next().is_none() {
            // The addresses behind it are nobody's to know.
            return (all([data(&alias.name)]), true);
        }
        let (told, is_healthy) = self.answer(&alias.name, scene, depth + 1);
        (told, is_healthy || !alias.evaluates_health)
    }
}

/// How narrow a place is that holds a client: continent, country, subdivision.
fn narrowness(place: &str, location: &Location) -> Option<u32> {
    let (kind, code) = place.split_once(':')?;
    let (narrowness, known) = match kind {
        "continent" => (1, location.continent?.to_string()),
        "country" => (2, location.country?.to_string()),
        _ => (3, location.subdivision.as_deref()?.to_owned()),
    };
    (known == code).then_some(narrowness)
}

fn point(place: &Where) -> Option<Coordinates> {
    match place {
        Where::Region(code) => region::find(code).map(|region| region.coordinates),
        Where::Point { latitude, longitude } => Coordinates::new(*latitude, *longitude),
    }
}
