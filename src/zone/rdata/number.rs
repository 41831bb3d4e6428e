//! Numbers with units and mnemonics: times, algorithms, certificate types.

/// Seconds, plain or with the units w, d, h, m, s in either case (`1h30m`); `None` when the text
/// is something else or over 2^32 - 1.
pub(crate) fn period(text: &[u8]) -> Option<u32> {
    let mut total = 0u64;
    let mut number = None;
    let mut units = false;
    for &octet in text {
        if octet.is_ascii_digit() {
            let value = number.unwrap_or(0u64) * 10 + u64::from(octet - b'0');
            if value > u64::from(u32::MAX) {
                return None;
            }
            number = Some(value);
            continue;
        }
        let unit = match octet.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.saturating_add(number.take()? * unit);
        units = true;
    }
    match number {
        // A number without a unit stands alone, as in BIND.
        Some(_) if units => None,
        Some(seconds) => u32::try_from(seconds).ok(),
        None if units => u32::try_from(total).ok(),
        None => None,
    }
}

/// A time of a signature: seconds since 1970, or `YYYYMMDDHHmmSS` in UTC (RFC 4034 section 3.2),
/// modulo 2^32 as serial numbers go.
pub(super) fn time(text: &[u8]) -> Option<u32> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(text).ok()?;
    if digits.len() != 14 {
        return digits.parse().ok();
    }
    let part = |from: usize, to: usize| digits[from..to].parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 || day == 0 || day > length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let before: u64 = months.iter().take(usize::try_from(month - 1).ok()?).sum();
    let days = years + before + day - 1;
    // Serial number arithmetic: the low 32 bits are the time.
    Some((days * 86_400 + hour * 3_600 + minute * 60 + second) as u32)
}

/// A DNSSEC algorithm by number or mnemonic (IANA "DNS Security Algorithm Numbers").
pub(super) fn algorithm(text: &[u8]) -> Option<u8> {
    const MNEMONICS: [(&[u8], u8); 20] = [
        (b"RSAMD5", 1),
        (b"DH", 2),
        (b"DSA", 3),
        (b"RSASHA1", 5),
        (b"DSA-NSEC3-SHA1", 6),
        (b"NSEC3DSA", 6),
        (b"RSASHA1-NSEC3-SHA1", 7),
        (b"NSEC3RSASHA1", 7),
        (b"RSASHA256", 8),
        (b"RSASHA512", 10),
        (b"ECC-GOST", 12),
        (b"ECCGOST", 12),
        (b"ECDSAP256SHA256", 13),
        (b"ECDSAP384SHA384", 14),
        (b"ED25519", 15),
        (b"ED448", 16),
        (b"SM2SM3", 17),
        (b"ECC-GOST12", 23),
        (b"PRIVATEDNS", 253),
        (b"PRIVATEOID", 254),
    ];
    known(&MNEMONICS, text)
}

/// A certificate type by number or mnemonic (RFC 4398 section 2.1).
pub(super) fn certificate(text: &[u8]) -> Option<u16> {
    const MNEMONICS: [(&[u8], u16); 10] = [
        (b"PKIX", 1),
        (b"SPKI", 2),
        (b"PGP", 3),
        (b"IPKIX", 4),
        (b"ISPKI", 5),
        (b"IPGP", 6),
        (b"ACPKIX", 7),
        (b"IACPKIX", 8),
        (b"URI", 253),
        (b"OID", 254),
    ];
    known(&MNEMONICS, text)
}

fn known<T: Copy + std::str::FromStr>(mnemonics: &[(&[u8], T)], text: &[u8]) -> Option<T> {
    if text.first()?.is_ascii_digit() {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    mnemonics.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_take_units_in_either_case() {
        assert_eq!(period(b"0"), Some(0));
        assert_eq!(period(b"1w2D3h4M5s"), Some(788_645));
        assert_eq!(period(b"4294967295"), Some(u32::MAX));
        for text in ["", "h", "1h30", "4294967296", "9999w", "1y", "-1", "1hh", "1 h"] {
            assert_eq!(period(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_of_signatures_are_read_in_both_forms() {
        assert_eq!(time(b"20040509183619"), Some(1_084_127_779));
        assert_eq!(time(b"1084127779"), Some(1_084_127_779));
        assert_eq!(time(b"20240229000000"), Some(1_709_164_800));
        // 2106-02-07 06:28:16 is where 32 bits start over.
        assert_eq!(time(b"21060207062816"), Some(0));
        for text in ["20230229000000", "20041301000000", "20040100000000", "19691231235959", "x"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn mnemonics_and_numbers_mean_the_same() {
        assert_eq!(algorithm(b"ecdsap256sha256"), algorithm(b"13"));
        assert_eq!(certificate(b"OID"), certificate(b"254"));
        assert_eq!(algorithm(b"256"), None);
        assert_eq!(algorithm(b"NONE"), None);
    }
}
