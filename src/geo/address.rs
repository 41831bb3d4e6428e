//! The address a client is looked up by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A client's address with what wraps it taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwrapped {
    /// The address to look up: the IPv4 address inside, or the address as it came.
    pub address: IpAddr,
    /// How many bits of the outer address stand before the inner one: 0, 16 or 96.
    pub offset: u8,
}

/// Takes an IPv4 address out of `::ffff:0:0/96` (RFC 4291), `64:ff9b::/96` (RFC 6052) and
/// `2002::/16` (RFC 3056); every other address stays as it is.
#[inline(always)]
pub fn unwrap(address: IpAddr) -> Unwrapped {
    match address {
        IpAddr::V4(_) => Unwrapped { address, offset: 0 },
        IpAddr::V6(outer) => unwrap_v6(outer),
    }
}

#[inline(always)]
fn unwrap_v6(outer: Ipv6Addr) -> Unwrapped {
    let bits = outer.to_bits();
    if bits >> 32 == 0xffff || bits >> 32 == 0x0064_ff9b_0000_0000_0000_0000 {
        return inner(bits as u32, 96);
    }
    if bits >> 112 == 0x2002 {
        return inner((bits >> 80) as u32, 16);
    }
    Unwrapped { address: IpAddr::V6(outer), offset: 0 }
}

/// The ranges of IPv6 whose clients are looked up by an IPv4 address, first and last address.
pub const WRAPPED: [(u128, u128); 3] = [
    (0xffff << 32, (0xffff << 32) | 0xffff_ffff),
    (0x0064_ff9b << 96, (0x0064_ff9b << 96) | 0xffff_ffff),
    (0x2002 << 112, (0x2002 << 112) | ((1 << 112) - 1)),
];

fn inner(bits: u32, offset: u8) -> Unwrapped {
    Unwrapped { address: IpAddr::V4(Ipv4Addr::from_bits(bits)), offset }
}

/// The address with all bits after the first `length` cleared. `length` is at most the
/// address's own number of bits.
pub fn truncate(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_taken_out_of_its_wrapping() {
        let inside: IpAddr = "192.0.2.33".parse().unwrap();
        for (outer, offset) in [
            ("192.0.2.33", 0),
            ("::ffff:192.0.2.33", 96),
            ("64:ff9b::192.0.2.33", 96),
            ("2002:c000:221::1", 16),
        ] {
            let outer: IpAddr = outer.parse().unwrap();
            assert_eq!(unwrap(outer), Unwrapped { address: inside, offset }, "{outer}");
        }
        for plain in ["2001:db8::1", "::192.0.2.33", "64:ff9b:1::1", "2003::1"] {
            let plain: IpAddr = plain.parse().unwrap();
            assert_eq!(unwrap(plain), Unwrapped { address: plain, offset: 0 });
        }
    }

    #[test]
    fn the_wrapped_ranges_are_those_that_are_unwrapped() {
        for (first, last) in WRAPPED {
            for bits in [first, last] {
                assert_ne!(unwrap(Ipv6Addr::from_bits(bits).into()).offset, 0);
            }
            for bits in [first - 1, last + 1] {
                assert_eq!(unwrap(Ipv6Addr::from_bits(bits).into()).offset, 0);
            }
        }
    }

    #[test]
    fn truncating_clears_the_host_bits() {
        let cut = |a: &str, l| truncate(a.parse().unwrap(), l).to_string();
        assert_eq!(cut("192.0.2.255", 24), "192.0.2.0");
        assert_eq!(cut("192.0.2.255", 0), "0.0.0.0");
        assert_eq!(cut("192.0.2.255", 32), "192.0.2.255");
        assert_eq!(cut("2001:db8:ffff:ffff::1", 56), "2001:db8:ffff:ff00::");
        assert_eq!(cut("2001:db8::1", 0), "::");
    }
}
