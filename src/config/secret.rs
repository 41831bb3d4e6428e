//! What a server keeps to itself, and how it is written.

use std::fmt;

/// Sixteen octets that no log shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl Secret {
    /// Reads 32 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Secret> {
        Some(Secret(hex(text)?.try_into().ok()?))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The octets that pairs of hexadecimal digits stand for; `None` for any other text.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    pairs.iter().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(hex("00fFA0"), Some(vec![0x00, 0xff, 0xa0]));
        assert_eq!(hex(""), Some(vec![]));
        for text in ["0", "0g", "+1", "ää", "0x00"] {
            assert_eq!(hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_sixteen_octets_and_not_shown() {
        let secret = Secret::parse("000102030405060708090a0b0c0d0e0f").unwrap();
        assert_eq!(secret.0[15], 15);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(Secret::parse("000102030405060708090a0b0c0d0e"), None);
    }
}
