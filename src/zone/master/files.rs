//! The files of a zone: read within bounds, loops of `$INCLUDE` noticed.

use std::io;
use std::path::{Path, PathBuf};

use super::Fetch;
use super::error::Problem;

/// Octets of all files of one zone together: far over any real zone, far under any memory.
const MAX_OCTETS: u64 = 2 << 30;
/// How deep files may include each other.
const MAX_DEPTH: usize = 16;
/// How many files a zone may be made of.
const MAX_FILES: usize = 10_000;

/// The files that are open, one including the next, and what was read so far.
pub(super) struct Files<'a> {
    fetch: Fetch<'a>,
    open: Vec<PathBuf>,
    count: usize,
    octets: u64,
}

impl<'a> Files<'a> {
    /// Reads files by `fetch`.
    pub(super) fn new(fetch: Fetch<'a>) -> Files<'a> {
        Files { fetch, open: Vec::new(), count: 0, octets: 0 }
    }

    /// Reads a file; [`close`](Files::close) it when its entries are done.
    pub(super) fn open(&mut self, path: &Path) -> Result<Vec<u8>, Problem> {
        let unreadable = |error: io::Error| Problem::unreadable(path, &error);
        if self.open.len() > MAX_DEPTH {
            return Err(Problem::IncludeDepth(MAX_DEPTH));
        }
        if self.count >= MAX_FILES {
            return Err(Problem::IncludeCount(MAX_FILES));
        }
        let left = MAX_OCTETS - self.octets;
        let (real, text) = (self.fetch)(path, left).map_err(unreadable)?;
        if self.open.contains(&real) {
            return Err(Problem::IncludeLoop(path.to_owned()));
        }
        let read = text.len() as u64;
        if read > left {
            return Err(Problem::Large(MAX_OCTETS));
        }
        self.octets += read;
        self.count += 1;
        self.open.push(real);
        Ok(text)
    }

    /// Closes the file opened last.
    pub(super) fn close(&mut self) {
        self.open.pop();
    }
}
