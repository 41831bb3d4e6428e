//! The search tree of a MaxMind DB file: from address bits to an offset in its data.
//!
//! Walked by ourselves and not by `maxminddb`, whose iterator visits a tree that refers to
//! itself without bound. Reads any bytes without panicking: what lies outside is "no record".

use crate::geo::address::WRAPPED;
use crate::geo::ranges::Address;

/// Octets between the tree and the data (MaxMind DB format, "Data Section Separator").
const SEPARATOR: usize = 16;

/// Where the tree of one file lies and how it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree {
    /// How many nodes there are; a record of this value is "no data", a higher one data.
    pub(super) nodes: usize,
    /// Bits of one record: 24, 28 or 32; a node is two records.
    pub(super) record_bits: usize,
    /// Whether it is a tree of IPv6 addresses, with IPv4 ones at `::/96`.
    pub(super) v6: bool,
    /// How many octets of data follow.
    pub(super) data: usize,
}

/// A leaf around an address: how many bits it covers, and its data's offset if it has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) length: u8,
    pub(super) offset: Option<u32>,
}

/// The tree leads to more leaves than a file of its size can honestly hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overgrown;

/// The IPv6 ranges a walk leaves out, rising: `::/96`, where the IPv4 tree stands, and the
/// wrapped ranges, whose clients are looked up by the IPv4 address inside.
pub(super) const LEFT_OUT: [(u128, u128); 4] =
    [(0, 0xffff_ffff), WRAPPED[0], WRAPPED[1], WRAPPED[2]];

/// Whether an IPv6 address lies where this tree holds no IPv6 data.
pub(super) fn left_out(address: u128) -> bool {
    LEFT_OUT.iter().any(|(first, last)| (*first..=*last).contains(&address))
}

impl Tree {
    /// Octets of the tree and the separator: where the data begins.
    pub(super) fn data_start(&self) -> Option<usize> {
        self.nodes.checked_mul(self.record_bits / 4)?.checked_add(SEPARATOR)
    }

    /// The leaf around an IPv4 address, its length counted in IPv4.
    pub(super) fn find_v4(&self, file: &[u8], address: u32) -> Leaf {
        let (root, _) = self.v4_root(file);
        self.descend(file, root, u128::from(address) << 96, 32, None)
    }

    /// The leaf around an IPv6 address. A way into the IPv4 tree from elsewhere than `::/96` is
    /// an alias, and leads nowhere: aliases we follow are unwrapped before looking up.
    pub(super) fn find_v6(&self, file: &[u8], address: u128) -> Leaf {
        if !self.v6 {
            return Leaf { length: 0, offset: None };
        }
        self.descend(file, 0, address, 128, self.v4_alias(file))
    }

    /// Calls `visit(first address, length, offset of its data)` for each leaf of the IPv4 tree,
    /// in the order of addresses.
    pub(super) fn walk_v4(
        &self,
        file: &[u8],
        mut visit: impl FnMut(u32, u8, Option<u32>),
    ) -> Result<(), Overgrown> {
        let (root, _) = self.v4_root(file);
        self.walk(file, root, 32, None, &[], |first, length, offset| {
            visit((first >> 96) as u32, length, offset);
        })
    }

    /// The same for IPv6; empty for a tree of IPv4 addresses. The ranges of [`left_out`] are
    /// visited only as part of a wider leaf around them.
    pub(super) fn walk_v6(
        &self,
        file: &[u8],
        visit: impl FnMut(u128, u8, Option<u32>),
    ) -> Result<(), Overgrown> {
        if !self.v6 {
            return Ok(());
        }
        self.walk(file, 0, 128, self.v4_alias(file), &LEFT_OUT, visit)
    }

    fn walk(
        &self,
        file: &[u8],
        root: usize,
        bits: u8,
        alias: Option<usize>,
        left_out: &[(u128, u128)],
        mut visit: impl FnMut(u128, u8, Option<u32>),
    ) -> Result<(), Overgrown> {
        // An honest tree has each node once. One that shares nodes may be walked a few times
        // over, but not so often that a small file takes long or much memory.
        let mut budget = self.nodes.saturating_mul(8).saturating_add(1 << 20);
        let mut open = vec![(root, 0u128, 0u8)];
        while let Some((node, first, length)) = open.pop() {
            budget = budget.checked_sub(1).ok_or(Overgrown)?;
            let skipped = left_out.iter().any(|(f, l)| *f == first && *l == first.prefix(length).1);
            if skipped || (alias == Some(node) && length > 0) {
                visit(first, length, None);
            } else if node < self.nodes && length < bits {
                let one = first | 1 << (127 - length);
                open.push((self.record(file, node, true), one, length + 1));
                open.push((self.record(file, node, false), first, length + 1));
            } else {
                visit(first, length, self.offset(node));
            }
        }
        Ok(())
    }

    fn descend(
        &self,
        file: &[u8],
        root: usize,
        address: u128,
        bits: u8,
        alias: Option<usize>,
    ) -> Leaf {
        let (mut node, mut length) = (root, 0);
        while node < self.nodes && length < bits {
            node = self.record(file, node, address >> (127 - length) & 1 == 1);
            length += 1;
            if alias == Some(node) {
                return Leaf { length, offset: None };
            }
        }
        Leaf { length, offset: self.offset(node) }
    }

    /// The node where the IPv4 tree begins and the bits before it. A tree of IPv6 addresses that
    /// ends before its 96th zero bit has one record for all of IPv4.
    fn v4_root(&self, file: &[u8]) -> (usize, u8) {
        let (mut node, mut length) = (0, 0);
        while self.v6 && node < self.nodes && length < 96 {
            node = self.record(file, node, false);
            length += 1;
        }
        (node, length)
    }

    fn v4_alias(&self, file: &[u8]) -> Option<usize> {
        let (root, _) = self.v4_root(file);
        (root < self.nodes).then_some(root)
    }

    /// The offset in the data a record points to, when it points into the data.
    fn offset(&self, record: usize) -> Option<u32> {
        let offset = record.checked_sub(self.nodes)?.checked_sub(SEPARATOR)?;
        u32::try_from(offset).ok().filter(|_| offset < self.data)
    }

    /// The left or right record of a node; "no data" outside the file.
    fn record(&self, file: &[u8], node: usize, right: bool) -> usize {
        self.read(file, node, right).unwrap_or(self.nodes)
    }

    fn read(&self, file: &[u8], node: usize, right: bool) -> Option<usize> {
        let width = self.record_bits / 4;
        let octets = file.get(node.checked_mul(width)?..)?.get(..width)?;
        let number = |octets: &[u8]| octets.iter().fold(0, |n, octet| n << 8 | usize::from(*octet));
        Some(match (octets, right) {
            // 28 bits: the octet in the middle holds the high four bits of both records.
            ([a, b, c, high, ..], false) if width == 7 => {
                usize::from(high >> 4) << 24 | number(&[*a, *b, *c])
            }
            ([_, _, _, high, rest @ ..], true) if width == 7 => {
                usize::from(high & 15) << 24 | number(rest)
            }
            (octets, false) => number(&octets[..width / 2]),
            (octets, true) => number(&octets[width / 2..]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of 24-bit records.
    fn tree(nodes: &[(usize, usize)], v6: bool) -> (Tree, Vec<u8>) {
        let mut file = Vec::new();
        for (left, right) in nodes {
            file.extend(&(*left as u32).to_be_bytes()[1..]);
            file.extend(&(*right as u32).to_be_bytes()[1..]);
        }
        (Tree { nodes: nodes.len(), record_bits: 24, v6, data: 100 }, file)
    }

    #[test]
    fn leaves_come_in_the_order_of_their_addresses() {
        // 0.0.0.0/2 -> data 3, 64.0.0.0/2 -> nothing, 128.0.0.0/1 -> data 7.
        let (tree, file) = tree(&[(1, 2 + 16 + 7), (2 + 16 + 3, 2)], false);
        let mut seen = Vec::new();
        tree.walk_v4(&file, |first, length, offset| seen.push((first, length, offset))).unwrap();
        assert_eq!(seen, [(0, 2, Some(3)), (1 << 30, 2, None), (1 << 31, 1, Some(7))]);
        assert_eq!(tree.find_v4(&file, 5), Leaf { length: 2, offset: Some(3) });
        assert_eq!(tree.find_v4(&file, u32::MAX), Leaf { length: 1, offset: Some(7) });
        assert_eq!(tree.find_v6(&file, 5).offset, None);
    }

    #[test]
    fn a_tree_that_doubles_at_each_level_is_refused() {
        let nodes: Vec<(usize, usize)> = (1..=128).map(|next| (next, next)).collect();
        let (tree, file) = tree(&nodes, true);
        assert_eq!(tree.walk_v6(&file, |_, _, _| ()), Err(Overgrown));
    }

    #[test]
    fn a_loop_ends_with_the_bits_of_the_address() {
        let (tree, file) = tree(&[(0, 1)], false);
        let mut leaves = 0;
        tree.walk_v4(&file, |_, _, offset| {
            assert_eq!(offset, None);
            leaves += 1;
        })
        .unwrap();
        assert_eq!(leaves, 33);
        assert_eq!(tree.find_v4(&file, 0), Leaf { length: 32, offset: None });
    }

    #[test]
    fn a_tree_cut_off_holds_no_data_beyond_its_end() {
        let (tree, mut file) = tree(&[(1, 1), (2 + 16, 2 + 16)], false);
        file.truncate(6);
        assert_eq!(tree.find_v4(&file, 0), Leaf { length: 2, offset: None });
    }
}
