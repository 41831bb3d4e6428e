//! Octets in hexadecimal, base64 and base32hex (RFC 4648), and escapes of strings.

/// Adds the octets that pairs of hexadecimal digits stand for; false when they do not pair up or
/// are no digits.
pub(super) fn hex(digits: &[u8], out: &mut Vec<u8>) -> bool {
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return false };
        let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else { return false };
        out.push(high << 4 | low);
    }
    true
}

/// The value of one hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Adds the octets of padded base64 (RFC 4648 section 4); false when it is not.
pub(crate) fn base64(digits: &[u8], out: &mut Vec<u8>) -> bool {
    if !digits.len().is_multiple_of(4) {
        return false;
    }
    let padding = digits.iter().rev().take(2).take_while(|&&digit| digit == b'=').count();
    unpack::<6>(&digits[..digits.len() - padding], base64_digit, out)
}

/// Adds the octets of base32hex without padding (RFC 4648 section 7, RFC 5155 section 3.3).
pub(super) fn base32hex(digits: &[u8], out: &mut Vec<u8>) -> bool {
    // 1, 3 and 6 digits over a multiple of eight hold no whole number of octets.
    !matches!(digits.len() % 8, 1 | 3 | 6) && unpack::<5>(digits, base32hex_digit, out)
}

/// Joins digits of `BITS` bits to octets; bits left over must be zero, so that each run of
/// octets has one text.
fn unpack<const BITS: u32>(digits: &[u8], value: fn(u8) -> Option<u8>, out: &mut Vec<u8>) -> bool {
    let (mut buffer, mut held) = (0u32, 0);
    for &digit in digits {
        let Some(value) = value(digit) else { return false };
        buffer = buffer << BITS | u32::from(value);
        held += BITS;
        if held >= 8 {
            held -= 8;
            out.push((buffer >> held) as u8);
            buffer &= (1 << held) - 1;
        }
    }
    buffer == 0
}

fn base64_digit(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn base32hex_digit(digit: u8) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'A'..=b'V' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Adds the octets of a string with its escapes `\X` and `\DDD` decoded (RFC 1035 section 5.1);
/// false on a backslash that escapes nothing.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|&octet| octet == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (octet, len) = match rest[at + 1..] {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
                let value = [a, b, c].iter().fold(0, |sum, d| sum * 10 + u16::from(d - b'0'));
                let Ok(octet) = u8::try_from(value) else { return false };
                (octet, 4)
            }
            [b'0'..=b'9', ..] | [] => return false,
            [octet, ..] => (octet, 2),
        };
        out.push(octet);
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decode: fn(&[u8], &mut Vec<u8>) -> bool, text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn the_vectors_of_rfc_4648_decode() {
        for (text, octets) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")]
        {
            assert_eq!(decoded(base64, text).as_deref(), Some(octets.as_bytes()), "{text}");
        }
        for (text, octets) in [("", ""), ("CO", "f"), ("cpng", "fo"), ("CPNMUOJ1", "fooba")] {
            assert_eq!(decoded(base32hex, text).as_deref(), Some(octets.as_bytes()), "{text}");
        }
        assert_eq!(decoded(hex, "00ffAb"), Some(vec![0, 0xff, 0xab]));
    }

    #[test]
    fn texts_that_stand_for_no_octets_are_refused() {
        for text in ["Z", "Zg", "Zg=", "Zg===", "Z===", "Zh==", "Zg==Zg==", "Z-==", "===="] {
            assert_eq!(decoded(base64, text), None, "{text}");
        }
        for text in ["C", "CPN", "CP", "W0"] {
            assert_eq!(decoded(base32hex, text), None, "{text}");
        }
        assert_eq!(decoded(hex, "0"), None);
        assert_eq!(decoded(hex, "0g"), None);
    }

    #[test]
    fn escapes_of_strings_decode() {
        assert_eq!(decoded(unescape, r#"a\"\\\000\255"#), Some(b"a\"\\\x00\xff".to_vec()));
        for text in [r"\", r"\256", r"\1", r"\12x"] {
            assert_eq!(decoded(unescape, text), None, "{text}");
        }
    }
}
