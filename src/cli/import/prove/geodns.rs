//! geodns's own rules: the labels of the zone, tried from the most to the least specific.

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnet::IpNet;

use super::told::{Told, all, data, draw};
use super::{Rule, Scene};
use crate::cli::import::draft::absolute;
use crate::cli::import::node::Node;

pub(super) fn rules(documents: &[Node]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for document in documents {
        let file = document.place.rsplit('/').next().unwrap_or_default();
        let zone = absolute(file.trim_end_matches(".json"));
        let Some(labels) = document.get("data") else { continue };
        let labels = Rc::new(labels.clone());
        let most = document.get("max_hosts").and_then(Node::number).unwrap_or(2.0) as usize;
        for (label, node) in labels.entries() {
            let has_place = places_of(label, &labels).next().is_some();
            let is_steered = has_place || node.get("alias").is_some() || has_weights(node);
            if !is_steered || is_place(label, &labels) {
                continue;
            }
            let name = match label.as_str() {
                "" => zone.clone(),
                label => format!("{}.{zone}", label.to_ascii_lowercase()),
            };
            let (labels, label, zone) = (Rc::clone(&labels), label.clone(), zone.clone());
            let networks = places_of(&label, &labels).filter_map(|place| network(&place)).collect();
            let tell = move |scene: &Scene<'_>| answer(&labels, &label, &zone, most, scene);
            rules.push(Rule { name, checked: BTreeSet::new(), networks, tell: Box::new(tell) });
        }
    }
    rules
}

/// What follows a label for each place: `europe` of `www.europe`.
fn places_of<'a>(label: &'a str, labels: &'a Node) -> impl Iterator<Item = String> + 'a {
    labels.entries().iter().filter_map(move |(key, _)| {
        let rest = key.strip_prefix(label)?;
        let place = if label.is_empty() { rest } else { rest.strip_prefix('.')? };
        is_word(place).then(|| place.to_owned())
    })
}

/// Whether a label is another one for a place.
fn is_place(label: &str, labels: &Node) -> bool {
    let (front, place) = label.rsplit_once('.').unwrap_or(("", label));
    let bracket = label.find('[').map(|at| label[..at].trim_end_matches('.'));
    match bracket {
        Some(front) => labels.get(front).is_some(),
        None => is_word(place) && labels.get(front).is_some() && !label.is_empty(),
    }
}

/// The words for places.
fn is_word(text: &str) -> bool {
    let letters = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase());
    let is_continent = CONTINENTS.iter().any(|(word, _)| *word == text);
    let is_country = letters(text)
        || text
            .split_once('-')
            .is_some_and(|(country, part)| letters(country) && (1..=3).contains(&part.len()));
    let is_asn = text.strip_prefix("as").is_some_and(|number| number.parse::<u32>().is_ok());
    is_continent || is_country || is_asn || network(text).is_some()
}

const CONTINENTS: [(&str, &str); 7] = [
    ("africa", "AF"),
    ("antarctica", "AN"),
    ("asia", "AS"),
    ("europe", "EU"),
    ("north-america", "NA"),
    ("oceania", "OC"),
    ("south-america", "SA"),
];

fn network(place: &str) -> Option<IpNet> {
    let inside = place.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse().ok().or_else(|| inside.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn has_weights(node: &Node) -> bool {
    ["a", "aaaa", "cname"].iter().any(|key| {
        let items = node.get(key).map(Node::items).unwrap_or_default();
        items.iter().any(|item| weight(item).is_some_and(|weight| weight > 0.0))
    })
}

fn weight(item: &Node) -> Option<f64> {
    item.get("weight").or_else(|| item.items().get(1)).and_then(Node::number)
}

fn answer(labels: &Node, label: &str, zone: &str, most: usize, scene: &Scene<'_>) -> Told {
    // An alias is followed once: geodns has no chains of them.
    let alias = labels.get(label).and_then(|node| node.get("alias")).and_then(Node::text);
    let label = alias.as_deref().unwrap_or(label);
    let location = scene.location;
    let mut wanted: Vec<String> = Vec::new();
    wanted.push(format!("[{}]", scene.address));
    let nets = places_of(label, labels)
        .filter(|place| network(place).is_some_and(|net| net.contains(&scene.address)));
    wanted.extend(nets);
    wanted.extend(location.asn.map(|asn| format!("as{asn}")));
    wanted.extend(location.subdivision.as_deref().map(str::to_ascii_lowercase));
    wanted.extend(location.country.map(|country| country.to_string().to_ascii_lowercase()));
    let code = location.continent.map(|continent| continent.to_string());
    let continent = CONTINENTS.iter().find(|(_, known)| Some((*known).to_owned()) == code);
    wanted.extend(continent.map(|(word, _)| (*word).to_owned()));
    for place in wanted {
        let key = if label.is_empty() { place } else { format!("{label}.{place}") };
        if let Some(told) = labels.get(&key).and_then(|node| of_label(node, zone, most, scene)) {
            return told;
        }
    }
    labels.get(label).and_then(|node| of_label(node, zone, most, scene)).unwrap_or_default()
}

/// What a label has of the type; `None` leads on to a less specific one.
fn of_label(node: &Node, zone: &str, most: usize, scene: &Scene<'_>) -> Option<Told> {
    let family = match scene.family {
        super::Family::V4 => "a",
        super::Family::V6 => "aaaa",
    };
    for key in [family, "cname"] {
        let items = node.get(key).map(Node::items).unwrap_or_default();
        let mut list: Vec<(f64, String)> = Vec::new();
        for item in items {
            let named = item.get("ip").or_else(|| item.get("cname")).and_then(Node::text);
            let Some(text) = named.or_else(|| item.items().first().and_then(Node::text)) else {
                continue;
            };
            let text = match key {
                "cname" if !text.ends_with('.') => format!("{text}.{zone}"),
                _ => text,
            };
            list.push((weight(item).unwrap_or(0.0), data(&text)));
        }
        if list.is_empty() {
            continue;
        }
        let most = node.get("max_hosts").and_then(Node::number).map_or(most, |n| n as usize);
        let is_weighted = list.iter().any(|(weight, _)| *weight > 0.0);
        let most = if key == "cname" { 1 } else { most };
        return Some(match is_weighted {
            true if most == 1 => {
                draw(list.into_iter().map(|(weight, text)| (weight, all([text]))).collect())
            }
            // Up to so many, drawn without putting back.
            true => several(list, most),
            false => all(list.into_iter().map(|(_, text)| text)),
        });
    }
    None
}

/// Some of a list by weight, one after another.
fn several(list: Vec<(f64, String)>, most: usize) -> Told {
    let sum: f64 = list.iter().map(|(weight, _)| weight).sum();
    if most == 0 || sum <= 0.0 {
        return vec![(1.0, BTreeSet::new())];
    }
    let mut told = Vec::new();
    for (index, (weight, text)) in list.iter().enumerate().filter(|(_, (w, _))| *w > 0.0) {
        let mut rest = list.clone();
        rest.remove(index);
        for (share, mut set) in several(rest, most - 1) {
            set.insert(text.clone());
            told.push((share * weight / sum, set));
        }
    }
    told
}
