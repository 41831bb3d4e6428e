//! The EDNS Client Subnet option (RFC 7871 section 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Malformed;

/// The option's code.
pub const CODE: u16 = 8;

/// A client subnet as a query brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The address; bits beyond the source length are zero.
    pub address: IpAddr,
    /// How many bits of the address the resolver gave: 0 to 32 or 128.
    pub source: u8,
}

impl Subnet {
    /// Reads the option's data in a query. Malformed: a family other than 1 and 2, a source
    /// length over 32 or 128, more or fewer address octets than the length needs, bits set
    /// beyond it, a scope that is not 0 (RFC 7871 sections 6 and 7.1.2).
    pub fn parse(data: &[u8]) -> Result<Subnet, Malformed> {
        let [0, family, source, 0, octets @ ..] = data else {
            return Err(Malformed);
        };
        let source = *source;
        if octets.len() != usize::from(source).div_ceil(8) {
            return Err(Malformed);
        }
        let mut whole = [0_u8; 16];
        whole.get_mut(..octets.len()).ok_or(Malformed)?.copy_from_slice(octets);
        let bits = u128::from_be_bytes(whole);
        let beyond = u128::MAX.checked_shr(u32::from(source)).unwrap_or(0);
        let address = match (family, source) {
            (1, 0..=32) => IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32)),
            (2, 0..=128) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
            _ => return Err(Malformed),
        };
        if bits & beyond != 0 { Err(Malformed) } else { Ok(Subnet { address, source }) }
    }

    /// Reads the option's data in a response, with its scope. Malformed: what would be malformed in
    /// a query but for the scope.
    pub fn parse_response(data: &[u8]) -> Result<(Subnet, u8), Malformed> {
        let mut query = [0_u8; 20];
        let query = query.get_mut(..data.len()).ok_or(Malformed)?;
        query.copy_from_slice(data);
        let scope = std::mem::take(query.get_mut(3).ok_or(Malformed)?);
        Ok((Subnet::parse(query)?, scope))
    }

    /// Octets of the whole option in a response, code and length included.
    #[inline]
    pub fn response_len(&self) -> usize {
        8 + usize::from(self.source).div_ceil(8)
    }

    /// Writes the option of a response over the front of `out`: family, source length and
    /// address as they came, and `scope`. Says how many octets it took; 0 when they do not fit.
    pub fn write(&self, scope: u8, out: &mut [u8]) -> usize {
        let len = self.response_len();
        let address_len = len - 8;
        let Some(out) = out.get_mut(..len) else {
            return 0;
        };
        let mut whole = [0_u8; 16];
        let family = match self.address {
            IpAddr::V4(address) => {
                whole[..4].copy_from_slice(&address.octets());
                1
            }
            IpAddr::V6(address) => {
                whole = address.octets();
                2
            }
        };
        let [code_high, code_low] = CODE.to_be_bytes();
        let front = [code_high, code_low, 0, 4 + address_len as u8, 0, family, self.source, scope];
        out[..8].copy_from_slice(&front);
        out[8..].copy_from_slice(&whole[..address_len]);
        out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_reads_and_is_echoed_with_its_scope() {
        let subnet = Subnet::parse(&[0, 1, 22, 0, 192, 0, 4]).unwrap();
        assert_eq!(subnet, Subnet { address: "192.0.4.0".parse().unwrap(), source: 22 });
        let mut out = [0xff; 32];
        assert_eq!(subnet.write(20, &mut out), 11);
        assert_eq!(subnet.response_len(), 11);
        assert_eq!(out[..11], [0, 8, 0, 7, 0, 1, 22, 20, 192, 0, 4]);
        assert_eq!(Subnet::parse_response(&out[4..11]), Ok((subnet, 20)));
        assert_eq!(Subnet::parse_response(&out[4..10]), Err(Malformed));
        assert_eq!(subnet.write(20, &mut out[..10]), 0);
    }

    #[test]
    fn ipv6_and_the_lengths_at_both_ends_are_read() {
        let mut data = vec![0, 2, 128, 0];
        data.extend([0xff; 16]);
        assert_eq!(Subnet::parse(&data).map(|s| s.source), Ok(128));
        assert_eq!(Subnet::parse(&[0, 2, 0, 0]).map(|s| s.source), Ok(0));
        assert_eq!(Subnet::parse(&[0, 1, 32, 0, 1, 2, 3, 4]).map(|s| s.source), Ok(32));
    }

    #[test]
    fn what_steering_calls_malformed_is() {
        for data in [
            &[][..],
            &[0, 1, 0],
            &[0, 0, 0, 0],                    // family 0
            &[0, 3, 0, 0],                    // family 3
            &[1, 1, 0, 0],                    // family 257
            &[0, 1, 33, 0, 1, 2, 3, 4, 0x80], // longer than an IPv4 address
            &[0, 1, 24, 0, 192, 0],           // an octet missing
            &[0, 1, 24, 0, 192, 0, 2, 0],     // an octet too many
            &[0, 1, 23, 0, 192, 0, 1],        // a bit beyond the length
            &[0, 1, 24, 24, 192, 0, 2],       // a scope in a query
            &[0, 2, 129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(Subnet::parse(data), Err(Malformed), "{data:?}");
        }
    }
}
