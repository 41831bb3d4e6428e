//! Places on earth (RFC 1876).
//!
//! Text: `d [m [s[.fff]]] N|S d [m [s[.fff]]] E|W altitude[m] [size[m] [horizontal[m] [vertical[m]]]]`.

use super::error::DataError;
use super::read::Reader;
use crate::zone::master::scanner::{Fault, Token};

const LEN: usize = 16;
/// The equator and the prime meridian (RFC 1876 section 2).
const MIDDLE: u32 = 1 << 31;
/// Thousandths of a second in a degree.
const DEGREE: u64 = 3_600_000;
/// Centimetres below the reference ellipsoid of altitude zero.
const BASE: i64 = 10_000_000;
/// Size 1 m, horizontal precision 10 km, vertical precision 10 m (RFC 1876 section 3).
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];

const LATITUDE: &str = "degrees (0 to 90), minutes, seconds, and N or S";
const LONGITUDE: &str = "degrees (0 to 180), minutes, seconds, and E or W";
const ALTITUDE: &str = "metres from -100000.00m to 42849672.95m";
const PRECISION: &str = "metres from 0m to 90000000.00m";

/// The octets of a location, version 0.
pub(super) fn measure(rest: &[u8]) -> Option<usize> {
    let octets = rest.get(..LEN)?;
    let precise = octets[1..4].iter().all(|octet| octet >> 4 <= 9 && octet & 0x0f <= 9);
    let angle = |at: usize, degrees: u64| {
        let angle =
            u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        u64::from(angle.abs_diff(MIDDLE)) <= degrees * DEGREE
    };
    (octets[0] == 0 && precise && angle(4, 90) && angle(8, 180)).then_some(LEN)
}

/// Reads a location to the end of the entry.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Result<(), Fault<DataError>> {
    let latitude = angle(reader, "the latitude", LATITUDE, 90, [b"N", b"S"])?;
    let longitude = angle(reader, "the longitude", LONGITUDE, 180, [b"E", b"W"])?;
    let token = reader.word("the altitude")?;
    let altitude = metres(&token)
        .and_then(|centimetres| u32::try_from(centimetres + BASE).ok())
        .ok_or_else(|| token.fault(DataError::unexpected(&token, "the altitude", ALTITUDE)))?;
    let mut precisions = DEFAULTS;
    for precision in &mut precisions {
        let Some(token) = reader.maybe_word()? else { break };
        *precision = metres(&token)
            .and_then(|centimetres| u64::try_from(centimetres).ok())
            .and_then(scaled)
            .ok_or_else(|| {
                token.fault(DataError::unexpected(&token, "the precision", PRECISION))
            })?;
    }
    reader.out.push(0);
    reader.out.extend_from_slice(&precisions);
    for number in [latitude, longitude, altitude] {
        reader.out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

/// Degrees, minutes and seconds up to one of two letters; the second letter counts down.
fn angle(
    reader: &mut Reader<'_, '_>,
    field: &'static str,
    wanted: &'static str,
    limit: u64,
    [up, down]: [&[u8]; 2],
) -> Result<u32, Fault<DataError>> {
    let mut parts = [0u64; 3];
    let bounds = [limit * 1000, 59_000, 59_999];
    for step in 0..4 {
        let token = reader.word(field)?;
        let refuse = || token.fault(DataError::unexpected(&token, field, wanted));
        if step > 0 && [up, down].iter().any(|letter| token.raw.eq_ignore_ascii_case(letter)) {
            let total = parts[0] * 3600 + parts[1] * 60 + parts[2];
            let total = u32::try_from(total).ok().filter(|_| total <= limit * DEGREE);
            let total = total.ok_or_else(refuse)?;
            return Ok(if token.raw.eq_ignore_ascii_case(up) {
                MIDDLE + total
            } else {
                MIDDLE - total
            });
        }
        let (Some(part), Some(&bound)) = (parts.get_mut(step), bounds.get(step)) else {
            return Err(refuse());
        };
        let places = if step == 2 { 3 } else { 0 };
        *part = decimal(token.raw, places)
            .map(|value| if places == 0 { value.saturating_mul(1000) } else { value })
            .filter(|&value| value <= bound)
            .ok_or_else(refuse)?;
    }
    Err(reader.missing(DataError::Missing(field)))
}

/// A length in centimetres from metres with at most two decimals and an optional `m`.
fn metres(token: &Token<'_>) -> Option<i64> {
    let text = token.raw.strip_suffix(b"m").or(token.raw.strip_suffix(b"M")).unwrap_or(token.raw);
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let centimetres = i64::try_from(decimal(text, 2)?).ok()?;
    Some(if negative { -centimetres } else { centimetres })
}

/// A decimal number in units of its last possible place: `decimal(b"1.5", 2)` is 150.
fn decimal(text: &[u8], places: usize) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|&octet| octet == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    // Twelve digits are far more than any bound and far from overflow.
    let plausible = (1..=12).contains(&whole.len()) && fraction.len() <= places;
    if !plausible || !digits(whole) || !digits(fraction) {
        return None;
    }
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(places);
    Some(whole.iter().copied().chain(padded).fold(0, |sum, d| sum * 10 + u64::from(d - b'0')))
}

/// Centimetres as one digit and a power of ten, rounded down (RFC 1876 section 2).
fn scaled(mut centimetres: u64) -> Option<u8> {
    let mut exponent = 0u8;
    while centimetres > 9 {
        centimetres /= 10;
        exponent += 1;
    }
    // At most 9, so within four bits.
    (exponent <= 9).then_some((centimetres as u8) << 4 | exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_scale_to_their_last_place() {
        assert_eq!(decimal(b"1.5", 2), Some(150));
        assert_eq!(decimal(b"00012", 0), Some(12));
        for text in ["", ".5", "1.234", "-1", "1e3"] {
            assert_eq!(decimal(text.as_bytes(), 2), None, "{text}");
        }
    }

    #[test]
    fn lengths_become_one_digit_and_a_power_of_ten() {
        assert_eq!(scaled(0), Some(0));
        assert_eq!(scaled(100), Some(0x12));
        assert_eq!(scaled(2550), Some(0x23));
        assert_eq!(scaled(9_000_000_000), Some(0x99));
        assert_eq!(scaled(10_000_000_000), None);
    }
}
