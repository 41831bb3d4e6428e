//! Databases as vendors ship them: compressed by gzip, or as they are.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

const GZIP: &[u8] = b"\x1f\x8b";

/// How many octets a database may have: its pointers reach no further.
const MOST: u64 = 1 << 32;

/// The file inside of a compressed one; any other file as it is.
///
/// # Errors
///
/// When it is damaged, ends early, or holds more than a database can be.
pub(super) fn unpacked(file: Vec<u8>) -> io::Result<Vec<u8>> {
    if !file.starts_with(GZIP) {
        return Ok(file);
    }
    let mut inside = Vec::new();
    MultiGzDecoder::new(&file[..]).take(MOST + 1).read_to_end(&mut inside)?;
    match inside.len() as u64 > MOST {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it holds more than 4 GiB")),
        false => Ok(inside),
    }
}
