//! Lookups in random zones against the algorithm as RFC 1034, RFC 4592 and RFC 6672 tell it: from
//! the apex down, label by label, over a plain list of records.

use meridian::wire::{Name, Type};
use meridian::zone::{Outcome, RecordId, Steered, Zones};
use proptest::prelude::*;

use crate::support::bed::{name, source};

/// Zones by name, deepest last, each with its records; and steered names.
#[derive(Debug, Clone)]
struct World {
    zones: Vec<(Name, Vec<(Name, Type)>)>,
    steered: Vec<Name>,
}

impl World {
    fn zone_of(&self, name: &Name) -> Option<usize> {
        (0..self.zones.len())
            .filter(|&zone| name.is_within(&self.zones[zone].0))
            .max_by_key(|&zone| self.zones[zone].0.label_count())
    }

    /// Whether something at `owner` is `zone`'s to serve.
    fn is_served_by(&self, owner: &Name, zone: usize) -> bool {
        self.zone_of(owner) == Some(zone) || self.is_parent_side(owner, zone)
    }

    fn is_parent_side(&self, owner: &Name, zone: usize) -> bool {
        let is_apex = self.zones.iter().any(|(apex, _)| apex == owner);
        is_apex && owner.parent().and_then(|above| self.zone_of(&above)) == Some(zone)
    }

    fn types(&self, zone: usize, owner: &Name) -> Vec<Type> {
        let records = self.zones[zone].1.iter();
        records.filter(|(at, _)| at == owner).map(|(_, rtype)| *rtype).collect()
    }

    fn exists(&self, zone: usize, wanted: &Name) -> bool {
        let records = self.zones[zone].1.iter().map(|(owner, _)| owner);
        let apexes = self.zones.iter().map(|(apex, _)| apex);
        let steered = self.steered.iter().filter(|owner| self.zone_of(owner) == Some(zone));
        records
            .chain(apexes)
            .filter(|owner| self.is_served_by(owner, zone))
            .chain(steered)
            .any(|owner| owner.is_within(wanted))
    }

    fn find(&self, asked: &Name, qtype: Type) -> Option<String> {
        let mut zone = self.zone_of(asked)?;
        if qtype == Type::DS && self.zones[zone].0 == *asked {
            let above = asked.parent().and_then(|above| self.zone_of(&above));
            zone = above.unwrap_or(zone);
        }
        let apex = &self.zones[zone].0;
        let mut path = vec![asked.clone()];
        while path.last() != Some(apex) {
            path.push(path.last()?.parent()?);
        }
        for at in path.iter().rev() {
            let types = self.types(zone, at);
            if !self.exists(zone, at) {
                let wildcard = Name::parse(b"*", &at.parent()?).unwrap();
                return Some(match self.exists(zone, &wildcard) {
                    true => self.at(zone, &wildcard, qtype),
                    false => format!("{apex} NXDOMAIN"),
                });
            }
            let is_cut = at != apex && types.contains(&Type::NS) && !at.is_wildcard();
            if is_cut && !(at == asked && qtype == Type::DS) {
                return Some(format!("{apex} delegation at {}", at.as_wire().len()));
            }
            if at != asked && types.contains(&Type::DNAME) && !at.is_wildcard() {
                return Some(format!("{apex} substitution at {}", at.as_wire().len()));
            }
        }
        Some(self.at(zone, asked, qtype))
    }

    fn at(&self, zone: usize, owner: &Name, qtype: Type) -> String {
        let apex = &self.zones[zone].0;
        let types = self.types(zone, owner);
        // Steered names are the child's, not the parent's side of it.
        let steered = self
            .steered
            .iter()
            .position(|steered| steered == owner && self.zone_of(owner) == Some(zone));
        match steered {
            _ if types.contains(&qtype) => format!("{apex} answer {qtype}"),
            _ if types.contains(&Type::CNAME) && qtype == Type::ANY => {
                format!("{apex} answer CNAME")
            }
            _ if types.contains(&Type::CNAME) => format!("{apex} alias"),
            None if types.is_empty() => format!("{apex} NODATA"),
            _ if qtype == Type::ANY => format!("{apex} any"),
            Some(record) => format!("{apex} steered {record}"),
            None => format!("{apex} NODATA"),
        }
    }
}

fn told(zones: &Zones, asked: &Name, qtype: Type) -> Option<String> {
    let found = zones.find(asked, qtype)?;
    let apex = found.zone.apex();
    Some(match found.outcome {
        Outcome::Answer(rrset) => format!("{apex} answer {}", rrset.rtype()),
        Outcome::Alias(_) => format!("{apex} alias"),
        Outcome::Substitution(_, len) => format!("{apex} substitution at {len}"),
        Outcome::Steered(RecordId(record)) => format!("{apex} steered {record}"),
        Outcome::Any => format!("{apex} any"),
        Outcome::Delegation(_, len) => format!("{apex} delegation at {len}"),
        Outcome::NoData => format!("{apex} NODATA"),
        Outcome::NxDomain => format!("{apex} NXDOMAIN"),
    })
}

/// Names below `z.` of few labels, so that they meet.
fn owner() -> impl Strategy<Value = Name> {
    prop::collection::vec(prop::sample::select(vec!["a", "B", "*", "b"]), 0..4).prop_map(|labels| {
        match labels.join(".") {
            empty if empty.is_empty() => name("z."),
            labels => Name::parse(labels.as_bytes(), &name("z.")).unwrap(),
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let rtype = prop::sample::select(vec![
        Type::A,
        Type::A,
        Type::TXT,
        Type::NS,
        Type::CNAME,
        Type::DNAME,
        Type::DS,
    ]);
    let apexes = prop::sample::subsequence(vec!["z.", "b.z.", "a.b.z.", "a.a.z."], 1..=4);
    let records = prop::collection::vec((owner(), rtype), 0..10);
    let steered = prop::collection::vec(owner(), 0..3);
    (apexes, records, steered).prop_map(|(apexes, records, mut steered)| {
        steered.sort();
        steered.dedup();
        let zones = apexes.into_iter().map(name).map(|apex| {
            let mut own: Vec<(Name, Type)> = records
                .iter()
                .filter(|(owner, rtype)| {
                    owner.is_within(&apex) && !(*owner == apex && *rtype == Type::CNAME)
                })
                .cloned()
                .collect();
            own.extend([(apex.clone(), Type::SOA), (apex.clone(), Type::NS)]);
            (apex, own)
        });
        World { zones: zones.collect(), steered }
    })
}

fn build(world: &World) -> Option<Zones> {
    let sources = world.zones.iter().map(|(apex, records)| {
        let mut text = String::new();
        for (owner, rtype) in records {
            let data = match *rtype {
                Type::A => "192.0.2.1",
                Type::TXT => "x",
                Type::DS => {
                    "1 13 2 0000000000000000000000000000000000000000000000000000000000000000"
                }
                Type::SOA => "ns.x. h.x. 1 2 3 4 5",
                _ => "target.x.",
            };
            text.push_str(&format!("{owner} 60 {rtype} {data}\n"));
        }
        let mut zone = source(&text);
        zone.apex = apex.clone();
        zone
    });
    let steered = world.steered.iter().zip(0..).map(|(owner, record)| Steered {
        owner: owner.clone(),
        record: RecordId(record),
        types: Vec::new(),
        cname: false,
    });
    Zones::build(sources.collect(), steered.collect()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_global_rejects: 100_000, ..Default::default() })]

    #[test]
    fn a_lookup_finds_what_the_algorithm_finds(
        world in world(),
        asked in prop::collection::vec((owner(), prop::collection::vec(
            prop::sample::select(vec!["a", "b", "c", "*"]), 0..3)), 1..20),
    ) {
        let built = build(&world);
        prop_assume!(built.is_some());
        let zones = built.unwrap();
        for (base, more) in asked {
            let asked: Name = match more.join(".") {
                empty if empty.is_empty() => base,
                more => Name::parse(more.as_bytes(), &base).unwrap(),
            };
            for qtype in [Type::A, Type::NS, Type::DS, Type::CNAME, Type::DNAME, Type::ANY] {
                prop_assert_eq!(
                    told(&zones, &asked, qtype),
                    world.find(&asked, qtype),
                    "{} {}", asked, qtype
                );
            }
        }
    }
}
