//! One generation as it is kept: which files it was made from, and where their content is.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::absolute;
use super::digest::Digest;
use crate::config::files::{Disk, Files};

/// What a manifest calls itself.
const FORMAT: &str = "meridian generation 1";

/// A generation that can be read again as it was. Secrets and certificates are not kept: they are
/// read from where they always are.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// When it came into force first, in milliseconds since 1970.
    pub at: u64,
    /// The server's own file; absolute, as all paths here.
    pub(super) root: PathBuf,
    pub(super) files: BTreeMap<PathBuf, Content>,
    /// Where contents are, by their digests.
    pub(super) contents: PathBuf,
}

/// What stood in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) length: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: String,
    at: u64,
    server_file: PathBuf,
    files: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    path: PathBuf,
    sha256: String,
    length: u64,
}

impl Kept {
    /// How many files it was made from.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Their octets together.
    pub fn octets(&self) -> u64 {
        self.files.values().map(|content| content.length).sum()
    }

    /// Where the content of a file is kept.
    pub(super) fn place(&self, content: Content) -> PathBuf {
        self.contents.join(content.digest.hex())
    }

    /// Its manifest as text.
    pub(super) fn manifest(&self) -> io::Result<Vec<u8>> {
        let entry = |(path, content): (&PathBuf, &Content)| Entry {
            path: path.clone(),
            sha256: content.digest.hex(),
            length: content.length,
        };
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            at: self.at,
            server_file: self.root.clone(),
            files: self.files.iter().map(entry).collect(),
        };
        Ok(serde_json::to_vec_pretty(&manifest)?)
    }

    /// Reads a manifest; `None` for one that cannot be understood.
    pub(super) fn parse(text: &[u8], number: u64, contents: &Path) -> Option<Kept> {
        let manifest: Manifest = serde_json::from_slice(text).ok()?;
        let content = |entry: Entry| {
            let digest = Digest::parse(&entry.sha256)?;
            Some((entry.path, Content { digest, length: entry.length }))
        };
        (manifest.format == FORMAT).then_some(Kept {
            number,
            at: manifest.at,
            root: manifest.server_file,
            files: manifest.files.into_iter().map(content).collect::<Option<_>>()?,
            contents: contents.to_owned(),
        })
    }
}

impl Files for Kept {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = self.files.get(&absolute(path)?).ok_or(io::ErrorKind::NotFound)?;
        let octets = Disk.read(&self.place(*content))?;
        if Digest::of(&octets) != content.digest {
            return Err(io::Error::other("its kept copy is damaged"));
        }
        Ok(octets)
    }

    fn read_bounded(&self, path: &Path, _: u64) -> io::Result<(PathBuf, Vec<u8>)> {
        Ok((absolute(path)?, self.read(path)?))
    }

    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = absolute(directory)?;
        let inside = self.files.keys().filter(|path| path.parent() == Some(&directory));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}
