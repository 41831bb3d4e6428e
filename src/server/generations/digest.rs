//! What stands for the content of a file: SHA-256.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, digest};

/// The digest of some octets. Content of the same digest is taken to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Octets read at a time.
const CHUNK: usize = 1 << 18;

impl Digest {
    /// That of some octets.
    pub fn of(octets: &[u8]) -> Digest {
        Digest::taken(digest(&SHA256, octets).as_ref())
    }

    /// The digest of a file's content, and how long that is; all of it is also given to `take`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or `take` fails.
    pub fn of_file(
        path: &Path,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(Digest, u64)> {
        let mut file = File::open(path)?;
        let mut context = Context::new(&SHA256);
        let (mut chunk, mut length) = (vec![0; CHUNK], 0);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok((Digest::taken(context.finish().as_ref()), length)),
                read => {
                    context.update(&chunk[..read]);
                    take(&chunk[..read])?;
                    length += read as u64;
                }
            }
        }
    }

    fn taken(octets: &[u8]) -> Digest {
        let mut taken = [0; 32];
        taken.copy_from_slice(octets);
        Digest(taken)
    }

    /// 64 hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Reads what [`hex`](Digest::hex) writes.
    pub fn parse(text: &str) -> Option<Digest> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let digit = |octet: u8| char::from(octet).to_digit(16);
        let octet = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
        let octets: Option<Vec<u8>> = pairs.iter().map(octet).collect();
        Some(Digest(octets?.try_into().ok()?))
    }
}
