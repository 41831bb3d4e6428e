//! A poptrie: from an address to a number by its bits alone.
//!
//! H. Asai and Y. Ohara, "Poptrie: A Compressed Trie with Population Count for Fast and Scalable
//! Software IP Routing Table Lookup", SIGCOMM 2015: with direct pointing (section 3.4), leaves
//! compressed by `leafvec` (section 3.3), and made anew, never changed.

use meridian::geo::{Address, RangeMap};

/// Bits that one node decides by.
const STRIDE: u8 = 6;

/// In an entry of the root: the rest of it is what was looked for, and not a node.
const DIRECT: u32 = 1 << 31;

/// An address whose bits can be taken out.
pub(crate) trait Bits: Address {
    /// So many bits after the first `at`, at most 32; beyond the last bit are zeros.
    fn bits(self, at: u8, count: u8) -> usize;
    fn number(self) -> u128;
    /// The address with this number.
    fn of(number: u128) -> Self;
}

impl Bits for u32 {
    #[inline(always)]
    fn bits(self, at: u8, count: u8) -> usize {
        ((self << at) >> (32 - count)) as usize
    }

    fn number(self) -> u128 {
        self.into()
    }

    fn of(number: u128) -> u32 {
        number as u32
    }
}

impl Bits for u128 {
    #[inline(always)]
    fn bits(self, at: u8, count: u8) -> usize {
        (((self << at) >> 96) as u32 >> (32 - count)) as usize
    }

    fn number(self) -> u128 {
        self
    }

    fn of(number: u128) -> u128 {
        number
    }
}

/// From every address to a number below 2^31. `L` holds the numbers.
pub(crate) struct Poptrie<A, L> {
    /// By the first `root_bits` bits: a number, or the node that decides further.
    root: Vec<u32>,
    root_bits: u8,
    nodes: Vec<Node>,
    leaves: Vec<L>,
    family: std::marker::PhantomData<A>,
}

/// 24 octets, as in the paper.
#[derive(Clone, Copy, Default)]
struct Node {
    /// Of the 64 children those that are nodes.
    vector: u64,
    /// Of the others those that differ from the leaf before them, and the first.
    leafvec: u64,
    leaves_at: u32,
    nodes_at: u32,
}

impl<A: Bits, L: Copy + PartialEq + Into<u32> + TryFrom<u32>> Poptrie<A, L> {
    /// `None` when `L` cannot hold all numbers.
    pub(crate) fn new(map: &RangeMap<A, u32>, root_bits: u8) -> Option<Poptrie<A, L>> {
        let (root, nodes, leaves) = (Vec::new(), Vec::new(), Vec::new());
        let family = std::marker::PhantomData;
        let mut trie = Poptrie { root, root_bits, nodes, leaves, family };
        for value in 0..1_u128 << root_bits {
            let first = A::of(value << (A::BITS - root_bits));
            let entry = match uniform(map, first, root_bits) {
                Some(number) => number | DIRECT,
                None => {
                    let node = trie.nodes.len();
                    trie.nodes.push(Node::default());
                    trie.fill(node, map, first, root_bits)?;
                    node as u32
                }
            };
            trie.root.push(entry);
        }
        trie.nodes.shrink_to_fit();
        trie.leaves.shrink_to_fit();
        Some(trie)
    }

    /// Makes a node of what begins at `first` and has the same bits before `at`.
    fn fill(&mut self, node: usize, map: &RangeMap<A, u32>, first: A, at: u8) -> Option<()> {
        let mut made = Node { leaves_at: self.leaves.len() as u32, ..Node::default() };
        let end = (at + STRIDE).min(A::BITS);
        let padding = at + STRIDE - end;
        let mut children = Vec::new();
        let mut last = None;
        for child in 0..1_u128 << STRIDE {
            let from = A::of(first.number() | (child >> padding) << (A::BITS - end));
            let Some(number) = uniform(map, from, end) else {
                made.vector |= 1 << child;
                children.push(from);
                continue;
            };
            let leaf = L::try_from(number).ok()?;
            if last != Some(leaf) {
                made.leafvec |= 1 << child;
                self.leaves.push(leaf);
                last = Some(leaf);
            }
        }
        made.nodes_at = self.nodes.len() as u32;
        self.nodes[node] = made;
        self.nodes.extend(children.iter().map(|_| Node::default()));
        for (child, from) in children.into_iter().enumerate() {
            self.fill(made.nodes_at as usize + child, map, from, end)?;
        }
        Some(())
    }

    #[inline(always)]
    pub(crate) fn find(&self, address: A) -> u32 {
        let entry = self.root[address.bits(0, self.root_bits)];
        if entry & DIRECT != 0 {
            return entry & !DIRECT;
        }
        let mut node = &self.nodes[entry as usize];
        let mut at = self.root_bits;
        loop {
            let child = address.bits(at, STRIDE);
            // Those up to this child, and with it.
            let mask = (2_u64 << child).wrapping_sub(1);
            if node.vector & (1 << child) == 0 {
                let rank = (node.leafvec & mask).count_ones() - 1;
                return self.leaves[(node.leaves_at + rank) as usize].into();
            }
            let rank = (node.vector & mask).count_ones() - 1;
            node = &self.nodes[(node.nodes_at + rank) as usize];
            at += STRIDE;
        }
    }
}

/// The number of all addresses that share the first `length` bits of `first`, if they have one.
fn uniform<A: Bits>(map: &RangeMap<A, u32>, first: A, length: u8) -> Option<u32> {
    let range = map.find(first);
    (range.last >= first.prefix(length).1).then_some(*range.value)
}
