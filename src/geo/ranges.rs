//! A map from every address of a family to a value, as sorted ranges.

/// An address as an unsigned integer: `u32` for IPv4, `u128` for IPv6.
pub trait Address: Copy + Ord + std::fmt::Debug + std::hash::Hash {
    /// Bits of the family.
    const BITS: u8;
    /// The lowest address.
    const MIN: Self;
    /// The highest address.
    const MAX: Self;
    /// The next address, `None` after the last.
    fn next(self) -> Option<Self>;
    /// The address before, `None` before the first.
    fn previous(self) -> Option<Self>;
    /// The first and last address of the prefix of `length` bits around this address.
    fn prefix(self, length: u8) -> (Self, Self);
    /// How many leading bits two addresses share: 0 to [`Address::BITS`].
    fn common_bits(self, other: Self) -> u8;
}

macro_rules! address {
    ($integer:ty, $bits:literal) => {
        impl Address for $integer {
            const BITS: u8 = $bits;
            const MIN: Self = 0;
            const MAX: Self = <$integer>::MAX;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }

            fn prefix(self, length: u8) -> (Self, Self) {
                let host = <$integer>::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                (self & !host, self | host)
            }

            fn common_bits(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }
        }
    };
}

address!(u32, 32);
address!(u128, 128);

/// Every address of a family mapped to a value; neighbours with equal values are one range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RangeMap<A, V> {
    /// First addresses in rising order; the first is [`Address::MIN`].
    starts: Vec<A>,
    /// One for each start.
    values: Vec<V>,
}

/// One range of a [`RangeMap`]: first and last address, and the value between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<A, V> {
    /// The first address.
    pub first: A,
    /// The last address.
    pub last: A,
    /// What all of them map to.
    pub value: V,
}

impl<A: Address, V: PartialEq + Clone> RangeMap<A, V> {
    /// All addresses mapped to one value.
    pub fn uniform(value: V) -> RangeMap<A, V> {
        RangeMap { starts: vec![A::MIN], values: vec![value] }
    }

    /// Maps each prefix `(address, length, value)` to its value and all else to `default`. A
    /// longer prefix wins over one that contains it; of two equal ones the later wins.
    pub fn from_prefixes(
        default: V,
        prefixes: impl IntoIterator<Item = (A, u8, V)>,
    ) -> RangeMap<A, V> {
        let mut prefixes: Vec<(A, u8, V)> = prefixes.into_iter().collect();
        for prefix in &mut prefixes {
            prefix.0 = prefix.0.prefix(prefix.1).0;
        }
        // Stable, so that equal prefixes keep their order and the later covers the earlier.
        prefixes.sort_by_key(|(first, length, _)| (*first, *length));
        let mut map = RangeMap { starts: Vec::new(), values: Vec::new() };
        let mut open: Vec<(A, V)> = Vec::new(); // last address and value of each prefix around us
        map.push(A::MIN, default.clone());
        for (first, length, value) in prefixes {
            map.close(&mut open, &default, Some(first));
            let last = first.prefix(length).1;
            map.push(first, value.clone());
            open.push((last, value));
        }
        map.close(&mut open, &default, None);
        map
    }

    /// Ends the open prefixes that end before `until`, or all of them.
    fn close(&mut self, open: &mut Vec<(A, V)>, default: &V, until: Option<A>) {
        while let Some((last, _)) = open.last() {
            if until.is_some_and(|until| *last >= until) {
                break;
            }
            let after = last.next();
            open.pop();
            let outer = open.last().map_or(default, |(_, value)| value).clone();
            if let Some(after) = after {
                self.push(after, outer);
            }
        }
    }

    /// From `first` on, all addresses map to `value`. `first` must not lie before the last push.
    pub fn push(&mut self, first: A, value: V) {
        debug_assert!(self.starts.last().is_none_or(|last| *last <= first));
        if self.starts.last() == Some(&first) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(first);
            self.values.push(value);
        }
    }

    /// The range around an address.
    pub fn find(&self, address: A) -> Range<A, &V> {
        self.range(self.index(address))
    }

    /// Which range, counted from 0, an address lies in.
    pub fn index(&self, address: A) -> usize {
        self.starts.partition_point(|start| *start <= address) - 1
    }

    /// How many ranges there are: at least one.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// First addresses of the ranges, rising.
    pub fn starts(&self) -> &[A] {
        &self.starts
    }

    /// Values of the ranges, in the order of their addresses.
    pub fn values(&self) -> &[V] {
        &self.values
    }

    /// The ranges in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = Range<A, &V>> {
        (0..self.count()).map(|index| self.range(index))
    }

    /// The same ranges with each value replaced; neighbours that become equal merge.
    pub fn map<W: PartialEq + Clone>(&self, mut replace: impl FnMut(&V) -> W) -> RangeMap<A, W> {
        let mut map = RangeMap { starts: Vec::new(), values: Vec::new() };
        for (start, value) in self.starts.iter().zip(&self.values) {
            map.push(*start, replace(value));
        }
        map
    }

    /// The common refinement of two maps, each range valued by `join`.
    pub fn join<W: PartialEq + Clone, X: PartialEq + Clone>(
        &self,
        other: &RangeMap<A, W>,
        mut join: impl FnMut(&V, &W) -> X,
    ) -> RangeMap<A, X> {
        let mut map = RangeMap { starts: Vec::new(), values: Vec::new() };
        let (mut i, mut j) = (0, 0);
        loop {
            let first = self.starts[i].max(other.starts[j]);
            map.push(first, join(&self.values[i], &other.values[j]));
            let (left, right) = (self.starts.get(i + 1), other.starts.get(j + 1));
            match (left, right) {
                (None, None) => return map,
                (Some(l), Some(r)) if l == r => (i, j) = (i + 1, j + 1),
                (Some(l), Some(r)) if l > r => j += 1,
                (None, Some(_)) => j += 1,
                (Some(_), _) => i += 1,
            }
        }
    }

    fn range(&self, index: usize) -> Range<A, &V> {
        let last = self.starts.get(index + 1).and_then(|next| next.previous()).unwrap_or(A::MAX);
        Range { first: self.starts[index], last, value: &self.values[index] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten(b: u32, c: u32) -> u32 {
        10 << 24 | b << 16 | c << 8
    }

    #[test]
    fn a_longer_prefix_wins_over_the_one_around_it() {
        let map = RangeMap::from_prefixes(
            'x',
            [
                (ten(1, 0), 16, 'b'),
                (ten(0, 0), 8, 'a'),
                (ten(1, 128), 24, 'a'),
                (ten(1, 0), 24, 'c'),
            ],
        );
        let seen: Vec<(u32, char)> = map.iter().map(|r| (r.first, *r.value)).collect();
        assert_eq!(
            seen,
            [
                (0, 'x'),
                (ten(0, 0), 'a'),
                (ten(1, 0), 'c'),
                (ten(1, 1), 'b'),
                (ten(1, 128), 'a'),
                (ten(1, 129), 'b'),
                (ten(2, 0), 'a'),
                (11 << 24, 'x'),
            ]
        );
    }

    #[test]
    fn equal_neighbours_are_one_range_up_to_the_last_address() {
        let map = RangeMap::from_prefixes(0, [(0u32, 1, 7), (1 << 31, 1, 7)]);
        assert_eq!(map.find(5), Range { first: 0, last: u32::MAX, value: &7 });
        let of_two = RangeMap::from_prefixes(0, [(u128::MAX, 128, 7)]);
        assert_eq!(of_two.find(u128::MAX).first, u128::MAX);
        assert_eq!(of_two.find(u128::MAX - 1).last, u128::MAX - 1);
    }

    #[test]
    fn of_two_equal_prefixes_the_later_wins() {
        let map = RangeMap::from_prefixes(0, [(ten(0, 0), 8, 1), (ten(0, 0), 8, 2)]);
        assert_eq!(map.find(ten(3, 3)).value, &2);
        assert_eq!(map.count(), 3);
    }

    #[test]
    fn joining_refines_both() {
        let left = RangeMap::from_prefixes(0, [(ten(0, 0), 8, 1)]);
        let right = RangeMap::from_prefixes(0, [(ten(5, 0), 16, 1), (ten(6, 0), 16, 2)]);
        let both = left.join(&right, |l, r| (*l, *r));
        for address in [0, ten(0, 0), ten(5, 9), ten(6, 0), ten(7, 0), u32::MAX] {
            let expected = (*left.find(address).value, *right.find(address).value);
            assert_eq!(both.find(address).value, &expected);
        }
        assert_eq!(both.map(|_| ()).count(), 1);
    }
}
