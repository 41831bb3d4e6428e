//! From the records of all zones to the tables of [`Zones`], at load.
//!
//! In passes over flat arrays, so that a million names take seconds and no garbage: nodes for
//! all names, records sorted by node and type, cuts and what they hide, then the templates.

use std::ops::Range;

use crate::wire::{LowerName, Name, Type};

use super::label::ZoneLabel;
use super::pack::{Pack, Packed};
use super::rrset::{Patch, Set, Target};
use super::table::{NONE, Table};
use super::template::{Template, TooLarge};
use super::zones::{Node, ZoneEntry, Zones};
use super::{BuildError, Steered, ZoneSource};

impl Zones {
    /// Builds the tables, or says everything that is wrong.
    ///
    /// Data under the apex of a zone that is itself given is dropped from the zones above, but
    /// for what stands at that apex, which answers DS. Records that repeat are one
    /// (RFC 2181 section 5); TTLs that differ within an RRset become the smallest (section 5.2).
    pub fn build(
        sources: Vec<ZoneSource>,
        steered: Vec<Steered>,
    ) -> Result<Zones, Vec<BuildError>> {
        let mut builder = Builder::new();
        let sources = builder.add_apexes(sources);
        builder.add_parent_sides();
        builder.add_records(sources);
        builder.add_steered(&steered);
        builder.mark_cuts();
        builder.check_steered(&steered);
        builder.make_sets();
        builder.make_negatives();
        if builder.errors.is_empty() { Ok(builder.zones()) } else { Err(builder.errors) }
    }
}

struct Builder {
    table: Table,
    nodes: Vec<Node>,
    /// One for each node.
    hashes: Vec<u64>,
    /// The node one label above, one for each node.
    parents: Vec<u32>,
    names: Vec<u8>,
    cased: Vec<(u32, Name)>,
    /// The records of each zone.
    packs: Vec<Pack>,
    /// The records by node and type, in the order of the files.
    entries: Vec<Entry>,
    sets: Vec<Set>,
    octets: Vec<u8>,
    patches: Vec<Patch>,
    targets: Vec<Target>,
    zones: Vec<ZoneEntry>,
    errors: Vec<BuildError>,
    name: LowerName,
    template: Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    node: u32,
    rtype: Type,
    /// Which pack it is in, and where there.
    pack: u32,
    at: u32,
}

impl Entry {
    fn of(self, packs: &[Pack]) -> Packed<'_> {
        packs[self.pack as usize].at(self.at as usize)
    }
}

/// No template: a zone without SOA is refused before anybody reads this.
const NO_SET: Set = Set {
    rtype: Type::SOA,
    count: 0,
    at: 0,
    len: 0,
    patch_count: 0,
    patches_at: 0,
    targets_at: 0,
    target_count: 0,
    is_plain: false,
};

impl Builder {
    fn new() -> Builder {
        Builder {
            table: Table::new(),
            nodes: Vec::new(),
            hashes: Vec::new(),
            parents: Vec::new(),
            names: Vec::new(),
            cased: Vec::new(),
            packs: Vec::new(),
            entries: Vec::new(),
            sets: Vec::new(),
            octets: Vec::new(),
            patches: Vec::new(),
            targets: Vec::new(),
            zones: Vec::new(),
            errors: Vec::new(),
            name: LowerName::new(),
            template: Template::default(),
        }
    }

    /// Nodes for the apexes come first: from then on the closest node above a name tells the
    /// name's zone.
    fn add_apexes(&mut self, sources: Vec<ZoneSource>) -> Vec<ZoneSource> {
        let mut kept = Vec::with_capacity(sources.len());
        for source in sources {
            self.take(&source.apex);
            if self.at_name().is_some() {
                self.errors.push(BuildError::ZoneTwice { apex: source.apex });
                continue;
            }
            let zone = self.zones.len() as u32;
            let node = self.push_node(0, zone, NONE);
            self.nodes[node as usize].flags = Node::APEX;
            self.enter(0, node);
            let apex = source.apex.clone();
            self.zones.push(ZoneEntry {
                apex_len: apex.as_wire().len() as u8, // at most 255
                apex,
                node,
                negative: NO_SET,
                parent_side: NONE,
                members: 0..0,
            });
            kept.push(source);
        }
        kept
    }

    fn add_parent_sides(&mut self) {
        for zone in 0..self.zones.len() {
            let apex = self.zones[zone].apex.clone();
            let Some(above) = apex.parent() else { continue };
            self.take(&above);
            let Some((closest, _)) = self.closest() else { continue };
            let parent_zone = self.nodes[closest as usize].zone;
            let parent = self.ensure();
            self.take(&apex);
            self.zones[zone].parent_side = self.push_node(0, parent_zone, parent);
        }
    }

    fn add_records(&mut self, sources: Vec<ZoneSource>) {
        for (zone, source) in sources.into_iter().enumerate() {
            for record in source.records.iter() {
                if let Some(node) = self.node_for(zone as u32, &source.apex, &record)
                    && let Some(at) = self.index(record.at)
                {
                    let labels = record.owner.len() - source.apex.as_wire().len();
                    if record.owner[..labels].iter().any(u8::is_ascii_uppercase) {
                        self.cased.push((node, record.owner()));
                    }
                    let (rtype, pack) = (record.rtype, zone as u32);
                    self.entries.push(Entry { node, rtype, pack, at });
                }
            }
            self.packs.push(source.records);
        }
        self.entries.sort_unstable();
    }

    /// The node a zone's record goes to; `None` when the record is not to be served.
    fn node_for(&mut self, zone: u32, apex: &Name, record: &Packed<'_>) -> Option<u32> {
        // It was a name when it was packed.
        let _ = self.name.read(record.owner, 0);
        let closest = self.closest();
        let owner_zone = closest.map(|(closest, _)| self.nodes[closest as usize].zone);
        if owner_zone == Some(zone) {
            return Some(self.ensure());
        }
        let owner = record.owner();
        if !owner.is_within(apex) {
            self.errors.push(BuildError::RecordOutside {
                owner,
                apex: apex.clone(),
                site: record.site(),
            });
            return None;
        }
        // The name is another, deeper zone's; only its apex has a side that is this zone's.
        let deeper = &self.zones[owner_zone? as usize];
        let parent_side = self.nodes.get(deeper.parent_side as usize)?;
        let is_ours = parent_side.zone == zone && closest == Some((deeper.node, 0));
        is_ours.then_some(deeper.parent_side)
    }

    fn add_steered(&mut self, steered: &[Steered]) {
        for steered in steered {
            let owner = steered.owner.clone();
            self.take(&owner);
            if self.closest().is_none() {
                self.errors.push(BuildError::SteeredOutside { owner });
                continue;
            }
            let node = self.ensure() as usize;
            if self.nodes[node].steered != NONE {
                self.errors.push(BuildError::SteeredTwice { owner });
            }
            self.nodes[node].steered = steered.record.0;
        }
    }

    fn mark_cuts(&mut self) {
        for entry in &self.entries {
            let node = &mut self.nodes[entry.node as usize];
            let wildcard = self.names[node.name_at as usize..].starts_with(b"\x01*");
            node.flags |= match entry.rtype {
                Type::NS if !node.has(Node::APEX) && !wildcard => Node::CUT,
                Type::DNAME if !wildcard => Node::DNAME,
                Type::CNAME => Node::CNAME,
                _ => 0,
            };
        }
        // A node's parent was made before it.
        for index in 0..self.nodes.len() {
            let Some(parent) = self.nodes.get(self.parents[index] as usize) else { continue };
            let occluder = match parent.occluder {
                NONE if parent.has(Node::CUT | Node::DNAME) => self.parents[index],
                above => above,
            };
            if occluder != NONE {
                self.nodes[index].occluder = occluder;
                self.nodes[index].flags |= Node::OCCLUDED;
            }
        }
    }

    fn check_steered(&mut self, steered: &[Steered]) {
        for steered in steered {
            self.take(&steered.owner);
            let Some(index) = self.at_name() else { continue };
            let node = self.nodes[index as usize];
            let owner = || steered.owner.clone();
            let border = if node.has(Node::CUT) { index } else { node.occluder };
            if let Some(border) = self.nodes.get(border as usize) {
                let name = self.name_at(border);
                self.errors.push(if border.has(Node::CUT) {
                    BuildError::SteeredBelowCut { owner: owner(), cut: name }
                } else {
                    BuildError::SteeredBelowDname { owner: owner(), dname: name }
                });
                continue;
            }
            if steered.cname && node.has(Node::APEX) {
                self.errors.push(BuildError::SteeredCnameAtApex { owner: owner() });
                continue;
            }
            let from = self.entries.partition_point(|entry| entry.node < index);
            let own = self.entries[from..].iter().take_while(|entry| entry.node == index);
            let mut last = None;
            for entry in own {
                let (rtype, site) = (entry.rtype, || entry.of(&self.packs).site());
                if last.replace(rtype) == Some(rtype) {
                    continue;
                }
                if rtype == Type::CNAME {
                    let error = BuildError::SteeredBesideCname { owner: owner(), site: site() };
                    self.errors.push(error);
                } else if steered.types.contains(&rtype) {
                    let error = BuildError::TypeTwice { owner: owner(), rtype, site: site() };
                    self.errors.push(error);
                } else if steered.cname {
                    self.errors.push(BuildError::SteeredCnameBesideData {
                        owner: owner(),
                        rtype,
                        site: site(),
                    });
                }
            }
        }
    }

    fn make_sets(&mut self) {
        let mut at = 0;
        while let Some(&Entry { node, rtype, .. }) = self.entries.get(at) {
            let same = |entry: &&Entry| entry.node == node && entry.rtype == rtype;
            let end = at + self.entries[at..].iter().take_while(same).count();
            let ttl = match rtype {
                // Signatures over different RRsets only look like an RRset (RFC 4034 section 3).
                Type::RRSIG => None,
                _ => self.entries[at..end].iter().map(|entry| entry.of(&self.packs).ttl).min(),
            };
            if let Some(set) = self.make_set(at..end, ttl) {
                let index = self.sets.len() as u32;
                let node = &mut self.nodes[node as usize];
                if node.set_count == 0 {
                    node.sets_at = index;
                }
                node.set_count += 1;
                self.sets.push(set);
            }
            at = end;
        }
    }

    /// Makes the template of an RRset; `ttl` replaces those of the records.
    fn make_set(&mut self, entries: Range<usize>, ttl: Option<u32>) -> Option<Set> {
        let entries = &self.entries[entries];
        let Entry { node: index, rtype, .. } = *entries.first()?;
        let node = &self.nodes[index as usize];
        let apex = self.zones[node.zone as usize].apex.clone();
        // Of these there is one; whether the file says so is checked before.
        let entries = match rtype {
            Type::SOA | Type::CNAME | Type::DNAME => &entries[..1],
            _ => entries,
        };
        self.template.clear();
        let mut written: Vec<&[u8]> = Vec::with_capacity(entries.len());
        let mut seen = std::collections::HashSet::new();
        for entry in entries {
            let record = entry.of(&self.packs);
            let new = match entries.len() {
                1 => true,
                2..=16 => !written.contains(&record.rdata),
                _ => seen.insert(record.rdata),
            };
            if !new {
                continue;
            }
            written.push(record.rdata);
            let ttl = ttl.unwrap_or(record.ttl);
            if self.template.push(rtype, ttl, record.rdata, apex.as_wire()) == Err(TooLarge) {
                self.errors.push(BuildError::SetTooLarge { owner: record.owner(), rtype });
                return None;
            }
        }
        self.add_targets(index, rtype)
    }

    /// Turns the names that the finished template points to into nodes, and stores it all.
    fn add_targets(&mut self, owner: u32, rtype: Type) -> Option<Set> {
        let targets_at = self.targets.len();
        let cut = self.nodes[owner as usize];
        let is_cut = rtype == Type::NS && cut.has(Node::CUT);
        let mut seen: Vec<u32> = Vec::new();
        for (at, name) in std::mem::take(&mut self.template.targets) {
            let (at, node) = if name.is_root() && rtype != Type::NS && rtype != Type::MX {
                if rtype == Type::SRV {
                    continue; // no service (RFC 2782)
                }
                (Target::OWNER, owner)
            } else {
                self.take(&name);
                match self.at_name() {
                    Some(node) => (at, node),
                    None => continue,
                }
            };
            // Data beyond a cut is there as glue, and is nothing for other records to show.
            let hidden = self.nodes[node as usize].has(Node::OCCLUDED | Node::CUT);
            if (hidden && rtype != Type::NS) || seen.contains(&node) {
                continue;
            }
            seen.push(node);
            let cut_name = self.octets_of(&cut);
            let required = is_cut && self.name.as_wire().ends_with(cut_name) && {
                let without = self.name.labels().checked_sub(labels(cut_name));
                without.is_some_and(|without| self.name.suffix(without) == cut_name)
            };
            self.targets.push(Target { at, required, node });
        }
        self.targets[targets_at..].sort_by_key(|target| !target.required);
        let set = Set {
            rtype,
            count: self.template.count,
            at: self.index(self.octets.len())?,
            len: u16::try_from(self.template.octets.len()).ok()?,
            patches_at: self.index(self.patches.len())?,
            patch_count: self.template.patches.len() as u16, // fewer than its octets
            targets_at: self.index(targets_at)?,
            target_count: (self.targets.len() - targets_at) as u16, // fewer than its octets
            is_plain: rtype.0 < Set::PLAIN_TYPES
                && self.template.patches.is_empty()
                && self.targets.len() == targets_at,
        };
        self.octets.extend(&self.template.octets);
        self.patches.extend(&self.template.patches);
        Some(set)
    }

    fn make_negatives(&mut self) {
        for zone in 0..self.zones.len() {
            let node = self.zones[zone].node;
            let from = self.entries.partition_point(|e| (e.node, e.rtype) < (node, Type::SOA));
            let soa = self.entries.get(from).filter(|e| e.node == node && e.rtype == Type::SOA);
            let Some(soa) = soa else {
                self.errors.push(BuildError::NoSoa { apex: self.zones[zone].apex.clone() });
                continue;
            };
            let record = soa.of(&self.packs);
            let minimum = record.rdata.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
            let ttl = record.ttl.min(minimum);
            if let Some(set) = self.make_set(from..from + 1, Some(ttl)) {
                self.zones[zone].negative = set;
            }
        }
    }

    /// The nodes in the order they were made, those of each zone together.
    fn members(&mut self) -> Box<[u32]> {
        let mut members: Vec<u32> = (0..self.nodes.len() as u32).collect();
        members.sort_by_key(|node| self.nodes[*node as usize].zone); // stable: the apex is first
        let mut at = 0;
        for of_zone in
            members.chunk_by(|a, b| self.nodes[*a as usize].zone == self.nodes[*b as usize].zone)
        {
            let end = at + of_zone.len() as u32; // fewer than nodes
            self.zones[self.nodes[of_zone[0] as usize].zone as usize].members = at..end;
            at = end;
        }
        members.into()
    }

    fn zones(mut self) -> Zones {
        let labels: Vec<_> = self.zones.iter().map(|zone| ZoneLabel::of(&zone.apex)).collect();
        for node in &mut self.nodes {
            node.label = labels[node.zone as usize];
        }
        let members = self.members();
        self.cased.sort_by_key(|cased| cased.0); // stable: the first in the file counts
        self.cased.dedup_by_key(|cased| cased.0);
        Zones {
            members,
            table: self.table,
            nodes: self.nodes.into(),
            names: self.names.into(),
            cased: self.cased.into(),
            sets: self.sets.into(),
            octets: self.octets.into(),
            patches: self.patches.into(),
            targets: self.targets.into(),
            zones: self.zones.into(),
        }
    }

    /// Makes `name` the one that the methods below are about.
    fn take(&mut self, name: &Name) {
        self.name.set(name);
    }

    /// The node of the name without its first `without` labels.
    fn at_suffix(&self, without: usize) -> Option<u32> {
        let suffix = self.name.suffix(without);
        let node = self.table.find(self.table.hash(suffix), |node| {
            self.octets_of(&self.nodes[node as usize]) == suffix
        });
        (node != NONE).then_some(node)
    }

    fn at_name(&self) -> Option<u32> {
        self.at_suffix(0)
    }

    /// The closest node at or above the name, and how many labels that is shorter.
    fn closest(&self) -> Option<(u32, usize)> {
        (0..=self.name.labels())
            .find_map(|without| self.at_suffix(without).map(|node| (node, without)))
    }

    /// The node of the name, made with all empty non-terminals above it. The name must be in a
    /// zone.
    fn ensure(&mut self) -> u32 {
        let Some((mut node, missing)) = self.closest() else {
            return NONE;
        };
        for without in (0..missing).rev() {
            let zone = self.nodes[node as usize].zone;
            let child = self.push_node(without, zone, node);
            if self.name.label(without) == b"\x01*" {
                self.nodes[node as usize].wildcard = child;
            }
            self.enter(without, child);
            node = child;
        }
        node
    }

    /// Makes a node findable, that of the name without its first `without` labels.
    fn enter(&mut self, without: usize, node: u32) {
        let labels = self.name.labels() - without;
        let hash = self.hashes[node as usize];
        self.table.insert(hash, node, labels, |node| self.hashes[node as usize]);
    }

    fn push_node(&mut self, without: usize, zone: u32, parent: u32) -> u32 {
        let name_at = self.index(self.names.len()).unwrap_or(0);
        let name = self.name.suffix(without);
        let node = self.nodes.len() as u32; // fewer than octets of names
        self.nodes.push(Node {
            name_at,
            sets_at: NONE,
            zone,
            occluder: NONE,
            wildcard: NONE,
            steered: NONE,
            set_count: 0,
            name_len: name.len() as u8,
            flags: 0,
            label: ZoneLabel::NONE,
        });
        self.names.extend_from_slice(name);
        self.hashes.push(self.table.hash(name));
        self.parents.push(parent);
        node
    }

    /// A place in one of the arrays; one that is too far is an error.
    fn index(&mut self, at: usize) -> Option<u32> {
        let index = u32::try_from(at).ok();
        if index.is_none() && self.errors.last() != Some(&BuildError::TooMuchData) {
            self.errors.push(BuildError::TooMuchData);
        }
        index
    }

    fn octets_of(&self, node: &Node) -> &[u8] {
        let at = node.name_at as usize;
        &self.names[at..at + usize::from(node.name_len)]
    }

    fn name_at(&self, node: &Node) -> Name {
        Name::from_wire(self.octets_of(node)).unwrap_or_else(|_| Name::root())
    }
}

/// How many labels a name in wire form has.
fn labels(name: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(&length @ 1..) = name.get(at) {
        at += 1 + usize::from(length);
        count += 1;
    }
    count
}
