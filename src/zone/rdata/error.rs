//! What can be wrong with the text of a record's data.

use crate::wire::{NameError, Type};
use crate::zone::master::scanner::{SyntaxError, Token};
use crate::zone::rdata::Malformed;

/// Why a text is not the data of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Quotes or parentheses do not match.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The text ends too early.
    #[error("the record ends where {0} should stand: add it")]
    Missing(&'static str),
    /// The text goes on after the last field.
    #[error(
        "`{0}` stands behind the end of the data: remove it, quote text that holds blanks, or \
         start a comment with `;`"
    )]
    Extra(String),
    /// A field is not what it should be.
    #[error("`{found}` cannot be {field}: write {wanted}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// Which field it is.
        field: &'static str,
        /// What the field takes.
        wanted: &'static str,
    },
    /// A string stands where a word is needed.
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
    /// A character-string is over its limit.
    #[error("a string holds {0} octets and may hold 255: split it, as in \"first\" \"second\"")]
    LongString(usize),
    /// A backslash escapes nothing.
    #[error("a backslash must be followed by one character or by three digits from 000 to 255")]
    Escape,
    /// The data is longer than its length field can say.
    #[error("the data is longer than 65,535 octets")]
    Long,
    /// A type whose data has no text form here.
    #[error("{0} has no text form here: write its octets as `\\# length hexadecimal` (RFC 3597)")]
    NoTextForm(Type),
    /// `\#` with octets that do not fit their length.
    #[error("`\\#` announces {announced} octets, {found} stand there")]
    GenericLength {
        /// The number behind `\#`.
        announced: u16,
        /// How many octets follow.
        found: usize,
    },
    /// `\#` with octets that are no data of a known type.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A service parameter that is not right.
    #[error("`{found}`: {why}")]
    Parameter {
        /// What stands there.
        found: String,
        /// What is wrong and what is right.
        why: &'static str,
    },
    /// Service parameters that do not fit together.
    #[error("{0}")]
    Parameters(&'static str),
    /// A digest whose length is not that of its kind.
    #[error("this kind of digest has {wanted} octets, {found} stand there")]
    DigestLength {
        /// Octets of such a digest.
        wanted: usize,
        /// Octets found.
        found: usize,
    },
}

impl DataError {
    pub(super) fn unexpected(
        token: &Token<'_>,
        field: &'static str,
        wanted: &'static str,
    ) -> DataError {
        DataError::Unexpected { found: excerpt(token.raw), field, wanted }
    }

    pub(super) fn parameter(token: &Token<'_>, why: &'static str) -> DataError {
        DataError::Parameter { found: excerpt(token.raw), why }
    }
}

/// The start of what a message quotes, so that no message is longer than a line or two.
pub(crate) fn excerpt(raw: &[u8]) -> String {
    const SHOWN: usize = 60;
    let text = String::from_utf8_lossy(&raw[..raw.len().min(4 * SHOWN)]);
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
