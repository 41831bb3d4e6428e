//! An open-addressing hash table over whole names.
//!
//! Holds node numbers and a piece of each name's hash; the names themselves stand with the
//! nodes. Knows nothing of zones.
//!
//! `benches/tables` holds it against others. Among a million names that exist a lookup takes 142 ns,
//! or 178 where it waits for the one before it, and 49 octets a name; `HashMap` with foldhash takes
//! 130 or 343, and 100 octets; `hashbrown` over the same names 215 or 281, and 43; a qp-trie 1,689.
//! It is kept for these. For names that do not exist it loses, with 88 ns to 40 and 50. All figures
//! are in docs/performance.md, "Tables compared".

use std::hash::{BuildHasher, RandomState};

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
    /// Two random numbers, secret: nobody outside can choose names that collide.
    keys: [u64; 2],
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
    /// An empty table with keys of its own.
    pub(super) fn new() -> Table {
        Table {
            slots: vec![EMPTY; FEWEST_SLOTS].into(),
            shift: 64 - FEWEST_SLOTS.ilog2(),
            entries: 0,
            labels: 0,
            keys: [(); 2].map(|()| RandomState::new().hash_one(0)),
        }
    }

    /// The hash of a name in wire form, the same in any case.
    ///
    /// Of the whole name at once: a name that exists, which is most of what is asked for, needs no
    /// other. A name that does not is looked for without its first label, then without two, each
    /// hashed anew: at most [`Table::labels`] of them.
    ///
    /// Sixteen octets at a time are multiplied with each other and the keys, as foldhash does it;
    /// the last sixteen overlap those before, which loses nothing. All octets count as if they had
    /// the bit that tells cases apart, so a name is hashed where it stands: thirty instructions for
    /// 23 octets. Lowering it first and then foldhash, a call, came to over a hundred.
    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        match name.len() {
            ..16 => self.hash_short(name),
            16..=32 => self.hash_ends(name),
            _ => {
                let [mut state, key] = self.keys;
                for chunk in name.as_chunks::<16>().0 {
                    state = fold(state ^ word(chunk, 0), key ^ word(chunk, 8));
                }
                let last = &name[name.len() - 16..];
                fold(state ^ word(last, 0), key ^ word(last, 8))
            }
        }
    }

    /// The same for a name of 16 to 32 octets, which are its first and its last 16.
    #[inline(always)]
    pub(super) fn hash_ends(&self, name: &[u8]) -> u64 {
        let [state, key] = self.keys;
        let last = &name[name.len() - 16..];
        let state = fold(state ^ word(name, 0), key ^ word(name, 8));
        fold(state ^ word(last, 0), key ^ word(last, 8))
    }

    /// The same for a name of less than 16 octets.
    #[inline]
    fn hash_short(&self, name: &[u8]) -> u64 {
        let [state, key] = self.keys;
        if name.len() >= 8 {
            return fold(state ^ word(name, 0), key ^ word(name, name.len() - 8));
        }
        let mut octets = [0; 8];
        octets[..name.len()].copy_from_slice(name);
        fold(state ^ word(&octets, 0), key)
    }

    /// The node with this hash for which `is_it` holds, or [`NONE`].
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            // A quarter of the slots is empty, so the walk ends.
            let slot = self.slots[at & mask];
            if slot.tag == hash as u32 && (slot.node == NONE || is_it(slot.node)) {
                return slot.node;
            }
            if slot.node == NONE {
                return NONE;
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

/// Eight octets as a number, without what tells cases apart.
#[inline(always)]
fn word(octets: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&octets[at..at + 8]);
    u64::from_ne_bytes(word) | 0x2020_2020_2020_2020
}

/// Both halves of a product, as one: every bit of either factor moves about half of the result's.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_hashes_alike_in_any_case_and_unlike_every_other() {
        let table = Table::new();
        let mut seen = std::collections::HashSet::new();
        for length in 0..=63_u8 {
            for filler in [b'a', b'b', b'0', 0] {
                for ending in [&b"\x00"[..], b"\x07example\x00", b"\x07exampla\x00"] {
                    let label = vec![filler; length.into()];
                    let name = [&[length][..], &label, ending].concat();
                    let upper = name.to_ascii_uppercase();
                    assert_eq!(table.hash(&name), table.hash(&upper), "{name:?}");
                    // A label of no octets is a root, whatever its filler.
                    assert!(seen.insert(table.hash(&name)) || length == 0, "{name:?}");
                }
            }
        }
    }

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
