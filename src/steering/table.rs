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

/// One family's ranges under a root.
///
/// Of what `benches/tables` holds against it the simplest that keeps an answer to an IPv4 client
/// within its 600 instructions: class and scope take 53 to 76, and 206 to 233 without the root. A
/// poptrie takes 35 to 44, and where lookups wait for each other 78 ns in place of 117 among a
/// million ranges; but it knows no ends, and needs leaves of its own for each kind of scope. For
/// IPv6 the root is no help, 299 to 314 instructions. All figures are in docs/performance.md,
/// "Tables compared".
#[derive(Debug)]
struct Family<A> {
    /// From each first address to the next one's; the first is [`Address::MIN`].
    ranges: Vec<Range<A>>,
    /// The range at which each value of the leading bits starts: narrows the search.
    root: Vec<u32>,
    /// How far an address is shifted down to index `root`.
    shift: u8,
}

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

/// Most leading bits the root indexes: 65,536 entries, 256 KiB.
const ROOT_BITS: u8 = 16;

/// An address whose leading bits can index a root.
trait Indexed: Address {
    fn leading(self, shift: u8) -> usize;

    /// The length of the widest prefix around the address that begins at or after `first` and ends
    /// before `next`.
    fn widest(self, first: Self, next: Option<Self>) -> u8;
}

impl Indexed for u32 {
    #[inline]
    fn leading(self, shift: u8) -> usize {
        (u64::from(self) >> shift) as usize
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
    #[inline]
    fn leading(self, shift: u8) -> usize {
        ((self >> 64) as u64).checked_shr(u32::from(shift) - 64).unwrap_or(0) as usize
    }

    #[inline]
    fn widest(self, first: u128, next: Option<u128>) -> u8 {
        let below = first.previous().map_or(0, |outside| self.common_bits(outside) + 1);
        let above = next.map_or(0, |outside| self.common_bits(outside) + 1);
        below.max(above)
    }
}

impl<A: Indexed> Family<A> {
    fn new(map: &RangeMap<A, u32>) -> Family<A> {
        let ranges: Vec<Range<A>> =
            map.iter().map(|range| Range { first: range.first, class: *range.value }).collect();
        // About as many entries as ranges: a small table needs no large root.
        let bits = ranges.len().ilog2().min(u32::from(ROOT_BITS)) as u8;
        let shift = A::BITS - bits;
        let mut root = Vec::with_capacity((1 << bits) + 1);
        let mut range = 0;
        for leading in 0..1usize << bits {
            while ranges.get(range + 1).is_some_and(|next| next.first.leading(shift) < leading) {
                range += 1;
            }
            root.push(range as u32);
        }
        root.push(ranges.len() as u32 - 1);
        Family { ranges, root, shift }
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
        let leading = address.leading(self.shift);
        // The last range that starts before the addresses of this leading value, and the last that
        // starts among them.
        // Asked for in this order, one comparison tells that there are both.
        let last = self.root[leading + 1] as usize;
        let low = self.root[leading] as usize;
        let range = if low == last { low } else { self.search(address, low, last) };
        Place { class: self.ranges[range].class, range }
    }

    /// The range of an address that is in one of `low` to `last`.
    #[inline(never)]
    fn search(&self, address: A, low: usize, last: usize) -> usize {
        low + self.ranges[low..=last].partition_point(|range| range.first <= address) - 1
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
