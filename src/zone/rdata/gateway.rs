//! The gateway of an IPSECKEY record (RFC 4025 section 2): type, algorithm, and by type nothing,
//! an address or a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::error::DataError;
use super::measure::name_len;
use super::read::Reader;
use crate::zone::master::scanner::Fault;

/// Octets before the gateway itself: its type and the algorithm.
pub(super) const HEAD: usize = 2;

/// Whether the gateway is a domain name.
pub(super) fn holds_name(rest: &[u8]) -> bool {
    rest.first() == Some(&3)
}

/// The octets of type, algorithm and gateway.
pub(super) fn measure(rest: &[u8]) -> Option<usize> {
    let gateway = rest.get(HEAD..)?;
    let len = match rest[0] {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => name_len(gateway)?,
        _ => return None,
    };
    (gateway.len() >= len).then_some(HEAD + len)
}

/// Reads `type algorithm gateway`; the gateway of type 0 is written `.`.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Result<(), Fault<DataError>> {
    let kind = reader.number::<u8>("the gateway type", "0, 1, 2 or 3")?;
    let algorithm = reader.number::<u8>("the algorithm", "a number from 0 to 255")?;
    reader.out.extend_from_slice(&[kind, algorithm]);
    let token = reader.word("the gateway")?;
    match kind {
        0 if token.raw == b"." => Ok(()),
        0 => Err(token.fault(DataError::unexpected(&token, "the gateway", "`.` for none"))),
        1 => {
            let address: Ipv4Addr = reader.parse(&token, "the gateway", "an IPv4 address")?;
            reader.out.extend_from_slice(&address.octets());
            Ok(())
        }
        2 => {
            let address: Ipv6Addr = reader.parse(&token, "the gateway", "an IPv6 address")?;
            reader.out.extend_from_slice(&address.octets());
            Ok(())
        }
        3 => reader.name(&token),
        _ => Err(token.fault(DataError::unexpected(
            &token,
            "the gateway",
            "a gateway of type 0, 1, 2 or 3",
        ))),
    }
}
