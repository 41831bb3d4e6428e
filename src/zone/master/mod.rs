//! Master files: text to records (RFC 1035 section 5, RFC 2308 section 4, RFC 3597 section 5).
//!
//! Knows the directives `$ORIGIN`, `$TTL`, `$INCLUDE` and BIND's `$GENERATE`, and what a record
//! may leave out. Does not know whether records make a zone together: that is
//! [`check`](super::check).
//!
//! Reading goes on behind a mistake, at the next entry, and stops at the twentieth. Work and
//! memory are in proportion to the octets read; what directives can multiply is bounded: 16 files
//! deep, 10,000 files and 2 GiB in all, 1,000,000 generated records.

mod error;
mod files;
mod generate;
mod reader;
pub(crate) mod scanner;

pub use error::{ParseError, Problem};
pub use scanner::SyntaxError;

use std::io;
use std::path::{Path, PathBuf};

use self::files::Files;
use self::reader::Reader;
use super::Record;
use crate::wire::{Name, NameError};

/// The records of a zone, in the order of its files.
///
/// In the configuration a zone is named by its file's first `$ORIGIN`, or by the file's name. In
/// the file itself only the SOA record says where the zone starts, so that is what counts: a file
/// that starts with `$ORIGIN com.` and has its SOA record at `example` holds `example.com.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterFile {
    /// The zone's name: the owner of the first SOA record. Without one, the origin at the first
    /// record, and [`check`](super::check) will miss the SOA record.
    pub apex: Name,
    /// All records, also those that do not belong into the zone.
    pub records: Vec<Record>,
}

/// The origin that a file starts with: its name without `.zone`.
///
/// Relative names are completed with it until the file's first `$ORIGIN`.
///
/// # Errors
///
/// When the file's name is no domain name.
pub fn default_origin(path: &Path) -> Result<Name, NameError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.strip_suffix(".zone").unwrap_or(&file).parse()
}

/// How files are read: the content, cut behind the octet after the number given, and the path that
/// stands for the file whatever links lead to it.
pub type Fetch<'a> = &'a dyn Fn(&Path, u64) -> io::Result<(PathBuf, Vec<u8>)>;

/// Reads a file and those it includes by `fetch`, starting with `default_origin`.
///
/// # Errors
///
/// All mistakes up to the twentieth, in the order they were met.
pub fn parse_file(
    path: &Path,
    default_origin: Name,
    fetch: Fetch<'_>,
) -> Result<MasterFile, Vec<ParseError>> {
    let mut reader = Reader::of(Files::new(fetch));
    reader.file(path, default_origin.clone());
    finish(reader, default_origin)
}

/// Reads a text that is no file, as a zone built into the program; `file` is what errors call it.
/// `$INCLUDE` is refused.
///
/// # Errors
///
/// As [`parse_file`].
pub fn parse_text(
    text: &[u8],
    file: &Path,
    default_origin: Name,
) -> Result<MasterFile, Vec<ParseError>> {
    let mut reader = Reader::default();
    reader.text(text, file, default_origin.clone());
    finish(reader, default_origin)
}

fn finish(reader: Reader<'_>, default_origin: Name) -> Result<MasterFile, Vec<ParseError>> {
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let apex = reader.apex.or(reader.first_origin).unwrap_or(default_origin);
    Ok(MasterFile { apex, records: reader.records })
}
