//! What can be wrong with a master file, and where.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::scanner::SyntaxError;
use crate::wire::types::UnknownType;
use crate::wire::{NameError, Type};
use crate::zone::Site;
use crate::zone::rdata::DataError;

/// One mistake in a master file. Its text is `file:line:column: what is wrong, what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{site}: {problem}")]
pub struct ParseError {
    /// File, line and column of the first octet at fault.
    pub site: Site,
    /// The octets at fault, counted from the start of the file; empty where something is missing.
    pub span: Range<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a master file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Quotes or parentheses do not match.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A directive that does not exist.
    #[error(
        "`{0}` is no directive: there are $ORIGIN, $TTL, $INCLUDE and $GENERATE; an owner name \
         that starts with a dollar sign is written `\\$`"
    )]
    Directive(String),
    /// A directive lacks an argument.
    #[error("the directive ends where {0} should stand: add it")]
    MissingArgument(&'static str),
    /// Something stands behind the last argument of a directive.
    #[error("`{0}` stands behind the end of the directive: remove it")]
    Extra(String),
    /// A name in quotes.
    #[error("{0} is written without quotes")]
    Quoted(&'static str),
    /// A name is no name.
    #[error("`{found}` is not a domain name: {error}")]
    Name {
        /// What stands there.
        found: String,
        /// Why.
        error: NameError,
    },
    /// The first record leaves its owner blank.
    #[error("the line starts with a blank, but no record before it has an owner: write the owner")]
    NoOwner,
    /// A TTL is no time.
    #[error("`{0}` is not a TTL: write seconds up to 2147483647, or a time like 1h30m (RFC 2181)")]
    Ttl(String),
    /// No TTL in the record, none before it, and no `$TTL`.
    #[error("the record has no TTL, and none stands before it: write one, or `$TTL 1h` on top")]
    NoTtl,
    /// A class other than IN.
    #[error("class {0} is not served: only IN is, and may be left out")]
    Class(String),
    /// A record ends before its type.
    #[error("the record ends where its type should stand: add type and data")]
    MissingType,
    /// A word that is no type.
    #[error(transparent)]
    UnknownType(#[from] UnknownType),
    /// A type that never stands in a zone.
    #[error("{0} records cannot stand in a zone: they exist only in messages")]
    Meta(Type),
    /// The data is not that of its type.
    #[error("{rtype}: {error}")]
    Data {
        /// The type.
        rtype: Type,
        /// What is wrong with the data.
        error: DataError,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The files of the zone together are too large.
    #[error("the files of this zone hold more than {0} octets together")]
    Large(u64),
    /// `$INCLUDE` where there are no files.
    #[error("$INCLUDE has no meaning here: this zone does not come from a file")]
    IncludeRefused,
    /// `$INCLUDE` of a file that is being read.
    #[error("{} includes itself, here or through files between", .0.display())]
    IncludeLoop(PathBuf),
    /// `$INCLUDE` too deep.
    #[error("files include each other more than {0} deep")]
    IncludeDepth(usize),
    /// `$INCLUDE` too often.
    #[error("the zone includes more than {0} files")]
    IncludeCount(usize),
    /// `$GENERATE` with a range that is none.
    #[error("`{0}` is not a range: write start-stop or start-stop/step, as in 1-254 or 0-100/2")]
    Range(String),
    /// `$GENERATE` with a `$` that cannot be replaced.
    #[error(
        "`{0}` is not a replacement: write $ or ${{offset,width,base}} with base d, o, x, X, n \
         or N; `\\$` is a dollar sign"
    )]
    Replacement(String),
    /// `$GENERATE` below zero.
    #[error("for {value} the replacement with offset {offset} is below zero")]
    Negative {
        /// The value of the range.
        value: i64,
        /// The offset.
        offset: i64,
    },
    /// `$GENERATE` too often.
    #[error(
        "the $GENERATE directives of this zone make more than {records} records or {octets} octets"
    )]
    TooManyGenerated {
        /// The bound on records.
        records: u64,
        /// The bound on octets of their text.
        octets: u64,
    },
}

impl Problem {
    pub(super) fn unreadable(path: &std::path::Path, error: &io::Error) -> Problem {
        Problem::Unreadable { path: path.to_owned(), reason: error.to_string() }
    }
}
