//! Address prefix lists (RFC 3123).

use std::net::IpAddr;

use super::error::DataError;
use super::read::Reader;
use crate::zone::master::scanner::Fault;

const ITEM: &str = "a prefix like `1:192.0.2.0/24`, `!2:2001:db8::/32`";

/// The octets of one item: family, prefix length, and the address without trailing zeros.
pub(super) fn item_len(rest: &[u8]) -> Option<usize> {
    let &[family_high, family_low, prefix, len, ref tail @ ..] = rest else { return None };
    let len = usize::from(len & 0x7f);
    let address = tail.get(..len)?;
    let fits = match u16::from_be_bytes([family_high, family_low]) {
        1 => prefix <= 32 && len <= 4,
        2 => prefix <= 128 && len <= 16,
        // The address of another family is opaque (RFC 3123 section 4).
        _ => return Some(4 + len),
    };
    (fits && address.last() != Some(&0)).then_some(4 + len)
}

/// Reads items `[!]family:address/prefix` to the end of the entry.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Result<(), Fault<DataError>> {
    while let Some(token) = reader.maybe_word()? {
        let item = std::str::from_utf8(token.raw).ok().and_then(item).ok_or_else(|| {
            token.fault(DataError::unexpected(&token, "the address prefixes", ITEM))
        })?;
        reader.out.extend_from_slice(&item);
    }
    Ok(())
}

fn item(text: &str) -> Option<Vec<u8>> {
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (0x80, rest),
        None => (0, text),
    };
    let (family, rest) = text.split_once(':')?;
    let (address, prefix) = rest.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let (number, octets) = match (family, address) {
        ("1", IpAddr::V4(v4)) if prefix <= 32 => (1, v4.octets().to_vec()),
        ("2", IpAddr::V6(v6)) if prefix <= 128 => (2, v6.octets().to_vec()),
        _ => return None,
    };
    let len = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    // An address has at most 16 octets.
    let mut wire = vec![0, number, prefix, negated | u8::try_from(len).ok()?];
    wire.extend_from_slice(&octets[..len]);
    Some(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_of_an_address_are_left_out() {
        assert_eq!(item("1:192.168.32.0/21"), Some(vec![0, 1, 21, 3, 192, 168, 32]));
        assert_eq!(item("!1:0.0.0.0/0"), Some(vec![0, 1, 0, 0x80]));
        assert_eq!(item("2:ff00::/8"), Some(vec![0, 2, 8, 1, 0xff]));
    }

    #[test]
    fn items_that_mix_families_are_refused() {
        for text in ["1:ff00::/8", "2:192.0.2.0/24", "1:192.0.2.0/33", "192.0.2.0/24", "1:1.2.3.4"]
        {
            assert_eq!(item(text), None, "{text}");
        }
        assert_eq!(item_len(&[0, 1, 24, 2, 192, 0]), None);
        assert_eq!(item_len(&[0, 1, 24, 3, 192, 0, 2]), Some(7));
    }
}
