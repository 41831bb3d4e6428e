//! A qp-trie over keys in canonical order: at each branch the children are told apart by half an
//! octet, and only those that are there take room.
//!
//! T. Finch, "QP tries are smaller and faster than crit-bit tries", 2015 (https://dotat.at/prog/qp/);
//! Knot DNS, BIND and NSD keep names in such tries or in ones like them. This one is made once from
//! all names and never changed. The one on crates.io has a licence (MPL-2.0) that `deny.toml` does
//! not take.

/// From a key to a name that shares as much of its beginning as any.
pub(crate) struct Trie {
    twigs: Vec<Twig>,
    /// The keys one behind the other, by number.
    octets: Vec<u8>,
    ends: Vec<u32>,
}

/// A branch or a leaf.
#[derive(Clone, Copy)]
struct Twig {
    /// The children that are there, see `slot`; none: it is a leaf.
    children: u32,
    /// The first child; of a leaf the name.
    at: u32,
    /// Which half of an octet tells them apart, counted from the key's beginning.
    half: u16,
}

impl Trie {
    /// `keys` are sorted, and there is at least one.
    pub(crate) fn new(keys: &[(Box<[u8]>, u32)]) -> Trie {
        let mut by_number: Vec<&(Box<[u8]>, u32)> = keys.iter().collect();
        by_number.sort_by_key(|(_, number)| *number);
        let mut octets = Vec::with_capacity(keys.iter().map(|(key, _)| key.len()).sum());
        let mut ends = Vec::with_capacity(keys.len());
        for (key, _) in by_number {
            octets.extend_from_slice(key);
            ends.push(octets.len() as u32);
        }
        let mut trie = Trie { twigs: vec![LEAF], octets, ends };
        trie.fill(0, keys);
        trie.twigs.shrink_to_fit();
        trie
    }

    /// Makes a twig of keys that are sorted.
    fn fill(&mut self, twig: usize, keys: &[(Box<[u8]>, u32)]) {
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        if keys.len() == 1 {
            self.twigs[twig] = Twig { at: first.1, ..LEAF };
            return;
        }
        // What the first and the last have in common all have.
        let half = (0..)
            .find(|half| slot(&first.0, *half) != slot(&last.0, *half))
            .expect("two keys are not the same");
        let groups: Vec<_> = keys.chunk_by(|a, b| slot(&a.0, half) == slot(&b.0, half)).collect();
        let children = groups.iter().map(|group| 1 << slot(&group[0].0, half)).sum();
        let at = self.twigs.len();
        self.twigs[twig] = Twig { children, at: at as u32, half };
        self.twigs.extend(groups.iter().map(|_| LEAF));
        for (child, group) in groups.into_iter().enumerate() {
            self.fill(at + child, group);
        }
    }

    /// The name and its key.
    #[inline(always)]
    pub(crate) fn near(&self, key: &[u8]) -> (u32, &[u8]) {
        let mut twig = &self.twigs[0];
        while twig.children != 0 {
            let child = 1 << slot(key, twig.half);
            // Below a child that is not there all are equally near.
            let present = if twig.children & child != 0 { child } else { 1 };
            let rank = (twig.children & (present - 1)).count_ones();
            twig = &self.twigs[(twig.at + rank) as usize];
        }
        let name = twig.at as usize;
        let begin = name.checked_sub(1).map_or(0, |before| self.ends[before]);
        (twig.at, &self.octets[begin as usize..self.ends[name] as usize])
    }
}

const LEAF: Twig = Twig { children: 0, at: 0, half: 0 };

/// Which child of a branch a key belongs to: 0 where it has ended, and 1 more than the half octet
/// where it has not.
#[inline(always)]
fn slot(key: &[u8], half: u16) -> u32 {
    match key.get(usize::from(half / 2)) {
        None => 0,
        Some(octet) if half.is_multiple_of(2) => 1 + u32::from(octet >> 4),
        Some(octet) => 1 + u32::from(octet & 0x0f),
    }
}
