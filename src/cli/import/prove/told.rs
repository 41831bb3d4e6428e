//! What is told: sets of data, each with how often it comes. The words of old systems for choices
//! are put together here.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Alternatives with their weights; none is no data.
pub(super) type Told = Vec<(f64, BTreeSet<String>)>;

/// Which addresses are asked for. Host names are told to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// Whether an address or host name may be told.
    pub(super) fn has(self, data: &str) -> bool {
        match data.parse::<IpAddr>() {
            Ok(address) => address.is_ipv4() == (self == Family::V4),
            Err(_) => true,
        }
    }
}

/// An address in its usual form, or a host name with its last dot.
pub(super) fn data(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => super::super::draft::absolute(text),
    }
}

/// All of it, each time.
pub(super) fn all(list: impl IntoIterator<Item = String>) -> Told {
    let set: BTreeSet<String> = list.into_iter().collect();
    if set.is_empty() { Vec::new() } else { vec![(1.0, set)] }
}

/// One, drawn by weight; all alike when no weight is above 0.
pub(super) fn draw(parts: Vec<(f64, Told)>) -> Told {
    let nobody = parts.iter().all(|(weight, _)| *weight <= 0.0);
    let mut told = Vec::new();
    for (weight, part) in parts {
        let weight = if nobody { 1.0 } else { weight };
        let sum: f64 = part.iter().map(|(share, _)| share).sum();
        if part.is_empty() {
            told.push((weight, BTreeSet::new()));
        }
        told.extend(part.into_iter().map(|(share, set)| (weight * share / sum, set)));
    }
    told
}

/// Each by its own chance, which is its weight beside the greatest.
pub(super) fn include(parts: Vec<(f64, Told)>) -> Told {
    let most = parts.iter().map(|(weight, _)| *weight).fold(0.0, f64::max);
    let mut told: Told = vec![(1.0, BTreeSet::new())];
    for (weight, part) in parts {
        let chance = if most > 0.0 { weight / most } else { 1.0 };
        let sum: f64 = part.iter().map(|(share, _)| share).sum();
        let mut next: Told = Vec::new();
        for (share, set) in told {
            if chance < 1.0 {
                next.push((share * (1.0 - chance), set.clone()));
            }
            for (of_part, more) in &part {
                let both = set.union(more).cloned().collect();
                next.push((share * chance * of_part / sum, both));
            }
        }
        told = merged(next);
    }
    told
}

/// What is left for a family, as shares of 1.
pub(super) fn settled(told: Told, family: Family) -> Told {
    let keep = |set: BTreeSet<String>| set.into_iter().filter(|data| family.has(data)).collect();
    let told = merged(told.into_iter().map(|(weight, set)| (weight, keep(set))).collect());
    let sum: f64 = told.iter().map(|(weight, _)| weight).sum();
    told.into_iter()
        .filter(|(weight, _)| *weight > 0.0)
        .map(|(weight, set)| (weight / sum, set))
        .filter(|(share, set)| *share < 1.0 || !set.is_empty())
        .collect()
}

/// Whether the same comes equally often, to half a per cent.
pub(super) fn is_same(left: &Told, right: &Told) -> bool {
    let near = |(share, set): &(f64, BTreeSet<String>)| {
        right.iter().any(|(other, same)| set == same && (share - other).abs() < 0.005)
    };
    left.len() == right.len() && left.iter().all(near)
}

/// As it may be written in a sentence.
pub(super) fn shown(told: &Told) -> String {
    let set = |set: &BTreeSet<String>| match set.is_empty() {
        true => "nothing".to_owned(),
        false => set.iter().cloned().collect::<Vec<_>>().join(" "),
    };
    match &told[..] {
        [] => "nothing".to_owned(),
        [(_, only)] => set(only),
        parts => {
            let part = |(share, data): &(f64, BTreeSet<String>)| {
                format!("{:.1} % {}", share * 100.0, set(data))
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" | ")
        }
    }
}

fn merged(told: Told) -> Told {
    let mut found: Told = Vec::new();
    for (weight, set) in told {
        match found.iter_mut().find(|(_, known)| *known == set) {
            Some((known, _)) => *known += weight,
            None => found.push((weight, set)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Told {
        all([text.to_owned()])
    }

    #[test]
    fn chances_are_multiplied_and_added() {
        let drawn = draw(vec![(30.0, one("192.0.2.1")), (10.0, one("192.0.2.2"))]);
        let same = draw(vec![(3.0, one("192.0.2.1")), (1.0, one("192.0.2.2"))]);
        let (drawn, same) = (settled(drawn, Family::V4), settled(same, Family::V4));
        assert!(is_same(&drawn, &same), "{}", shown(&drawn));
        assert_eq!(shown(&drawn), "75.0 % 192.0.2.1 | 25.0 % 192.0.2.2");
        let some = include(vec![(60.0, one("192.0.2.1")), (45.0, one("192.0.2.2"))]);
        assert_eq!(shown(&some), "25.0 % 192.0.2.1 | 75.0 % 192.0.2.1 192.0.2.2");
    }

    #[test]
    fn a_family_has_its_addresses_and_all_host_names() {
        let both = all(["192.0.2.1".to_owned(), "2001:db8::1".to_owned()]);
        assert_eq!(shown(&settled(both.clone(), Family::V6)), "2001:db8::1");
        assert_eq!(shown(&settled(one("192.0.2.1"), Family::V6)), "nothing");
        assert_eq!(shown(&settled(one("a.example."), Family::V6)), "a.example.");
    }
}
