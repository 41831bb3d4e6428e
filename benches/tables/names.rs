//! From a name to itself, or to the closest one above it that exists.
//!
//! Names are those of `benches/scale`. Some that are asked for exist; others have a random label in
//! front of a zone's apex, as random-subdomain attacks ask. They come in lower case, and are compared
//! as they are; only the server itself compares as if they had come in any. Our hash is the same in
//! any case, and what lowers a name for the others is not measured.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use clap::Args;
use hashbrown::HashTable;
use meridian::config;
use meridian::engine::Snapshot;
use meridian::server::{Origin, build};
use meridian::wire::{Name, Type};
use meridian::zone::{Outcome, Zones};

use crate::clients::{QUESTIONS, zipf};
use crate::clock::{self, Candidate, Question, compare};
use crate::memory;
use crate::message::Random;
use crate::order::{Ancestry, Buffer, Sorted, keys};
use crate::qp::Trie;
use crate::table::{NONE, Table};

#[path = "../scale/data.rs"]
#[allow(dead_code)] // of all data the zones
mod data;

#[derive(Args)]
pub(crate) struct Options {
    /// So many names, a thousand in each zone.
    #[arg(long, default_value_t = 1_000_000)]
    names: usize,
}

/// In what was found: it is not the name itself, but the closest one above.
pub(crate) const ABOVE: u32 = 1 << 31;

pub(crate) fn run(options: &Options, clock: &clock::Options) -> anyhow::Result<()> {
    let snapshot = snapshot(options.names)?;
    let zones = &snapshot.zones;
    let names: Vec<Name> = zones.names().collect();
    let mut octets = Vec::new();
    let asked = ["exist, uniform", "exist, Zipf", "do not, uniform", "do not, Zipf"];
    let asked = asked.map(|kind| (kind, questions(kind, zones, &names, &mut octets)));
    let octets = octets.as_slice();
    let name = |asked: Asked| &octets[asked.at as usize..][..asked.len as usize];

    let (list, listed) = memory::of(|| List::new(&names));
    let (table, table_memory) = memory::of(|| {
        let mut table = Table::new();
        let hashes: Vec<u64> = names.iter().map(|name| table.hash(name.as_wire())).collect();
        for (node, name) in names.iter().enumerate() {
            let (hash, labels) = (hashes[node], name.label_count());
            table.insert(hash, node as u32, labels, |node| hashes[node as usize]);
        }
        table
    });
    let (swiss, swiss_memory) = memory::of(|| {
        let hash = |node: &u32| table.hash(list.name(*node));
        let mut swiss = HashTable::new();
        for node in 0..names.len() as u32 {
            swiss.insert_unique(hash(&node), node, hash);
        }
        swiss
    });
    let (folded, folded_memory) =
        memory::of(|| map(&names, foldhash::fast::RandomState::default()));
    let (sipped, sipped_memory) = memory::of(|| map(&names, RandomState::new()));
    let keys = keys(&names);
    let (ancestry, above) = memory::of(|| Ancestry::new(&names));
    let (tree, tree_memory) = memory::of(|| keys.iter().cloned().collect::<BTreeMap<_, _>>());
    let (sorted, sorted_memory) = memory::of(|| Sorted::new(&keys));
    let (trie, trie_memory) = memory::of(|| Trie::new(&keys));
    drop(keys);
    let buffer = Buffer::new();

    let candidates = [
        Candidate::new("open addressing (ours)", table_memory + listed, |asked| {
            closest(name(asked), |name| {
                let is_it = |node| list.name(node) == name;
                Some(table.find(table.hash(name), is_it)).filter(|node| *node != NONE)
            })
        }),
        Candidate::new("the same in the server, with the RRset", zones.memory(), |asked| {
            zones.lookup(name(asked), Type::A).map_or(NONE, |found| {
                let missing = matches!(found.outcome, Outcome::NxDomain);
                u32::from(found.zone.label().number()) | if missing { ABOVE } else { 0 }
            })
        }),
        Candidate::new("hashbrown's HashTable, the same hash", swiss_memory + listed, |asked| {
            closest(name(asked), |name| {
                let is_it = |node: &u32| list.name(*node) == name;
                swiss.find(table.hash(name), is_it).copied()
            })
        }),
        Candidate::new("HashMap, foldhash", folded_memory, |asked| {
            closest(name(asked), |name| folded.get(name).copied())
        }),
        Candidate::new("HashMap, SipHash", sipped_memory, |asked| {
            closest(name(asked), |name| sipped.get(name).copied())
        }),
        Candidate::new("BTreeMap in canonical order", tree_memory + above, |asked| {
            buffer.key(name(asked), |key| {
                let mut before = tree.range::<[u8], _>((Unbounded, Included(key)));
                before.next_back().map_or(NONE, |(near, node)| ancestry.closest(key, *node, near))
            })
        }),
        Candidate::new("sorted array in canonical order", sorted_memory + above, |asked| {
            buffer.key(name(asked), |key| {
                let (node, near) = sorted.before(key);
                ancestry.closest(key, node, near)
            })
        }),
        Candidate::new("qp-trie", trie_memory + above, |asked| {
            buffer.key(name(asked), |key| {
                let (node, near) = trie.near(key);
                ancestry.closest(key, node, near)
            })
        }),
    ];
    let labels: Vec<u32> = names
        .iter()
        .map(|name| zones.zone_of(name).map_or(NONE, |zone| zone.label().number().into()))
        .collect();
    let expect = |index, found: u32| match index {
        1 => labels[(found & !ABOVE) as usize] | found & ABOVE,
        _ => found,
    };
    let own: usize = names.iter().map(|name| name.as_wire().len()).sum();
    let what = format!("{} names of {:.1} octets", names.len(), own as f64 / names.len() as f64);
    compare(&what, &candidates, &asked, expect, clock)
}

fn snapshot(names: usize) -> anyhow::Result<Arc<Snapshot>> {
    let directory = tempfile::tempdir()?;
    data::zones(directory.path(), names, names.div_ceil(1000))?;
    let refused = |errors: Vec<config::Diagnostic>| anyhow::anyhow!(config::render(&errors, false));
    let loaded = config::load(&data::configuration(directory.path())).map_err(refused)?;
    Ok(build(loaded, Origin::Disk).map_err(refused)?.snapshot)
}

/// A name that is asked for, in wire form: where it stands among all.
#[derive(Clone, Copy)]
struct Asked {
    at: u32,
    len: u32,
}

impl Question for Asked {
    #[inline(always)]
    fn after(self, nothing: u32) -> Asked {
        Asked { at: self.at + nothing, ..self }
    }
}

/// The names of one kind, put behind `octets`.
fn questions(kind: &str, zones: &Zones, names: &[Name], octets: &mut Vec<u8>) -> Vec<Asked> {
    let mut random = Random::new();
    let exist = kind.starts_with("exist");
    let mut candidates: Vec<&Name> = match exist {
        true => names.iter().collect(),
        false => zones.zones().map(|zone| zone.apex()).collect(),
    };
    // Which are asked for most has nothing to do with where they stand.
    for last in (1..candidates.len()).rev() {
        candidates.swap(last, random.next() as usize % (last + 1));
    }
    let mut ask = || {
        let index = match kind.ends_with("Zipf") {
            true => zipf(candidates.len(), &mut random),
            false => random.next() as usize % candidates.len(),
        };
        let name = candidates[index].as_wire();
        let at = octets.len();
        match exist {
            true => octets.extend_from_slice(name),
            false => octets.extend(random.child(name)),
        }
        Asked { at: at as u32, len: (octets.len() - at) as u32 }
    };
    (0..QUESTIONS).map(|_| ask()).collect()
}

/// The name, or without its first label, or without two, and so on, as `find` knows it.
#[inline(always)]
fn closest(name: &[u8], find: impl Fn(&[u8]) -> Option<u32>) -> u32 {
    if let Some(node) = find(name) {
        return node;
    }
    let mut rest = name;
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        rest = &after[length.into()..];
        if let Some(node) = find(rest) {
            return node | ABOVE;
        }
    }
    NONE
}

fn map<S: BuildHasher>(names: &[Name], hasher: S) -> HashMap<Box<[u8]>, u32, S> {
    let mut map = HashMap::with_hasher(hasher);
    map.extend(names.iter().map(|name| name.as_wire().into()).zip(0..));
    map
}

/// Names by number, one behind the other.
struct List {
    octets: Vec<u8>,
    ends: Vec<u32>,
}

impl List {
    fn new(names: &[Name]) -> List {
        let octets = Vec::with_capacity(names.iter().map(|name| name.as_wire().len()).sum());
        let mut list = List { octets, ends: Vec::with_capacity(names.len()) };
        for name in names {
            list.octets.extend_from_slice(name.as_wire());
            list.ends.push(list.octets.len() as u32);
        }
        list
    }

    #[inline(always)]
    fn name(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.octets[begin as usize..self.ends[number] as usize]
    }
}
