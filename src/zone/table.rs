//! An open-addressing hash table over whole names, with the hashes of all their suffixes.
//!
//! Holds node numbers and a piece of each name's hash; the names themselves stand with the
//! nodes. Knows nothing of zones.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use crate::wire::LowerName;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The hashes of a name and all its suffixes, in memory that is used again for the next name.
#[derive(Debug, Clone)]
pub struct Hashes([u64; 128]);

impl Hashes {
    /// Memory for the hashes of one name.
    pub fn new() -> Hashes {
        Hashes([0; 128])
    }

    /// The hash of the whole name looked up last.
    #[inline]
    pub fn whole(&self) -> u64 {
        self.0[0]
    }

    /// The hash of the name without its first `without` labels.
    #[inline]
    pub(super) fn suffix(&self, without: usize) -> u64 {
        self.0[without & 127]
    }
}

impl Default for Hashes {
    fn default() -> Hashes {
        Hashes::new()
    }
}

/// Node numbers by the hash of a name. At most three quarters full.
#[derive(Debug, Clone)]
pub(super) struct Table {
    slots: Box<[Slot]>,
    /// The upper bits of a hash, shifted down by this, are the first slot to look at.
    shift: u32,
    entries: usize,
    seed: u64,
    shared: &'static SharedSeed,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The lower bits of the hash: a wrong name is passed over without looking at it.
    tag: u32,
    node: u32,
}

const EMPTY: Slot = Slot { tag: 0, node: NONE };
const FEWEST_SLOTS: usize = 8;

impl Table {
    /// An empty table with a random seed: nobody outside can choose names that collide.
    pub(super) fn new() -> Table {
        Table {
            slots: vec![EMPTY; FEWEST_SLOTS].into(),
            shift: 64 - FEWEST_SLOTS.ilog2(),
            entries: 0,
            seed: foldhash::quality::RandomState::default().hash_one(0_u64),
            shared: SharedSeed::global_random(),
        }
    }

    /// Hashes all suffixes of a name in one pass from the right.
    #[inline]
    pub(super) fn hash(&self, name: &LowerName, hashes: &mut Hashes) {
        let mut hash = self.seed;
        let labels = name.labels();
        hashes.0[labels & 127] = hash;
        let mut rest = name.prefix(labels);
        for index in (0..labels).rev() {
            let (front, label) = rest.split_at_checked(name.start(index)).unwrap_or_default();
            rest = front;
            let mut hasher = FoldHasher::with_seed(hash, self.shared);
            hasher.write(label);
            hash = hasher.finish();
            hashes.0[index & 127] = hash;
        }
    }

    /// The node with this hash for which `is_it` holds, or [`NONE`].
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            // A quarter of the slots is empty, so the walk ends.
            let slot = self.slots[at & mask];
            if slot.node == NONE || (slot.tag == hash as u32 && is_it(slot.node)) {
                return slot.node;
            }
            at += 1;
        }
    }

    /// Enters a node that is not in the table. `hash_of` tells the hash of a node entered
    /// before.
    pub(super) fn insert(&mut self, hash: u64, node: u32, hash_of: impl Fn(u32) -> u64) {
        self.entries += 1;
        if self.entries * 4 > self.slots.len() * 3 {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![EMPTY; old.len() * 2].into();
            self.shift -= 1;
            for slot in old.iter().filter(|slot| slot.node != NONE) {
                self.place(hash_of(slot.node), slot.node);
            }
        }
        self.place(hash, node);
    }

    /// Octets it takes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.slots)
    }

    fn place(&mut self, hash: u64, node: u32) {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        while self.slots[at & mask].node != NONE {
            at += 1;
        }
        self.slots[at & mask] = Slot { tag: hash as u32, node };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_hashes_like_the_name_it_is() {
        let table = Table::new();
        let (mut name, mut hashes) = (LowerName::new(), Hashes::new());
        name.set(&"a.long-label-of-more-than-sixteen-octets.example.".parse().unwrap());
        table.hash(&name, &mut hashes);
        let (mut other, mut others) = (LowerName::new(), Hashes::new());
        for without in 0..=name.labels() {
            other.read(name.suffix(without), 0).unwrap();
            table.hash(&other, &mut others);
            assert_eq!(hashes.suffix(without), others.suffix(0));
        }
    }

    #[test]
    fn what_was_entered_is_found_and_nothing_else() {
        let mut table = Table::new();
        let hash = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for node in 0..1000 {
            table.insert(hash(node), node, hash);
        }
        for node in 0..1000 {
            assert_eq!(table.find(hash(node), |found| found == node), node);
        }
        for node in 1000..2000 {
            assert_eq!(table.find(hash(node), |found| found == node), NONE);
        }
    }
}
