//! Names in canonical order (RFC 4034 section 6.1), for tables that find the one before.
//!
//! A name's key is its labels from the last to the first, each with an octet 0 behind it, so that
//! keys compare as octets do and the key of a name begins with those of the names above it. Knot
//! DNS has the same ("lookup format"). Labels that hold an octet 0 would need an escape; host names
//! need none.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;

use meridian::wire::Name;

use crate::names::ABOVE;

/// Memory for one key, used again for the next.
pub(crate) struct Buffer(RefCell<[u8; 256]>);

impl Buffer {
    pub(crate) fn new() -> Buffer {
        Buffer(RefCell::new([0; 256]))
    }

    /// What `then` makes of the key of a name in wire form and lower case.
    #[inline(always)]
    pub(crate) fn key<T>(&self, name: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
        let buffer = &mut self.0.borrow_mut();
        let key = &mut buffer[..name.len() - 1];
        let mut rest = name;
        let mut end = key.len();
        while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, after) = after.split_at(length.into());
            let place = &mut key[end - 1 - label.len()..end];
            place[..label.len()].copy_from_slice(label);
            place[label.len()] = 0;
            end -= 1 + label.len();
            rest = after;
        }
        then(key)
    }
}

/// How many labels two keys have in common.
fn labels_in_common(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).take_while(|(a, b)| a == b).filter(|(a, _)| **a == 0).count() as u8
}

/// For each name how many labels it has, and the name one label above.
pub(crate) struct Ancestry {
    labels: Vec<u8>,
    parents: Vec<u32>,
}

impl Ancestry {
    pub(crate) fn new(names: &[Name]) -> Ancestry {
        let numbers: HashMap<&[u8], u32> = names.iter().map(Name::as_wire).zip(0..).collect();
        let above = |name: &Name| {
            let name = name.as_wire();
            // The root is below nothing.
            name.get(1 + usize::from(name[0])..).and_then(|above| numbers.get(above).copied())
        };
        Ancestry {
            labels: names.iter().map(|name| name.label_count() as u8).collect(),
            parents: names.iter().map(|name| above(name).unwrap_or(u32::MAX)).collect(),
        }
    }

    /// What `key` asks for, where `near` is a name that shares as many labels with it as any: the
    /// name itself, or the closest one above.
    #[inline(always)]
    pub(crate) fn closest(&self, key: &[u8], near: u32, near_key: &[u8]) -> u32 {
        if near_key == key {
            return near;
        }
        let mut node = near;
        for _ in labels_in_common(key, near_key)..self.labels[near as usize] {
            node = self.parents[node as usize];
        }
        node | ABOVE
    }
}

/// Keys and numbers of names, in the order of the keys.
pub(crate) fn keys(names: &[Name]) -> Vec<(Box<[u8]>, u32)> {
    let buffer = Buffer::new();
    let key = |name: &Name| buffer.key(name.as_wire(), |key| key.into());
    let mut keys: Vec<(Box<[u8]>, u32)> = names.iter().map(key).zip(0..).collect();
    keys.sort();
    keys
}

/// Keys one behind the other, in order.
pub(crate) struct Sorted {
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    at: u32,
    len: u8,
    node: u32,
}

impl Sorted {
    pub(crate) fn new(keys: &[(Box<[u8]>, u32)]) -> Sorted {
        let octets = Vec::with_capacity(keys.iter().map(|(key, _)| key.len()).sum());
        let mut sorted = Sorted { octets, entries: Vec::with_capacity(keys.len()) };
        for (key, node) in keys {
            let (at, len) = (sorted.octets.len() as u32, key.len() as u8);
            sorted.octets.extend_from_slice(key);
            sorted.entries.push(Entry { at, len, node: *node });
        }
        sorted
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.octets[entry.at as usize..][..entry.len.into()]
    }

    /// The last that is not behind `key`, or the first.
    pub(crate) fn before(&self, key: &[u8]) -> (u32, &[u8]) {
        let behind =
            self.entries.partition_point(|entry| self.key(entry).cmp(key) != Ordering::Greater);
        let entry = &self.entries[behind.saturating_sub(1)];
        (entry.node, self.key(entry))
    }
}
