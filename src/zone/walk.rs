//! A way through all records of one zone, in the order that a transfer sends them (RFC 5936
//! section 2.2): the SOA, everything else, the SOA again.
//!
//! What hides a name from lookups is no matter here: names below a cut and below a DNAME are gone
//! through as any other (section 3.5).

use crate::wire::Type;

use super::RecordId;
use super::rrset::Rrset;
use super::table::NONE;
use super::zones::{Node, Zone, ZoneId, Zones};

/// A place on the way through a zone. Small, and as good after a pause as before: it belongs to
/// one [`Zones`], which never changes.
#[derive(Debug, Clone)]
pub struct Walk {
    zone: ZoneId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    First,
    /// At a node of the zone, and what of it comes next: its RRsets, what steers it, then glue.
    Within {
        member: u32,
        step: u32,
    },
    Over,
}

/// What one step comes to: records of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    node: u32,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Set(u32),
    Steered(RecordId),
}

/// The records of an [`Entry`].
#[derive(Debug, Clone, Copy)]
pub enum Records<'z> {
    /// An RRset of the zone file.
    Static(Rrset<'z>),
    /// What this steered record has.
    Steered(RecordId),
}

impl Walk {
    /// The way through a zone, from its start.
    pub fn new(zone: ZoneId) -> Walk {
        Walk { zone, stage: Stage::First }
    }

    /// One step on, in the tables that the zone is in; `None` at the end.
    pub fn next(&mut self, zones: &Zones) -> Option<Entry> {
        let zone = zones.zone(self.zone);
        let soa = || {
            let node = zone.entry().node;
            let set = zones.set_index(&zones.nodes[node as usize], Type::SOA)?;
            Some(Entry { node, what: What::Set(set) })
        };
        loop {
            match self.stage {
                Stage::First => {
                    self.stage = Stage::Within { member: zone.entry().members.start, step: 0 };
                    return soa();
                }
                Stage::Within { member, .. } if member >= zone.entry().members.end => {
                    self.stage = Stage::Over;
                    return soa();
                }
                Stage::Within { member, step } => match at(zones, zone, member, step) {
                    Some(entry) => {
                        self.stage = Stage::Within { member, step: step + 1 };
                        let is_soa = matches!(entry.what, What::Set(set)
                            if zones.sets[set as usize].rtype == Type::SOA);
                        if !is_soa {
                            return Some(entry);
                        }
                    }
                    None => self.stage = Stage::Within { member: member + 1, step: 0 },
                },
                Stage::Over => return None,
            }
        }
    }
}

/// What a node has for this step; `None` behind the last.
fn at(zones: &Zones, zone: Zone<'_>, member: u32, step: u32) -> Option<Entry> {
    let index = zones.members[member as usize];
    let node = &zones.nodes[index as usize];
    let sets = u32::from(node.set_count);
    if step < sets {
        return Some(Entry { node: index, what: What::Set(node.sets_at + step) });
    }
    let steered = u32::from(node.steered != NONE);
    if step < sets + steered {
        return Some(Entry { node: index, what: What::Steered(RecordId(node.steered)) });
    }
    lent_glue(zones, zone, node, step - sets - steered)
}

/// Addresses of a cut's name servers that are within this zone and stand in another one that is
/// served too: the tables keep them there alone, and whoever has only this zone needs them as
/// glue (RFC 5936 section 3.5).
fn lent_glue(zones: &Zones, zone: Zone<'_>, node: &Node, index: u32) -> Option<Entry> {
    if !node.has(Node::CUT) {
        return None;
    }
    let ns = &zones.sets[zones.set_index(node, Type::NS)? as usize];
    let at = ns.targets_at as usize;
    let targets = &zones.targets[at..at + usize::from(ns.target_count)];
    let apex = zones.name_of(&zones.nodes[zone.entry().node as usize]);
    let addresses = targets.iter().flat_map(|target| {
        let server = &zones.nodes[target.node as usize];
        let is_lent = server.zone != node.zone && is_within(zones.name_of(server), apex);
        let types = if is_lent { &[Type::A, Type::AAAA][..] } else { &[] };
        types.iter().filter_map(|rtype| {
            let what = What::Set(zones.set_index(server, *rtype)?);
            Some(Entry { node: target.node, what })
        })
    });
    addresses.into_iter().nth(index as usize)
}

/// Whether a name in wire form is `suffix` or below it; both are in lower case.
fn is_within(name: &[u8], suffix: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > suffix.len() {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    rest == suffix
}

impl Entry {
    /// The name of the records; its labels below the apex are in the case of the file.
    pub fn owner<'z>(&self, zones: &'z Zones) -> &'z [u8] {
        match zones.cased.binary_search_by_key(&self.node, |cased| cased.0) {
            Ok(found) => zones.cased[found].1.as_wire(),
            Err(_) => zones.name_of(&zones.nodes[self.node as usize]),
        }
    }

    /// Whether the other's records have the same name.
    pub fn is_beside(&self, other: &Entry) -> bool {
        self.node == other.node
    }

    /// The records.
    pub fn records<'z>(&self, zones: &'z Zones) -> Records<'z> {
        match self.what {
            What::Set(set) => Records::Static(Rrset { zones, set: &zones.sets[set as usize] }),
            What::Steered(record) => Records::Steered(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::wire::Name;
    use crate::zone::{Steered, ZoneSource, master};

    fn zones(texts: &[&str], steered: &[&str]) -> Zones {
        let source = |text: &&str| {
            let file = master::parse_text(text.as_bytes(), Path::new("zone"), Name::root());
            let file = file.unwrap();
            ZoneSource::new(file.apex, &file.records)
        };
        let steered = (0..).zip(steered).map(|(record, owner)| Steered {
            owner: owner.parse().unwrap(),
            record: RecordId(record),
            types: vec![Type::A],
            cname: false,
        });
        Zones::build(texts.iter().map(source).collect(), steered.collect()).unwrap()
    }

    fn walked(zones: &Zones, zone: u32) -> Vec<String> {
        let mut walk = Walk::new(ZoneId(zone));
        let mut all = Vec::new();
        while let Some(entry) = walk.next(zones) {
            let owner = Name::from_wire(entry.owner(zones)).unwrap();
            all.push(match entry.records(zones) {
                Records::Static(rrset) => format!("{owner} {} x{}", rrset.rtype(), rrset.count()),
                Records::Steered(RecordId(record)) => format!("{owner} steered {record}"),
            });
        }
        all
    }

    const SOA: &str = "@ 60 SOA ns hostmaster 7 7200 900 1209600 300\n@ 60 NS ns.sub\n";

    #[test]
    fn everything_comes_once_between_two_soas_hidden_names_too() {
        let text = format!(
            "$ORIGIN example.\n{SOA}sub 60 NS ns.sub\nsub 60 NS ns.elsewhere.\nns.sub 60 A 192.0.2.1\n\
             deep.ns.sub 60 TXT below\n*.wild 60 A 192.0.2.2\nd 60 DNAME other.\nx.d 60 TXT hidden\n"
        );
        let zones = zones(&[&text], &["www.example.", "example."]);
        assert_eq!(zones.zone(ZoneId(0)).serial(), 7);
        let mut walked = walked(&zones, 0);
        assert_eq!(walked.first().unwrap(), "example. SOA x1");
        assert_eq!(walked.pop().unwrap(), "example. SOA x1");
        walked.sort();
        assert_eq!(
            walked,
            [
                "*.wild.example. A x1",
                "d.example. DNAME x1",
                "deep.ns.sub.example. TXT x1",
                "example. NS x1",
                "example. SOA x1",
                "example. steered 1",
                "ns.sub.example. A x1",
                "sub.example. NS x2",
                "www.example. steered 0",
                "x.d.example. TXT x1",
            ]
        );
    }

    #[test]
    fn owners_keep_the_case_of_the_file_the_first_one_of_several() {
        let text =
            format!("$ORIGIN Example.\n{SOA}WwW 60 A 192.0.2.1\nwww 60 TXT x\nup 60 TXT x\n");
        let walked = walked(&zones(&[&text], &[]), 0);
        assert_eq!(
            walked[2..5],
            ["WwW.Example. A x1", "WwW.Example. TXT x1", "up.example. TXT x1"]
        );
    }

    #[test]
    fn a_zone_over_another_one_has_its_glue_from_there() {
        let parent =
            format!("$ORIGIN example.\n{SOA}sub 60 NS ns.sub\nsub 60 NS ns\nns 60 A 192.0.2.9\n");
        let child =
            format!("$ORIGIN sub.example.\n{SOA}ns 60 A 192.0.2.1\nns 60 AAAA 2001:db8::1\n");
        let child = child.replace("NS ns.sub", "NS ns");
        let zones = zones(&[&parent, &child], &[]);
        let mut parent = walked(&zones, 0);
        parent.sort();
        assert_eq!(
            parent,
            [
                "example. NS x1",
                "example. SOA x1",
                "example. SOA x1",
                "ns.example. A x1",
                "ns.sub.example. A x1",
                "ns.sub.example. AAAA x1",
                "sub.example. NS x2",
            ]
        );
        assert_eq!(walked(&zones, 1).len(), 5);
    }
}
