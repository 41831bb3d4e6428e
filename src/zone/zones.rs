//! All zones together: the tables a lookup reads. Immutable; made by [`Zones::build`].
//!
//! One node for each name that exists: owners of records, steered names, and the empty
//! non-terminals between them and the apex. A name belongs to the deepest zone above it, so a
//! node knows its zone. What a lookup would have to walk the tree for is a number in the node:
//! the cut above it, the wildcard below it.

use std::ops::Range;

use crate::wire::lower::is_in_any_case;
use crate::wire::{LowerName, Name, Type};

use super::RecordId;
use super::label::ZoneLabel;
use super::rrset::{Patch, Rrset, Set, Target};
use super::table::{NONE, Table};

/// Every zone the server is authoritative for.
#[derive(Debug, Clone)]
pub struct Zones {
    pub(super) table: Table,
    pub(super) nodes: Box<[Node]>,
    /// The names of the nodes in lower case, one behind the other.
    pub(super) names: Box<[u8]>,
    /// Names in the case of the files, of those nodes alone whose labels below the apex have a
    /// capital letter; by node. For transfers, which keep the case (RFC 5936 section 3.4).
    pub(super) cased: Box<[(u32, Name)]>,
    /// The RRsets, those of one node together, by type.
    pub(super) sets: Box<[Set]>,
    /// The templates.
    pub(super) octets: Box<[u8]>,
    pub(super) patches: Box<[Patch]>,
    pub(super) targets: Box<[Target]>,
    pub(super) zones: Box<[ZoneEntry]>,
    /// The nodes of each zone together, the apex first: what a transfer goes through.
    pub(super) members: Box<[u32]>,
}

/// A zone, by its place among those that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneId(pub u32);

/// A name that exists. At 32 octets, two more than it has, finding it is a shift and no product,
/// and no name is in two cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Node {
    /// Where its name stands in `Zones::names`.
    pub(super) name_at: u32,
    /// Its first RRset in `Zones::sets`; [`NONE`] without any.
    pub(super) sets_at: u32,
    /// The zone it belongs to.
    pub(super) zone: u32,
    /// The topmost node above it that ends the zone's authority: a cut, or the owner of a DNAME.
    pub(super) occluder: u32,
    /// The wildcard one label below it (RFC 4592 section 2.1.1).
    pub(super) wildcard: u32,
    /// The steered record bound to it, [`NONE`] for none.
    pub(super) steered: u32,
    pub(super) set_count: u16,
    pub(super) name_len: u8,
    pub(super) flags: u8,
    /// What its zone's answers are counted as.
    pub(super) label: ZoneLabel,
}

impl Node {
    /// The top of its zone.
    pub(super) const APEX: u8 = 0x01;
    /// It owns NS and is not an apex: the zone below is another's.
    pub(super) const CUT: u8 = 0x02;
    /// It owns a DNAME: names below it are elsewhere (RFC 6672).
    pub(super) const DNAME: u8 = 0x04;
    /// It owns a CNAME.
    pub(super) const CNAME: u8 = 0x08;
    /// Some node is above it whose cut or DNAME hides it.
    pub(super) const OCCLUDED: u8 = 0x10;

    #[inline]
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// A zone in the tables.
#[derive(Debug, Clone)]
pub(super) struct ZoneEntry {
    pub(super) apex: Name,
    /// Octets of its name.
    pub(super) apex_len: u8,
    /// The node of the apex.
    pub(super) node: u32,
    /// The SOA as negative answers carry it: its TTL is the negative TTL.
    pub(super) negative: Set,
    /// The apex's node in the zone above, when that is served too: where DS stands (RFC 4035
    /// section 3.1.4.1). Not in the hash table.
    pub(super) parent_side: u32,
    /// Its nodes, as places in `Zones::members`.
    pub(super) members: Range<u32>,
}

/// A served zone.
#[derive(Debug, Clone, Copy)]
pub struct Zone<'z> {
    pub(super) zones: &'z Zones,
    /// Its place in `Zones::zones`, not looked at before something of it is needed: most answers
    /// need nothing.
    pub(super) index: u32,
    /// What its answers are counted as.
    pub(super) label: ZoneLabel,
}

impl<'z> Zone<'z> {
    #[inline]
    pub(super) fn entry(&self) -> &'z ZoneEntry {
        &self.zones.zones[self.index as usize]
    }

    /// Its name, in the case of the file.
    pub fn apex(&self) -> &'z Name {
        &self.entry().apex
    }

    /// The SOA with its own TTL.
    pub fn soa(&self) -> Option<Rrset<'z>> {
        self.zones.rrset(&self.zones.nodes[self.entry().node as usize], Type::SOA)
    }

    /// The serial number of the SOA (RFC 1035 section 3.3.13).
    pub fn serial(&self) -> u32 {
        // Five numbers of four octets end the data, the serial first.
        let octets = self.negative().octets();
        let serial = octets.last_chunk::<20>().and_then(|numbers| numbers.first_chunk());
        serial.map_or(0, |serial| u32::from_be_bytes(*serial))
    }

    /// A number that no other zone of these tables has.
    #[inline]
    pub fn number(&self) -> u32 {
        self.entry().node
    }

    /// What its answers are counted as.
    #[inline(always)]
    pub fn label(&self) -> ZoneLabel {
        self.label
    }

    /// Octets of its name.
    #[inline]
    pub fn apex_len(&self) -> usize {
        usize::from(self.entry().apex_len)
    }

    /// The SOA for the authority section of a negative answer, with the smaller of its own TTL
    /// and its MINIMUM field (RFC 2308 section 3).
    #[inline]
    pub fn negative(&self) -> Rrset<'z> {
        Rrset { zones: self.zones, set: &self.entry().negative }
    }
}

impl Zones {
    /// The zones, in the order they were given.
    pub fn zones(&self) -> impl Iterator<Item = Zone<'_>> {
        self.zones.iter().map(|entry| self.zone_of_node(&self.nodes[entry.node as usize]))
    }

    /// The zone of a number.
    pub fn zone(&self, id: ZoneId) -> Zone<'_> {
        self.zone_of_node(&self.nodes[self.zones[id.0 as usize].node as usize])
    }

    /// The zone whose apex this is.
    pub fn zone_at(&self, apex: &LowerName) -> Option<ZoneId> {
        let node = self.node_at(apex.as_wire())?;
        node.has(Node::APEX).then_some(ZoneId(node.zone))
    }

    /// The zone a name belongs to: the deepest one it is within.
    pub fn zone_of(&self, name: &Name) -> Option<Zone<'_>> {
        let name = name.as_wire();
        let node = self.node_at(name).or_else(|| self.closest_above(name))?;
        Some(self.zone_of_node(node))
    }

    /// The steered names in lower case, and the record bound to each.
    pub fn steered(&self) -> impl Iterator<Item = (Name, RecordId)> {
        self.nodes.iter().filter(|node| node.steered != NONE).filter_map(|node| {
            let name = Name::from_wire(self.name_of(node)).ok()?;
            Some((name, RecordId(node.steered)))
        })
    }

    /// All names that exist, in lower case and in no order.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.nodes.iter().filter_map(|node| Name::from_wire(self.name_of(node)).ok())
    }

    /// How many names exist: owners of records, steered names, empty non-terminals.
    pub fn name_count(&self) -> usize {
        self.nodes.len()
    }

    /// Octets the tables take.
    pub fn memory(&self) -> usize {
        self.table.memory()
            + size_of_val(&*self.nodes)
            + self.names.len()
            + size_of_val(&*self.sets)
            + self.octets.len()
            + size_of_val(&*self.patches)
            + size_of_val(&*self.targets)
            + size_of_val(&*self.zones)
            + size_of_val(&*self.members)
    }

    /// The zone that a node belongs to.
    #[inline(always)]
    pub(super) fn zone_of_node(&self, node: &Node) -> Zone<'_> {
        Zone { zones: self, index: node.zone, label: node.label }
    }

    /// A node's name in lower case.
    #[inline]
    pub(super) fn name_of(&self, node: &Node) -> &[u8] {
        let at = node.name_at as usize;
        &self.names[at..at + usize::from(node.name_len)]
    }

    /// A node's RRset of one type.
    #[inline]
    pub(super) fn rrset(&self, node: &Node, rtype: Type) -> Option<Rrset<'_>> {
        let at = node.sets_at as usize;
        // Most names have one RRset, and the first of several is A.
        let first = self.sets.get(at)?;
        let set = match first.rtype == rtype {
            true => first,
            false => {
                let sets = &self.sets[at..at + usize::from(node.set_count)];
                sets.iter().find(|set| set.rtype == rtype)?
            }
        };
        Some(Rrset { zones: self, set })
    }

    /// The place in `Zones::sets` of a node's RRset of one type.
    pub(super) fn set_index(&self, node: &Node, rtype: Type) -> Option<u32> {
        let sets = node.sets_at..node.sets_at + u32::from(node.set_count);
        sets.into_iter().find(|index| self.sets[*index as usize].rtype == rtype)
    }

    /// The closest node above a name in wire form that does not exist.
    pub(super) fn closest_above(&self, name: &[u8]) -> Option<&Node> {
        // No name has more labels than the deepest: this bounds the work for a long one.
        let mut beyond = above(name).count().saturating_sub(self.table.labels() + 1);
        above(name).find_map(|name| {
            if beyond > 0 {
                beyond -= 1;
                return None;
            }
            self.node_at(name)
        })
    }

    /// The node of a name in wire form, in any case.
    // On its own, so that what it needs is in registers and what its callers need stays there. And
    // without a call that it comes back from, so that it has little to save: names as most are, of
    // 16 to 32 octets and in lower case, take half of what others take.
    #[inline(never)]
    pub(super) fn node_at(&self, name: &[u8]) -> Option<&Node> {
        let len = name.len();
        if !(16..=32).contains(&len) {
            return self.node_in_any_case(name);
        }
        let alike = self.table.find(self.table.hash_ends(name), |_| true);
        let node = self.nodes.get(alike as usize)?;
        if usize::from(node.name_len) == len
            && let Some(known) = self.names.get(node.name_at as usize..)
            && let Some(known) = known.get(..len)
            && known[..16] == name[..16]
            && known[len - 16..] == name[len - 16..]
        {
            return Some(node);
        }
        self.node_in_any_case(name)
    }

    #[inline(never)]
    fn node_in_any_case(&self, name: &[u8]) -> Option<&Node> {
        let is_it = |node: u32| is_in_any_case(name, self.name_of(&self.nodes[node as usize]));
        self.nodes.get(self.table.find(self.table.hash(name), is_it) as usize)
    }

    /// A number for a name, the same each time these tables are asked; other names have others,
    /// but for odds of one in 2^64, and for names that differ in control characters alone.
    pub fn fingerprint(&self, name: &LowerName) -> u64 {
        self.table.hash(name.as_wire())
    }
}

/// The names above one in wire form, up to the root.
#[inline]
fn above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let length = *rest.first().filter(|length| **length != 0)?;
        rest = rest.get(1 + usize::from(length)..)?;
        Some(rest)
    })
}

impl Default for Zones {
    /// No zones: everything is refused.
    fn default() -> Zones {
        Zones {
            table: Table::new(),
            nodes: Box::default(),
            cased: Box::default(),
            names: Box::default(),
            sets: Box::default(),
            octets: Box::default(),
            patches: Box::default(),
            targets: Box::default(),
            zones: Box::default(),
            members: Box::default(),
        }
    }
}
