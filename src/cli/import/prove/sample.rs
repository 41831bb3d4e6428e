//! Clients that are asked for: of every place that the databases know, and of every network that
//! the old system tells apart. The same for the same seed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Sample;
use crate::geo::{Address, Atlas, LocationId, RangeMap};
use crate::steering::spread::mix;

/// Addresses, spread over all places.
pub(super) fn clients(atlas: &Atlas, networks: &[IpNet], sample: &Sample) -> Vec<IpAddr> {
    let mut draw = Draw(sample.seed);
    let mut found: Vec<IpAddr> = Vec::new();
    for network in networks {
        let address = within(*network, &mut draw);
        if found.len() < sample.clients && !found.contains(&address) {
            found.push(address);
        }
    }
    let v4 = places(atlas, atlas.v4());
    let v6 = places(atlas, atlas.v6());
    let mut turn = 0;
    // Each place once in each family, then each again, until there are enough.
    while found.len() < sample.clients && !(v4.is_empty() && v6.is_empty()) {
        for ranges in v4.values() {
            let (first, last) = ranges[draw.below(ranges.len() as u128) as usize];
            found.push(
                Ipv4Addr::from_bits(first + draw.below((last - first) as u128 + 1) as u32).into(),
            );
        }
        for ranges in v6.values() {
            let (first, last) = ranges[draw.below(ranges.len() as u128) as usize];
            let offset = draw.below((last - first).saturating_add(1));
            found.push(Ipv6Addr::from_bits(first + offset).into());
        }
        turn += 1;
        if turn > sample.clients {
            break;
        }
    }
    found.truncate(sample.clients);
    found
}

/// The ranges of each country or part of one.
fn places<A: Address>(
    atlas: &Atlas,
    map: &RangeMap<A, LocationId>,
) -> BTreeMap<String, Vec<(A, A)>> {
    let mut places: BTreeMap<String, Vec<(A, A)>> = BTreeMap::new();
    for range in map.iter() {
        let location = atlas.location(*range.value);
        let place = match (&location.subdivision, location.country) {
            (Some(subdivision), _) => subdivision.to_string(),
            (None, Some(country)) => country.to_string(),
            (None, None) => String::new(),
        };
        places.entry(place).or_default().push((range.first, range.last));
    }
    places
}

fn within(network: IpNet, draw: &mut Draw) -> IpAddr {
    match network {
        IpNet::V4(net) => {
            let size = 1u128 << (32 - net.prefix_len());
            Ipv4Addr::from_bits(net.network().to_bits() + draw.below(size) as u32).into()
        }
        IpNet::V6(net) => {
            let mask = u128::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0);
            let random = u128::from(draw.next()) << 64 | u128::from(draw.next());
            Ipv6Addr::from_bits(net.network().to_bits() | (random & mask)).into()
        }
    }
}

/// Numbers from a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// Below a bound that is not 0.
    fn below(&mut self, bound: u128) -> u128 {
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        random % bound
    }
}
