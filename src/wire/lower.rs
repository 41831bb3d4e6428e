//! A reused buffer with a name in lower case: what a lookup asks for.

use std::fmt;

use super::name::MAX_NAME;
use super::{Malformed, Name};

/// The most labels a name has, the root not counted.
pub const MAX_LABELS: usize = 127;

/// A name in lower case with the places of its labels, in memory that is used again for the
/// next one.
#[derive(Clone)]
pub struct LowerName {
    octets: [u8; 256],
    len: u8,
    labels: u8,
    /// Where each label's length octet stands, the root's too.
    starts: [u8; 128],
}

impl LowerName {
    /// The root.
    pub fn new() -> LowerName {
        LowerName { octets: [0; 256], len: 1, labels: 0, starts: [0; 128] }
    }

    /// Takes the uncompressed name at `at` of `message` and says where it ends. On an error the
    /// buffer holds the root.
    #[inline]
    pub fn read(&mut self, message: &[u8], at: usize) -> Result<usize, Malformed> {
        let rest = message.get(at..).unwrap_or(&[]);
        // What is longer than a name runs out here, and so 127 labels are never exceeded.
        let rest = rest.get(..MAX_NAME).unwrap_or(rest);
        let (mut end, mut labels) = (0, 0_usize);
        let last = loop {
            let Some(&length) = rest.get(end) else {
                return Err(self.clear());
            };
            self.starts[labels & MAX_LABELS] = end as u8;
            end += 1;
            // One comparison for the root and for what is too long.
            if length.wrapping_sub(1) >= 63 {
                break length;
            }
            labels += 1;
            end += usize::from(length);
        };
        if last != 0 {
            return Err(self.clear());
        }
        let name = &rest[..end];
        copy_lower(name, &mut self.octets[..name.len()]);
        self.len = name.len() as u8;
        self.labels = labels as u8;
        Ok(at + end)
    }

    /// Takes a name.
    pub fn set(&mut self, name: &Name) {
        // A `Name` is always one well-formed name.
        let _end = self.read(name.as_wire(), 0);
    }

    /// Takes `front`, labels in wire form without a root, and `suffix`, a name in wire form. An
    /// error, with nothing changed, when together they are no name of at most 255 octets.
    pub fn join(&mut self, front: &[u8], suffix: &[u8]) -> Result<(), Malformed> {
        let mut whole = [0_u8; MAX_NAME];
        let len = front.len() + suffix.len();
        let target = whole.get_mut(..len).ok_or(Malformed)?;
        target[..front.len()].copy_from_slice(front);
        target[front.len()..].copy_from_slice(suffix);
        let mut joined = LowerName::new();
        match joined.read(target, 0) {
            Ok(end) if end == len => {
                *self = joined;
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// The octets, root label included: 1 to 255.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// How many labels it has, the root not counted.
    #[inline]
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// Where the name begins that is left without the first `without` labels; at most
    /// [`LowerName::labels`], which leaves the root.
    #[inline]
    pub fn start(&self, without: usize) -> usize {
        usize::from(self.starts[without & 127])
    }

    /// The name without its first `without` labels.
    #[inline]
    pub fn suffix(&self, without: usize) -> &[u8] {
        self.as_wire().get(self.start(without)..).unwrap_or(&[])
    }

    /// The first `count` labels, in wire form without a root.
    #[inline]
    pub fn prefix(&self, count: usize) -> &[u8] {
        self.as_wire().get(..self.start(count)).unwrap_or(&[])
    }

    /// The label number `index` from the left with its length octet in front.
    #[inline]
    pub fn label(&self, index: usize) -> &[u8] {
        self.as_wire().get(self.start(index)..self.start(index + 1)).unwrap_or(&[])
    }

    #[cold]
    fn clear(&mut self) -> Malformed {
        self.octets[0] = 0;
        self.starts[0] = 0;
        self.len = 1;
        self.labels = 0;
        Malformed
    }
}

/// Copies a name in lower case; both slices are equally long.
///
/// Length octets are at most 63 and so never in A to Z: labels do not matter. Sixteen octets at a
/// time take a few instructions, the last sixteen again where they overlap.
#[inline]
fn copy_lower(name: &[u8], lower: &mut [u8]) {
    for (from, to) in name.as_chunks::<16>().0.iter().zip(lower.as_chunks_mut::<16>().0) {
        *to = *from;
        to.make_ascii_lowercase();
    }
    match (name.last_chunk::<16>(), lower.last_chunk_mut::<16>()) {
        (Some(from), Some(to)) => {
            *to = *from;
            to.make_ascii_lowercase();
        }
        _ => {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
        }
    }
}

/// Whether a name in any case is the one that `lower` has in lower case.
///
/// As `copy_lower` goes, sixteen octets at a time: thirty instructions for a name of 23 octets
/// that needs no copy, where a copy and a comparison by the C library took ninety.
#[inline(always)]
pub fn is_in_any_case(name: &[u8], lower: &[u8]) -> bool {
    if name.len() != lower.len() {
        return false;
    }
    if name.len() < 16 {
        return ends_are_in_any_case::<8>(name, lower)
            .unwrap_or_else(|| name.eq_ignore_ascii_case(lower));
    }
    let are_ends = ends_are_in_any_case::<16>(name, lower).unwrap_or(false);
    // The ends of what is longer leave out its middle.
    are_ends && (name.len() <= 32 || name.eq_ignore_ascii_case(lower))
}

/// Whether the first and the last `N` octets are the same in any case; `None` when there are less.
#[inline(always)]
fn ends_are_in_any_case<const N: usize>(name: &[u8], lower: &[u8]) -> Option<bool> {
    Some(
        is_chunk_in_any_case::<N>(name.first_chunk()?, lower.first_chunk()?)
            && is_chunk_in_any_case::<N>(name.last_chunk()?, lower.last_chunk()?),
    )
}

#[inline(always)]
fn is_chunk_in_any_case<const N: usize>(chunk: &[u8; N], lower: &[u8; N]) -> bool {
    let mut differs = 0;
    for (octet, lower) in chunk.iter().zip(lower) {
        differs |= octet.to_ascii_lowercase() ^ lower;
    }
    differs == 0
}

impl Default for LowerName {
    fn default() -> LowerName {
        LowerName::new()
    }
}

impl fmt::Debug for LowerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Name::from_wire(self.as_wire()) {
            Ok(name) => fmt::Display::fmt(&name, f),
            Err(error) => fmt::Display::fmt(&error, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lowered_and_cut_into_labels() {
        let mut name = LowerName::new();
        assert_eq!(name.read(b"xx\x03WwW\x02eX\x00rest", 2), Ok(10));
        assert_eq!(name.as_wire(), b"\x03www\x02ex\x00");
        assert_eq!(name.labels(), 2);
        assert_eq!(name.suffix(1), b"\x02ex\x00");
        assert_eq!(name.suffix(2), b"\x00");
        assert_eq!(name.label(0), b"\x03www");
        assert_eq!(name.label(1), b"\x02ex");
    }

    #[test]
    fn pointers_long_labels_and_ends_are_malformed() {
        let mut name = LowerName::new();
        for octets in [&b"\xc0\x0c"[..], b"\x40", b"\x01a", b"\x05ab\x00", b""] {
            assert_eq!(name.read(octets, 0), Err(Malformed), "{octets:?}");
            assert_eq!(name.as_wire(), b"\x00");
        }
    }

    #[test]
    fn the_longest_name_is_taken_and_one_octet_more_is_not() {
        let mut longest = b"\x01a".repeat(127);
        longest.push(0);
        let mut name = LowerName::new();
        assert_eq!(name.read(&longest, 0), Ok(255));
        assert_eq!(name.labels(), 127);
        assert_eq!(name.suffix(127), b"\x00");
        let mut longer = b"\x02ab".to_vec();
        longer.extend(b"\x01a".repeat(126));
        longer.push(0);
        assert_eq!(longer.len(), 256);
        assert_eq!(name.read(&longer, 0), Err(Malformed));
    }

    #[test]
    fn labels_and_a_suffix_are_joined_where_they_fit() {
        let mut name = LowerName::new();
        let suffix: Name = "New.test.".parse().unwrap();
        assert_eq!(name.join(b"\x01A\x01b", suffix.as_wire()), Ok(()));
        assert_eq!(format!("{name:?}"), "a.b.new.test.");
        let long = format!("\x3c{}", "x".repeat(60)).repeat(4);
        assert_eq!(name.join(long.as_bytes(), suffix.as_wire()), Ok(()));
        let long = format!("{long}\x02xx");
        assert_eq!(name.join(long.as_bytes(), suffix.as_wire()), Err(Malformed));
        assert_eq!(name.join(b"\x01a\x00", suffix.as_wire()), Err(Malformed));
    }
}
