//! Who asks: addresses that are located, and how often each network or name is asked for.

use meridian::geo::{LocationId, RangeMap};

use crate::message::Random;
use crate::poptrie::Bits;

/// So many questions of each kind: more than what caches of a core hold of the larger tables.
pub(crate) const QUESTIONS: usize = 1 << 18;

/// So many networks share the clients that Zipf's law distributes.
const NETWORKS: usize = 1 << 20;

/// Addresses that the database has a place for: of IPv4 all equally likely; of IPv6 all ranges of
/// one place, and in each all addresses. By addresses a few IPv6 ranges would be nearly everything.
pub(crate) struct Located<A> {
    /// What stands before each range, first addresses and last ones.
    ranges: Vec<(u128, A, A)>,
    count: u128,
}

impl<A: Bits> Located<A> {
    pub(crate) fn new(map: &RangeMap<A, LocationId>) -> Located<A> {
        let mut located = Located { ranges: Vec::new(), count: 0 };
        for range in map.iter().filter(|range| range.value.0 != 0) {
            located.ranges.push((located.count, range.first, range.last));
            located.count += if A::BITS == 32 { size(range.first, range.last) } else { 1 };
        }
        located
    }

    fn draw(&self, random: &mut Random) -> A {
        let at = u128::from(random.next()) % self.count;
        let index = self.ranges.partition_point(|(before, ..)| *before <= at) - 1;
        let (_, first, last) = self.ranges[index];
        within(first, last, random)
    }

    pub(crate) fn uniform(&self) -> Vec<A> {
        let mut random = Random::new();
        (0..QUESTIONS).map(|_| self.draw(&mut random)).collect()
    }

    /// Networks of so many bits, drawn as `uniform` draws addresses, and in them any address.
    pub(crate) fn zipf(&self, length: u8) -> Vec<A> {
        let mut random = Random::new();
        let networks: Vec<A> = (0..NETWORKS).map(|_| self.draw(&mut random)).collect();
        let mut client = || {
            let (first, last) = networks[zipf(NETWORKS, &mut random)].prefix(length);
            within(first, last, &mut random)
        };
        (0..QUESTIONS).map(|_| client()).collect()
    }
}

/// Any address from `first` to `last`.
fn within<A: Bits>(first: A, last: A, random: &mut Random) -> A {
    let drawn = u128::from(random.next()) << 64 | u128::from(random.next());
    match size(first, last) {
        0 => A::of(drawn),
        size => A::of(first.number() + drawn % size),
    }
}

/// How many addresses there are from `first` to `last`; 0 stands for 2^128.
fn size<A: Bits>(first: A, last: A) -> u128 {
    (last.number() - first.number()).wrapping_add(1)
}

/// One of `count` things, the first the most likely, by Zipf's law with an exponent of 1: by the
/// inverse of its distribution, with a logarithm in place of the harmonic series.
pub(crate) fn zipf(count: usize, random: &mut Random) -> usize {
    let uniform = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let rank = ((count + 1) as f64).powf(uniform) as usize;
    rank.clamp(1, count) - 1
}
