//! One resource record as a master file gives it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::wire::{Name, Type};

/// A resource record of class IN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The owner name, in the case of the file.
    pub owner: Name,
    /// Time to live in seconds, 0 to 2^31 - 1 (RFC 2181 section 8).
    pub ttl: u32,
    /// The type, never a meta type.
    pub rtype: Type,
    /// The data in wire form; names in it uncompressed.
    pub rdata: Box<[u8]>,
    /// Where it stands.
    pub site: Site,
}

/// A place in a master file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The file, as it was opened.
    pub file: Arc<PathBuf>,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in octets, counted from 1.
    pub column: u32,
}

impl fmt::Display for Site {
    /// `file:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}
