//! Who is never limited.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::geo::RangeMap;

/// Networks whose clients are never limited.
#[derive(Debug, Clone)]
pub struct Exempt {
    v4: RangeMap<u32, bool>,
    v6: RangeMap<u128, bool>,
}

impl Exempt {
    /// These networks; `None` when there are none.
    pub fn new(networks: &[IpNet]) -> Option<Exempt> {
        if networks.is_empty() {
            return None;
        }
        let v4 = networks.iter().filter_map(|network| match network {
            IpNet::V4(network) => Some((network.network().into(), network.prefix_len(), true)),
            IpNet::V6(_) => None,
        });
        let v6 = networks.iter().filter_map(|network| match network {
            IpNet::V6(network) => Some((network.network().into(), network.prefix_len(), true)),
            IpNet::V4(_) => None,
        });
        Some(Exempt {
            v4: RangeMap::from_prefixes(false, v4),
            v6: RangeMap::from_prefixes(false, v6),
        })
    }

    /// Whether the sender of a packet is in one of them.
    #[inline]
    pub(in crate::engine) fn contains(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(address) => *self.v4.find(address.into()).value,
            IpAddr::V6(address) => *self.v6.find(address.into()).value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families_are_known_to_their_last_address() {
        let networks = ["192.0.2.0/25", "192.0.2.64/26", "198.51.100.7/32", "2001:db8::/48"];
        let exempt = Exempt::new(&networks.map(|text| text.parse().unwrap())).unwrap();
        let contains = |text: &str| exempt.contains(text.parse().unwrap());
        for inside in ["192.0.2.0", "192.0.2.127", "198.51.100.7", "2001:db8:0:ffff::1"] {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["192.0.2.128", "192.0.1.255", "198.51.100.8", "2001:db8:1::", "::"] {
            assert!(!contains(outside), "{outside}");
        }
        assert!(Exempt::new(&[]).is_none());
    }
}
