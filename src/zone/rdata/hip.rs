//! The host identity of a HIP record (RFC 8005 section 5): algorithm, tag and public key.

use super::base;
use super::error::DataError;
use super::read::Reader;
use crate::zone::master::scanner::Fault;

/// The octets of the lengths, the algorithm, the tag and the key.
pub(super) fn measure(rest: &[u8]) -> Option<usize> {
    let &[tag_len @ 1..=255, _, key_high, key_low, ref tail @ ..] = rest else { return None };
    let key_len = usize::from(u16::from_be_bytes([key_high, key_low]));
    let len = usize::from(tag_len) + key_len;
    (key_len > 0 && tail.len() >= len).then_some(4 + len)
}

/// Reads `algorithm tag key`: a number, hexadecimal, and base64 without blanks.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Result<(), Fault<DataError>> {
    const TAG: &str = "1 to 255 octets in hexadecimal";
    const KEY: &str = "1 to 65,535 octets in base64, without blanks";
    let algorithm = reader.number::<u8>("the algorithm", "a number from 0 to 255")?;
    let tag = reader.word("the host identity tag")?;
    let mut octets = Vec::new();
    let tag_len = base::hex(tag.raw, &mut octets)
        .then_some(octets.len())
        .and_then(|len| u8::try_from(len).ok())
        .filter(|&len| len > 0)
        .ok_or_else(|| tag.fault(DataError::unexpected(&tag, "the host identity tag", TAG)))?;
    let key = reader.word("the public key")?;
    let before = octets.len();
    let key_len = base::base64(key.raw, &mut octets)
        .then_some(octets.len() - before)
        .and_then(|len| u16::try_from(len).ok())
        .filter(|&len| len > 0)
        .ok_or_else(|| key.fault(DataError::unexpected(&key, "the public key", KEY)))?;
    reader.out.extend_from_slice(&[tag_len, algorithm]);
    reader.out.extend_from_slice(&key_len.to_be_bytes());
    reader.out.extend_from_slice(&octets);
    Ok(())
}
