//! Class tables: from a client's address to its class, and to the ECS scope of its answer.
//!
//! A table holds ranges, not prefixes: for an address in a range of equal clients the widest
//! prefix that stays inside the range follows from the range's two ends alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::geo::address::WRAPPED;
use crate::geo::{Address, RangeMap};

/// Addresses of clients that are looked up by an IPv4 address inside: no IPv6 client is there,
/// and no IPv6 prefix may reach across.
const WALL: u32 = u32::MAX;

/// Every client's class, for both families.
///
/// The same table serves all policies that divide the world alike: classes are numbers from 0,
/// and each policy has its own list of what they mean.
#[derive(Debug)]
pub struct ClassTable {
    v4: Family<u32>,
    v6: Family<u128>,
}

/// One family's ranges, and the way to the one around an address.
///
/// Of what `benches/tables` holds against it the simplest that keeps an answer by ECS /24 within its
/// 600 instructions: class and scope take 61 to 69 over IPv4 and 148 over IPv6, and 206 to 332 without
/// the blocks; with those of the first 16 bits alone, 53 to 76, and 300 over IPv6. A poptrie takes 35
/// to 44, and 200 over IPv6; among a million ranges 24 ns in place of 44, where lookups wait for
/// each other. But it knows no ends, and needs leaves of its own for each kind of scope. All figures
/// are in docs/performance.md, "Tables compared".
#[derive(Debug)]
struct Family<A> {
    /// From each first address to the next one's; the first is [`Address::MIN`].
    ranges: Vec<Range<A>>,
    /// First one for each value of the leading bits, then those of each node in a row.
    blocks: Vec<Block>,
    /// How far the first 64 bits of an address are shifted down to number the first of them.
    shift: u8,
    nodes: Vec<Node>,
}

/// A crowded block, divided in about as many as ranges begin inside: where there are many, a step
/// tells many bits.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// The first of its blocks.
    first: u32,
    /// The bits that tell a block, once shifted down.
    mask: u32,
    /// How far the first 64 bits of an address are shifted down.
    shift: u8,
}

/// What is in a block, in the two lowest bits, and a number.
#[derive(Debug, Clone, Copy, Default)]
struct Block(u32);

/// The range that the block lies in, and no other begins inside.
const WHOLE: u32 = 0;
/// The range of its first address; up to [`FEW`] begin inside.
const PARTED: u32 = 1;
/// The same where many begin that the first 64 bits do not tell apart.
const CROWDED: u32 = 2;
/// A node.
const NODE: u32 = 3;

/// So many ranges are looked at one by one.
const FEW: usize = 4;

/// Where a range begins, and its class: side by side, because a lookup in a large table takes as
/// long as its cache misses, and so finds the class and both ends of a range in one or two lines.
#[derive(Debug, Clone, Copy)]
struct Range<A> {
    first: A,
    class: u32,
}

/// Ranges of clients with the same first choice: unions of a [`ClassTable`]'s ranges.
#[derive(Debug)]
pub struct Groups {
    v4: Unions<u32>,
    v6: Unions<u128>,
}

#[derive(Debug)]
enum Unions<A> {
    /// No two neighbours have the same first choice: each is one range of the table.
    Ranges,
    /// Some unite several.
    Several {
        /// For each range of the table, which union it lies in.
        of: Vec<u32>,
        /// First addresses of the unions, rising.
        starts: Vec<A>,
    },
}

/// Where a client stands in a [`ClassTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its class.
    pub class: u32,
    range: usize,
}

impl ClassTable {
    /// A table from the class of every IPv4 and IPv6 address.
    pub fn new(v4: &RangeMap<u32, u32>, v6: &RangeMap<u128, u32>) -> ClassTable {
        let inside = if v4.count() == 1 { v4.values()[0] } else { WALL };
        let walls = WRAPPED.map(|(first, last)| (first, first.common_bits(last), Some(inside)));
        let walls = RangeMap::from_prefixes(None, walls);
        let v6 = v6.join(&walls, |class, wall| wall.unwrap_or(*class));
        ClassTable { v4: Family::new(v4), v6: Family::new(&v6) }
    }

    /// The place of an unwrapped address.
    #[inline(always)]
    pub fn find(&self, address: IpAddr) -> Place {
        match address {
            IpAddr::V4(address) => self.v4.find(address.to_bits()),
            IpAddr::V6(address) => self.v6.find(address.to_bits()),
        }
    }

    /// The first and the last address of the range that a place is in. `address` is the one that
    /// was found there.
    pub fn row(&self, address: IpAddr, place: Place) -> (IpAddr, IpAddr) {
        match address {
            IpAddr::V4(_) => {
                let (first, last) = self.v4.row(place);
                (IpAddr::V4(first.into()), IpAddr::V4(last.into()))
            }
            IpAddr::V6(_) => {
                let (first, last) = self.v6.row(place);
                (IpAddr::V6(first.into()), IpAddr::V6(last.into()))
            }
        }
    }

    /// The length of the widest prefix around `address` with its class throughout.
    #[inline]
    pub fn class_scope(&self, address: IpAddr, place: Place) -> u8 {
        match address {
            IpAddr::V4(address) => self.v4.scope(address.to_bits(), place),
            IpAddr::V6(address) => self.v6.scope(address.to_bits(), place),
        }
    }

    /// The length of the widest prefix around `address` with its group throughout. `groups` were
    /// made of this table.
    #[inline(always)]
    pub fn group_scope(&self, groups: &Groups, address: IpAddr, place: Place) -> u8 {
        match address {
            IpAddr::V4(address) => self.v4.group_scope(&groups.v4, address.to_bits(), place),
            IpAddr::V6(address) => self.v6.group_scope(&groups.v6, address.to_bits(), place),
        }
    }

    /// The class of every IPv4 address.
    pub fn v4(&self) -> RangeMap<u32, u32> {
        self.v4.classes()
    }

    /// The class of every IPv6 address; `None` where clients are looked up by an IPv4 address
    /// inside.
    pub fn v6(&self) -> RangeMap<u128, Option<u32>> {
        self.v6.classes().map(|class| (*class != WALL).then_some(*class))
    }

    /// For each class the first address that has it, IPv4 before IPv6, by class.
    pub fn first_of_each_class(&self) -> BTreeMap<u32, IpAddr> {
        let mut found = BTreeMap::new();
        for range in &self.v4.ranges {
            let address = || IpAddr::V4(range.first.into());
            found.entry(range.class).or_insert_with(address);
        }
        for range in self.v6.ranges.iter().filter(|range| range.class != WALL) {
            let address = || IpAddr::V6(range.first.into());
            found.entry(range.class).or_insert_with(address);
        }
        found
    }

    /// Joins neighbours by the group of their class. `group` is asked for classes of this table.
    pub fn groups(&self, group: impl Fn(u32) -> u32) -> Groups {
        let first = group(self.v4.ranges[0].class);
        let uniform = self.v4.ranges.iter().all(|range| group(range.class) == first);
        let inside = if uniform { first } else { WALL };
        Groups {
            v4: Unions::new(&self.v4.ranges, &group),
            v6: Unions::new(&self.v6.ranges, &|class| {
                if class == WALL { inside } else { group(class) }
            }),
        }
    }
}

/// Most leading bits that tell a first block: 65,536 of them, 256 KiB.
const LEADING_BITS: u8 = 16;

/// Bits that tell blocks apart, at most.
const TOLD: u8 = 64;

/// An address whose leading bits tell blocks.
trait Indexed: Address {
    /// The first 64 bits, or all and zeros behind.
    fn top(self) -> u64;

    /// The first address with these.
    fn of_top(top: u64) -> Self;

    /// The length of the widest prefix around the address that begins at or after `first` and ends
    /// before `next`.
    fn widest(self, first: Self, next: Option<Self>) -> u8;
}

impl Indexed for u32 {
    #[inline(always)]
    fn top(self) -> u64 {
        u64::from(self) << 32
    }

    fn of_top(top: u64) -> u32 {
        (top >> 32) as u32
    }

    #[inline(always)]
    fn widest(self, first: u32, next: Option<u32>) -> u8 {
        // A prefix leaves out an address once it is longer than the bits the two share: so long as
        // there are zeros in front of where they differ, and one. Of two addresses the one that
        // differs less decides; one that does not exist counts as different in a 33rd bit or more.
        const NONE: u64 = 1 << 32;
        let address = u64::from(self);
        let below = address ^ u64::from(first).wrapping_sub(1);
        let above = next.map_or(NONE, |outside| address ^ u64::from(outside));
        (below.min(above).leading_zeros() - NONE.leading_zeros()) as u8
    }
}

impl Indexed for u128 {
    #[inline(always)]
    fn top(self) -> u64 {
        (self >> 64) as u64
    }

    fn of_top(top: u64) -> u128 {
        u128::from(top) << 64
    }

    #[inline(always)]
    fn widest(self, first: u128, next: Option<u128>) -> u8 {
        // As over IPv4, but there is no wider number: what does not exist differs in every bit, so
        // that the other decides. Where neither exists, nothing is left out.
        const NONE: u64 = u64::MAX;
        if first == 0 && next.is_none() {
            return 0;
        }
        // The first 64 bits tell nearly always.
        let below = first.previous().map_or(NONE, |outside| self.top() ^ outside.top());
        let above = next.map_or(NONE, |outside| self.top() ^ outside.top());
        match below.min(above) {
            0 => narrow(self, first, next),
            differ => (differ.leading_zeros() + 1) as u8,
        }
    }
}

/// The same where an address that the prefix must leave out has the same first 64 bits.
#[cold]
fn narrow(address: u128, first: u128, next: Option<u128>) -> u8 {
    let outside = [first.previous(), next].into_iter().flatten();
    outside.map(|outside| address.common_bits(outside) + 1).max().unwrap_or(0)
}

/// The last address with the first `bits` of `top`.
fn last_of<A: Indexed>(top: u64, bits: u8) -> A {
    A::of_top(top).prefix(bits).1
}

impl<A: Indexed> Family<A> {
    fn new(map: &RangeMap<A, u32>) -> Family<A> {
        let ranges: Vec<Range<A>> =
            map.iter().map(|range| Range { first: range.first, class: *range.value }).collect();
        // About as many as ranges: a small table needs no more.
        let bits = (ranges.len().ilog2() as u8).clamp(1, LEADING_BITS);
        let mut family =
            Family { ranges, blocks: Vec::new(), shift: TOLD - bits, nodes: Vec::new() };
        family.divide(0, 0, bits, 0);
        family
    }

    /// Divides the addresses with the first `bits` of `top` by so many `more`; `range` is that of the
    /// first of them, or one before. Returns the first of the blocks.
    fn divide(&mut self, top: u64, bits: u8, more: u8, mut range: usize) -> usize {
        let first = self.blocks.len();
        self.blocks.resize(first + (1 << more), Block(WHOLE));
        let bits = bits + more;
        for number in 0..1 << more {
            let top = top | (number as u64) << (TOLD - bits);
            range = self.begin_until(range, A::of_top(top));
            let inside = self.begin_until(range, last_of(top, bits)) - range;
            let (what, at) = match inside {
                0 => (WHOLE, range),
                1..=FEW => (PARTED, range),
                _ if bits == A::BITS.min(TOLD) => (CROWDED, range),
                _ => (NODE, self.node(top, bits, inside, range)),
            };
            self.blocks[first + number] = Block((at as u32) << 2 | what);
        }
        first
    }

    /// A node for the addresses with the first `bits` of `top`, among which so many ranges begin.
    fn node(&mut self, top: u64, bits: u8, inside: usize, range: usize) -> usize {
        let more = (inside.ilog2() as u8).min(A::BITS.min(TOLD) - bits);
        let first = self.divide(top, bits, more, range) as u32;
        self.nodes.push(Node { first, mask: (1 << more) - 1, shift: TOLD - bits - more });
        self.nodes.len() - 1
    }

    /// The last range that begins at `until` or before, counted on from `range`, which does.
    fn begin_until(&self, range: usize, until: A) -> usize {
        range + self.ranges[range + 1..].iter().take_while(|next| next.first <= until).count()
    }

    fn classes(&self) -> RangeMap<A, u32> {
        let mut map = RangeMap::uniform(self.ranges[0].class);
        for range in &self.ranges[1..] {
            map.push(range.first, range.class);
        }
        map
    }

    fn row(&self, place: Place) -> (A, A) {
        let index = place.range;
        let next = self.ranges.get(index + 1).and_then(|next| next.first.previous());
        (self.ranges[index].first, next.unwrap_or(A::MAX))
    }

    #[inline(always)]
    fn find(&self, address: A) -> Place {
        let top = address.top();
        let mut at = (top >> self.shift) as usize;
        let range = loop {
            let block = self.blocks[at].0;
            let number = block as usize >> 2;
            match block & 3 {
                WHOLE => break number,
                NODE => {
                    let node = &self.nodes[number];
                    at = (node.first + ((top >> node.shift) as u32 & node.mask)) as usize;
                }
                what => break self.search(address, what, number),
            }
        };
        Place { class: self.ranges[range].class, range }
    }

    /// The range of an address in a block in which others begin; `range` is that of its first.
    #[inline(never)]
    fn search(&self, address: A, what: u32, range: usize) -> usize {
        let begins = |next: &Range<A>| next.first <= address;
        let others = &self.ranges[range + 1..];
        range
            + match what {
                PARTED => others.iter().take_while(|next| begins(next)).count(),
                _ => others.partition_point(begins),
            }
    }

    #[inline(always)]
    fn scope(&self, address: A, place: Place) -> u8 {
        let next = self.ranges.get(place.range + 1).map(|next| next.first);
        address.widest(self.ranges[place.range].first, next)
    }

    #[inline(always)]
    fn group_scope(&self, unions: &Unions<A>, address: A, place: Place) -> u8 {
        match unions {
            Unions::Ranges => self.scope(address, place),
            Unions::Several { of, starts } => {
                let index = of[place.range] as usize;
                address.widest(starts[index], starts.get(index + 1).copied())
            }
        }
    }
}

impl<A: Address> Unions<A> {
    fn new(ranges: &[Range<A>], group: &impl Fn(u32) -> u32) -> Unions<A> {
        let (mut of, mut starts) = (Vec::with_capacity(ranges.len()), Vec::new());
        let mut current = None;
        for range in ranges {
            let group = group(range.class);
            if current != Some(group) {
                current = Some(group);
                starts.push(range.first);
            }
            of.push(starts.len() as u32 - 1);
        }
        if starts.len() == ranges.len() { Unions::Ranges } else { Unions::Several { of, starts } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_force_scope(address: u32, same: impl Fn(u32) -> bool, step: u32) -> u8 {
        (0..=32)
            .find(|length| {
                let (first, last) = address.prefix(*length);
                let mut at = first;
                loop {
                    if !same(at) {
                        return false;
                    }
                    match at.checked_add(step) {
                        Some(next) if next <= last => at = next,
                        _ => return true,
                    }
                }
            })
            .expect("an address is the same as itself")
    }

    proptest! {
        #[test]
        fn finding_and_scopes_agree_with_brute_force(
            prefixes in prop::collection::vec((any::<u32>(), 0u8..=8, 0u32..3), 0..12),
            probes in prop::collection::vec(any::<u32>(), 1..20),
        ) {
            let map = RangeMap::from_prefixes(0, prefixes);
            let table = ClassTable::new(&map, &RangeMap::uniform(0));
            let groups = table.groups(|class| class / 2);
            for probe in probes {
                // Nothing in the map is narrower than a /8.
                let class_at = |at| *map.find(at).value;
                let address = IpAddr::V4(probe.into());
                let place = table.find(address);
                prop_assert_eq!(place.class, class_at(probe));
                let same = |at| class_at(at) == class_at(probe);
                prop_assert_eq!(table.class_scope(address, place), brute_force_scope(probe & 0xff00_0000, same, 1 << 24));
                let same = |at| class_at(at) / 2 == class_at(probe) / 2;
                prop_assert_eq!(table.group_scope(&groups, address, place), brute_force_scope(probe & 0xff00_0000, same, 1 << 24));
            }
        }
    }

    /// Many narrow prefixes near each other, as many as want blocks of their own, and addresses in
    /// and beside them: both are drawn from the same few places.
    fn crowded<A: Address + 'static>(
        address: fn(u8, u64) -> A,
    ) -> impl Strategy<Value = (Vec<(A, u8, u32)>, Vec<A>)> {
        let near = move |(place, low): (u8, u64)| address(place, low);
        let places = (0u8..3, 0u64..1 << 16);
        let lengths = (A::BITS / 2)..=A::BITS;
        let prefixes = prop::collection::vec((places.clone(), lengths, 0u32..4), 0..200);
        (prefixes, prop::collection::vec(places, 1..100)).prop_map(move |(prefixes, probes)| {
            let prefixes =
                prefixes.into_iter().map(|(at, length, class)| (near(at), length, class));
            (prefixes.collect(), probes.into_iter().map(near).collect())
        })
    }

    fn agrees<A: Indexed>(map: &RangeMap<A, u32>, probes: &[A]) -> Result<(), TestCaseError> {
        let family = Family::new(map);
        let edges = map.iter().flat_map(|range| [range.first, range.last]);
        for address in edges.chain(probes.iter().copied()) {
            let (place, range) = (family.find(address), map.find(address));
            prop_assert_eq!(place.class, *range.value);
            prop_assert_eq!(family.row(place), (range.first, range.last));
            let is_inside = |length: &u8| {
                let (first, last) = address.prefix(*length);
                first >= range.first && last <= range.last
            };
            let widest = (0..=A::BITS).find(is_inside);
            prop_assert_eq!(Some(family.scope(address, place)), widest);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn narrow_ranges_of_ipv4_are_found(
            (prefixes, probes) in crowded(|place, low| u32::from(place) << 30 | (low as u32) << 4),
        ) {
            agrees(&RangeMap::from_prefixes(0, prefixes), &probes)?;
        }

        #[test]
        fn narrow_ranges_of_ipv6_are_found(
            (prefixes, probes) in
                crowded(|place, low| u128::from(place) << 125 | u128::from(low) << 60),
        ) {
            agrees(&RangeMap::from_prefixes(0, prefixes), &probes)?;
        }
    }

    #[test]
    fn a_world_of_one_class_has_scope_zero_in_both_families() {
        let table = ClassTable::new(&RangeMap::uniform(4), &RangeMap::uniform(4));
        for address in ["192.0.2.1", "2001:db8::1", "::fffe:0:1"] {
            let address = address.parse().unwrap();
            assert_eq!(table.class_scope(address, table.find(address)), 0);
        }
    }

    #[test]
    fn no_ipv6_prefix_reaches_over_wrapped_clients_of_another_class() {
        let v4 = RangeMap::from_prefixes(0, [(10 << 24, 8, 1)]);
        let table = ClassTable::new(&v4, &RangeMap::uniform(0));
        let near: IpAddr = "2003::1".parse().unwrap();
        assert_eq!(table.class_scope(near, table.find(near)), 16);
        let alike = table.groups(|_| 0);
        assert_eq!(table.group_scope(&alike, near, table.find(near)), 0);
        let apart = table.groups(|class| class);
        assert_eq!(table.group_scope(&apart, near, table.find(near)), 16);
    }
}
