//! The names of a zone, and which types stand at each.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use crate::wire::name::MAX_NAME;
use crate::wire::{Name, Type};
use crate::zone::Record;

type Map<'a, V> = HashMap<Key<'a>, V, foldhash::fast::RandomState>;
type Set<'a> = HashSet<Key<'a>, foldhash::fast::RandomState>;

/// A name that owns records, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(usize);

/// What stands at a name.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    records: u32,
    types: u8,
    /// Whether an NS record points here.
    server: bool,
}

/// Which types the checks ask for, as bits of [`Node::types`].
const BITS: [(Type, u8); 6] = [
    (Type::SOA, 1),
    (Type::NS, 2),
    (Type::CNAME, 4),
    (Type::DNAME, 8),
    (Type::A, 16),
    (Type::AAAA, 16),
];
const ADDRESS: u8 = 16;

/// The names within a zone.
pub(super) struct Index<'a> {
    apex: &'a [u8],
    nodes: Vec<Node>,
    ids: Map<'a, NodeId>,
    /// The node of each record, by the record's number; `None` outside the zone.
    of_records: Vec<Option<NodeId>>,
    owners: Vec<&'a [u8]>,
    steered: &'a HashSet<Name>,
    /// Whether any name but the apex is delegated; whether any has a DNAME record.
    cuts: bool,
    dnames: bool,
    /// All names that exist, those without records among them; only wildcards need them.
    existing: OnceCell<Set<'a>>,
}

impl<'a> Index<'a> {
    /// Takes in the records whose owners are within `apex`.
    pub(super) fn new(
        apex: &'a Name,
        records: &'a [Record],
        steered: &'a HashSet<Name>,
    ) -> Index<'a> {
        let mut index = Index {
            apex: apex.as_wire(),
            nodes: Vec::new(),
            // Names are fewer than records, seldom by much; growing would hash all of them again.
            ids: Map::with_capacity_and_hasher(records.len(), Default::default()),
            of_records: Vec::with_capacity(records.len()),
            owners: Vec::new(),
            steered,
            cuts: false,
            dnames: false,
            existing: OnceCell::new(),
        };
        for record in records {
            let id = record.owner.is_within(apex).then(|| index.add(record));
            index.of_records.push(id);
        }
        for record in records.iter().filter(|record| record.rtype == Type::NS) {
            let target = Name::from_wire(&record.rdata).ok();
            if let Some(id) = target.and_then(|target| index.node_of(target.as_wire())) {
                index.nodes[id.0].server = true;
            }
        }
        index
    }

    fn add(&mut self, record: &'a Record) -> NodeId {
        let wire = record.owner.as_wire();
        let next = self.nodes.len();
        let id = *self.ids.entry(Key(wire)).or_insert(NodeId(next));
        if id.0 == next {
            self.nodes.push(Node::default());
            self.owners.push(wire);
        }
        let node = &mut self.nodes[id.0];
        node.records += 1;
        node.types |= bit(record.rtype);
        let apex = wire.len() == self.apex.len();
        self.cuts |= record.rtype == Type::NS && !apex;
        self.dnames |= record.rtype == Type::DNAME;
        id
    }

    /// The node of the record with this number; `None` when it stands outside the zone.
    pub(super) fn node_of_record(&self, number: usize) -> Option<NodeId> {
        self.of_records.get(number).copied().flatten()
    }

    /// The node of a name that owns records in the zone.
    pub(super) fn node_of(&self, wire: &[u8]) -> Option<NodeId> {
        self.ids.get(&Key(wire)).copied()
    }

    /// How many records stand there.
    pub(super) fn records_at(&self, id: NodeId) -> u32 {
        self.nodes[id.0].records
    }

    /// Whether a record of this type, one of SOA, NS, CNAME, DNAME, stands there.
    pub(super) fn has(&self, id: NodeId, rtype: Type) -> bool {
        self.nodes[id.0].types & bit(rtype) != 0
    }

    /// Whether an NS record of the zone points there.
    pub(super) fn is_server(&self, id: NodeId) -> bool {
        self.nodes[id.0].server
    }

    /// The highest delegation above a name of the zone.
    pub(super) fn cut_above(&self, wire: &[u8]) -> Option<Name> {
        self.cuts.then(|| self.highest(ancestors(wire, self.apex).skip(1), Type::NS))?
    }

    /// The highest delegation at or above a name of the zone.
    pub(super) fn cut_at_or_above(&self, wire: &[u8]) -> Option<Name> {
        self.cuts.then(|| self.highest(ancestors(wire, self.apex), Type::NS))?
    }

    /// The highest name above a name of the zone that has a DNAME record.
    pub(super) fn dname_above(&self, wire: &[u8]) -> Option<Name> {
        if !self.dnames || wire.len() == self.apex.len() {
            return None;
        }
        self.highest([self.apex].into_iter(), Type::DNAME)
            .or_else(|| self.highest(ancestors(wire, self.apex).skip(1), Type::DNAME))
    }

    /// Whether a name of the zone has addresses: its own, a wildcard's, or a steered record's.
    pub(super) fn has_address(&self, name: &Name) -> bool {
        if self.steered.contains(name) {
            return true;
        }
        if let Some(id) = self.node_of(name.as_wire()) {
            return self.nodes[id.0].types & ADDRESS != 0;
        }
        let existing = self.existing.get_or_init(|| self.all_existing());
        let encloser = ancestors(name.as_wire(), self.apex)
            .chain([self.apex])
            .enumerate()
            .find(|(_, wire)| existing.contains(&Key(wire)));
        match encloser {
            // A name without records of its own, above others.
            None | Some((0, _)) => false,
            Some((_, encloser)) => {
                let wildcard = [b"\x01*", encloser].concat();
                let node = self.node_of(&wildcard);
                node.is_some_and(|id| self.nodes[id.0].types & ADDRESS != 0)
                    || Name::from_wire(&wildcard).is_ok_and(|name| self.steered.contains(&name))
            }
        }
    }

    fn all_existing(&self) -> Set<'a> {
        let steered = self.steered.iter().map(Name::as_wire);
        let within = steered.filter(|wire| {
            let apex = Name::from_wire(self.apex);
            let name = Name::from_wire(wire);
            apex.is_ok_and(|apex| name.is_ok_and(|name| name.is_within(&apex)))
        });
        let mut existing = Set::default();
        existing.insert(Key(self.apex));
        for owner in self.owners.iter().copied().chain(within) {
            for wire in ancestors(owner, self.apex) {
                // What stands above an existing name is there already.
                if !existing.insert(Key(wire)) {
                    break;
                }
            }
        }
        existing
    }

    fn highest<'b>(&self, names: impl Iterator<Item = &'b [u8]>, rtype: Type) -> Option<Name> {
        let found = names.filter_map(|wire| self.node_of(wire).filter(|id| self.has(*id, rtype)));
        Name::from_wire(self.owners[found.last()?.0]).ok()
    }
}

fn bit(rtype: Type) -> u8 {
    BITS.iter().find(|(known, _)| *known == rtype).map_or(0, |(_, bit)| *bit)
}

/// A name within `apex` and all above it, up to but without the apex.
fn ancestors<'b>(wire: &'b [u8], apex: &[u8]) -> impl Iterator<Item = &'b [u8]> {
    let (mut rest, end) = (wire, apex.len());
    std::iter::from_fn(move || {
        let this = rest;
        if this.len() <= end {
            return None;
        }
        rest = &this[1 + usize::from(this[0])..];
        Some(this)
    })
}

/// A name in wire form, compared without regard to case.
#[derive(Debug, Clone, Copy)]
struct Key<'a>(&'a [u8]);

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Key<'_>) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut lower = [0; MAX_NAME];
        let lower = &mut lower[..self.0.len()];
        lower.copy_from_slice(self.0);
        // Length octets are at most 63 and so never in A to Z.
        lower.make_ascii_lowercase();
        state.write(lower);
    }
}
