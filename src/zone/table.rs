//! An open-addressing hash table over whole names.
//!
//! Holds node numbers and a piece of each name's hash; the names themselves stand with the
//! nodes. Knows nothing of zones.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Node numbers by the hash of a name. At most three quarters full.
#[derive(Debug, Clone)]
pub(super) struct Table {
    slots: Box<[Slot]>,
    /// The upper bits of a hash, shifted down by this, are the first slot to look at.
    shift: u32,
    entries: usize,
    /// Labels of the deepest name.
    labels: usize,
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
            labels: 0,
            seed: foldhash::quality::RandomState::default().hash_one(0_u64),
            shared: SharedSeed::global_random(),
        }
    }

    /// The hash of a name in lower case, in wire form.
    ///
    /// Of the whole name at once: a name that exists, which is most of what is asked for, needs no
    /// other. A name that does not is looked for without its first label, then without two, each
    /// hashed anew: at most [`Table::labels`] of them.
    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, self.shared);
        hasher.write(name);
        hasher.finish()
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

    /// Labels of the deepest name that was entered.
    #[inline]
    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    /// Enters a node that is not in the table, whose name has so many labels. `hash_of` tells the
    /// hash of a node entered before.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        node: u32,
        labels: usize,
        hash_of: impl Fn(u32) -> u64,
    ) {
        self.labels = self.labels.max(labels);
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
    fn what_was_entered_is_found_and_nothing_else() {
        let mut table = Table::new();
        let hash = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for node in 0..1000 {
            table.insert(hash(node), node, 1, hash);
        }
        for node in 0..1000 {
            assert_eq!(table.find(hash(node), |found| found == node), node);
        }
        for node in 1000..2000 {
            assert_eq!(table.find(hash(node), |found| found == node), NONE);
        }
    }
}
