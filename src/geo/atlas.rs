//! Everything known of every address, compiled: databases and networks merged at load.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::address::{WRAPPED, unwrap};
use super::database::{Database, Info};
use super::finding::Finding;
use super::location::{Location, LocationId};
use super::network::{self, Network};
use super::ranges::{Address, RangeMap};

/// From any address to its location. Immutable; the databases are not needed any more.
#[derive(Debug, Clone)]
pub struct Atlas {
    /// Distinct; the first is the empty location.
    locations: Vec<Location>,
    v4: RangeMap<u32, LocationId>,
    v6: RangeMap<u128, LocationId>,
    databases: Vec<Info>,
}

impl Default for Atlas {
    /// No client is located.
    fn default() -> Atlas {
        Atlas::compile(&[], &[])
    }
}

impl Atlas {
    /// Merges field by field: networks before databases, databases in their order, and what is
    /// still missing from the country table. Sources are merged as [`Network`] says; a database
    /// that puts an address into another country than an earlier one adds only the ASN.
    pub fn compile(databases: &[Database], networks: &[Network]) -> Atlas {
        let own = network::compile(networks);
        let mut merge = Merge::new(own.findings);
        let (mut v4, mut v6) = (own.v4, own.v6);
        for database in databases {
            merge.next_source(database.findings());
            v4 = v4.join(database.v4(), |upper, lower| merge.index(*upper, *lower));
            v6 = v6.join(database.v6(), |upper, lower| merge.index(*upper, *lower));
        }

        let mut locations = Interner::default();
        locations.index(Location::default());
        let ids: Vec<LocationId> = merge
            .findings
            .into_iter()
            .map(|finding| LocationId(locations.index(finding.finish())))
            .collect();
        let wrapped = RangeMap::from_prefixes(
            false,
            WRAPPED.map(|(first, last)| (first, first.common_bits(last), true)),
        );
        Atlas {
            v4: v4.map(|finding| ids[*finding as usize]),
            v6: v6.join(
                &wrapped,
                |finding, wrapped| {
                    if *wrapped { LocationId(0) } else { ids[*finding as usize] }
                },
            ),
            locations: locations.values,
            databases: databases.iter().map(|database| database.info().clone()).collect(),
        }
    }

    /// Where an address is, by the IPv4 address inside where there is one. `LocationId(0)` when
    /// nothing is known.
    pub fn locate(&self, address: IpAddr) -> LocationId {
        match unwrap(address).address {
            IpAddr::V4(address) => *self.v4.find(address.to_bits()).value,
            IpAddr::V6(address) => *self.v6.find(address.to_bits()).value,
        }
    }

    /// The location an id of this atlas stands for.
    pub fn location(&self, id: LocationId) -> &Location {
        &self.locations[id.0 as usize]
    }

    /// All distinct locations, by id.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// Every IPv4 address.
    pub fn v4(&self) -> &RangeMap<u32, LocationId> {
        &self.v4
    }

    /// Every IPv6 address. Those with an IPv4 address inside are unknown here: their clients are
    /// looked up by it ([`unwrap`]). At `::/96` only operator networks speak.
    pub fn v6(&self) -> &RangeMap<u128, LocationId> {
        &self.v6
    }

    /// The facts of the databases it was compiled from.
    pub fn databases(&self) -> &[Info] {
        &self.databases
    }
}

/// Findings of the sources so far, and how each combines with a finding of the next one.
struct Merge<'a> {
    findings: Vec<Finding>,
    indices: HashMap<Finding, u32, RandomState>,
    next: &'a [Finding],
    pairs: HashMap<(u32, u32), u32, RandomState>,
}

impl<'a> Merge<'a> {
    fn new(findings: Vec<Finding>) -> Merge<'a> {
        let indices = findings.iter().cloned().zip(0..).collect();
        Merge { findings, indices, next: &[], pairs: HashMap::default() }
    }

    fn next_source(&mut self, findings: &'a [Finding]) {
        self.next = findings;
        self.pairs.clear();
    }

    fn index(&mut self, upper: u32, lower: u32) -> u32 {
        // The first finding of every source says nothing.
        if lower == 0 {
            return upper;
        }
        *self.pairs.entry((upper, lower)).or_insert_with(|| {
            let mut finding = self.findings[upper as usize].clone();
            finding.complete(&self.next[lower as usize]);
            *self.indices.entry(finding).or_insert_with_key(|finding| {
                self.findings.push(finding.clone());
                self.findings.len() as u32 - 1
            })
        })
    }
}

/// Numbers distinct values in the order they come.
struct Interner<T> {
    values: Vec<T>,
    indices: HashMap<T, u32, RandomState>,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner { values: Vec::new(), indices: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn index(&mut self, value: T) -> u32 {
        *self.indices.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() as u32 - 1
        })
    }
}
