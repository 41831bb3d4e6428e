//! The operator's own networks: what the configuration says of a prefix, over every database.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::address::unwrap;
use super::finding::Finding;
use super::location::Location;
use super::ranges::RangeMap;

/// One prefix and the fields the operator names for it.
///
/// A network that names a country (a subdivision names its country too) settles the place: what
/// it leaves out comes from the country table, and databases add only the ASN. Without a country
/// databases fill in every field left out. Of networks inside each other the longest speaks
/// first and the wider ones fill in by the same rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The clients it speaks of. A prefix inside `::ffff:0:0/96`, `64:ff9b::/96` or `2002::/16`
    /// speaks of the IPv4 addresses inside.
    pub prefix: IpNet,
    /// The fields the operator names; the others are empty.
    pub location: Location,
}

impl Network {
    /// The prefix its clients are looked up by, after unwrapping.
    pub(super) fn looked_up_prefix(&self) -> IpNet {
        let unwrapped = unwrap(self.prefix.network());
        match unwrapped.address {
            IpAddr::V4(inner)
                if unwrapped.offset > 0 && self.prefix.prefix_len() >= unwrapped.offset =>
            {
                let length = (self.prefix.prefix_len() - unwrapped.offset).min(32);
                IpNet::V4(Ipv4Net::new_assert(inner, length).trunc())
            }
            _ => self.prefix.trunc(),
        }
    }

    /// What it says as a source.
    pub(super) fn finding(&self) -> Finding {
        let mut location = self.location.clone();
        if location.country.is_none() {
            location.country = location
                .subdivision
                .as_deref()
                .and_then(|code| code.get(..2))
                .and_then(|country| country.parse().ok());
        }
        Finding { settled: location.country.is_some(), location, anycast: false }
    }
}

/// What the networks say of every address: an index into the findings; 0 is nothing.
pub(super) struct NetworkMap {
    pub(super) findings: Vec<Finding>,
    pub(super) v4: RangeMap<u32, u32>,
    pub(super) v6: RangeMap<u128, u32>,
}

/// Merges networks that lie inside each other. Of two equal prefixes the later wins.
pub(super) fn compile(networks: &[Network]) -> NetworkMap {
    let mut sorted: Vec<(IpNet, &Network)> =
        networks.iter().map(|network| (network.looked_up_prefix(), network)).collect();
    // Stable: the wider before the longer inside it, equal ones in the order of the file.
    sorted.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));

    let mut findings = vec![Finding::default()];
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let mut around: Vec<(IpNet, u32)> = Vec::new();
    for (prefix, network) in sorted {
        while around.last().is_some_and(|(outer, _)| *outer == prefix || !outer.contains(&prefix)) {
            around.pop();
        }
        let mut finding = network.finding();
        if let Some((_, outer)) = around.last() {
            finding.complete(&findings[*outer as usize]);
        }
        let index = findings.len() as u32;
        findings.push(finding);
        around.push((prefix, index));
        match prefix {
            IpNet::V4(prefix) => {
                v4.push((prefix.network().to_bits(), prefix.prefix_len(), index));
            }
            IpNet::V6(prefix) => {
                v6.push((prefix.network().to_bits(), prefix.prefix_len(), index));
            }
        }
    }
    NetworkMap { findings, v4: RangeMap::from_prefixes(0, v4), v6: RangeMap::from_prefixes(0, v6) }
}

/// The network that speaks first for an address, and the wider ones around it, longest first.
pub(super) fn around(networks: &[Network], address: IpAddr) -> Vec<&Network> {
    let mut found: Vec<(u8, usize)> = networks
        .iter()
        .enumerate()
        .map(|(index, network)| (index, network.looked_up_prefix()))
        .filter(|(_, prefix)| prefix.contains(&address))
        .map(|(index, prefix)| (prefix.prefix_len(), index))
        .collect();
    found.sort();
    // Of equal prefixes only the last speaks.
    let mut lengths = u8::MAX;
    let mut longest_first = Vec::new();
    for (length, index) in found.into_iter().rev() {
        if length != lengths {
            longest_first.push(&networks[index]);
        }
        lengths = length;
    }
    longest_first
}
