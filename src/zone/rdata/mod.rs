//! The data of records: text to octets, checks, and where names stand in it.
//!
//! One table ([`format`](self)) lists the fields of every type; reading, checking and finding
//! names walk it. Knows nothing of owners, zones or messages.

mod apl;
mod base;
mod bitmap;
mod digest;
mod error;
mod format;
mod gateway;
mod hip;
mod loc;
mod measure;
mod number;
mod read;
mod svcb;

pub use error::DataError;
pub use measure::{Malformed, NamePositions, name_positions, validate};

pub(crate) use base::{base64, unescape};
pub(crate) use error::excerpt;
pub(crate) use measure::name_len;
pub(crate) use number::period;
pub(crate) use read::read;

use std::ops::Range;

use super::master::scanner::{Fault, Scanner};
use crate::wire::types::UnknownType;
use crate::wire::{Name, Type};

/// Why a text is not a record's data, and which of its octets are at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct TextError {
    /// The octets at fault, counted from the start of the text; empty where something is missing.
    pub span: Range<usize>,
    /// What is wrong.
    pub error: TextProblem,
}

/// What is wrong with a text of data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// There is no type in front.
    #[error("a record type and its data should stand here, as in `MX 10 mail.example.com.`")]
    Empty,
    /// The first word is no record type.
    #[error(transparent)]
    Type(#[from] UnknownType),
    /// The type never stands in a zone.
    #[error("{0} records cannot stand in a zone")]
    Meta(Type),
    /// The data is not that of the type.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Reads the data of one record of type `rtype` in presentation form; relative names are
/// completed with `origin`.
///
/// # Errors
///
/// The first thing that is wrong, with the octets it stands at.
pub fn parse_text(rtype: Type, text: &str, origin: &Name) -> Result<Box<[u8]>, TextError> {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.next_entry();
    data(rtype, &mut scanner, origin)
}

/// Reads a type and its data in one text, as in `HTTPS 1 . alpn=h2`.
///
/// # Errors
///
/// As [`parse_text`]; also when the first word is no type that a zone can hold.
pub fn parse_typed(text: &str, origin: &Name) -> Result<(Type, Box<[u8]>), TextError> {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.next_entry();
    let token = scanner.token().map_err(|fault| fault.map(DataError::Syntax))?;
    let Some(token) = token else {
        return Err(TextError { span: 0..text.len(), error: TextProblem::Empty });
    };
    let refuse = |error| TextError { span: token.span(), error };
    let word = excerpt(token.raw);
    let rtype: Type = word.parse().map_err(|error| refuse(TextProblem::Type(error)))?;
    if rtype.is_meta() {
        return Err(refuse(TextProblem::Meta(rtype)));
    }
    Ok((rtype, data(rtype, &mut scanner, origin)?))
}

fn data(rtype: Type, scanner: &mut Scanner<'_>, origin: &Name) -> Result<Box<[u8]>, TextError> {
    let mut out = Vec::new();
    read(rtype, scanner, origin, &mut out)?;
    // The text is one entry: another line behind it would otherwise go unseen.
    while scanner.next_entry().is_some() {
        if let Some(token) = scanner.token().map_err(|fault| fault.map(DataError::Syntax))? {
            let error = DataError::Extra(excerpt(token.raw)).into();
            return Err(TextError { span: token.span(), error });
        }
    }
    Ok(out.into())
}

impl From<Fault<DataError>> for TextError {
    fn from(fault: Fault<DataError>) -> TextError {
        TextError { span: fault.span, error: TextProblem::Data(fault.error) }
    }
}
