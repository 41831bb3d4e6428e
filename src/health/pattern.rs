//! Regular expressions that a body or a header must match.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Octets that a compiled expression may take; one of `a{1000}{1000}` would take a gigabyte.
const LARGEST: usize = 256 * 1024;

/// A regular expression in the syntax of the `regex` crate: time to match is linear in the text.
/// It may match anywhere unless it says `^` or `$`.
#[derive(Clone)]
pub struct Pattern(Regex);

/// Not a regular expression that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not one at all.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// Too large once compiled.
    #[error("the regular expression is too large: compiled it takes over {} KiB", LARGEST / 1024)]
    TooLarge,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is none, or takes too much memory.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let built = RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        built.map(Pattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            // The last line of several says what is wrong; those before draw the expression.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                PatternError::Syntax(last.trim_start_matches("error: ").to_owned())
            }
        })
    }

    /// Whether it matches somewhere.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.as_str() == other.as_str()
    }
}

/// As it was written: a monitor's fingerprint is made of this.
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_anywhere_and_any_octets() {
        let pattern = Pattern::parse(r"(?i)pool: \d+ up").unwrap();
        assert!(pattern.matches(b"\xff Pool: 12 UP\n"));
        assert!(!pattern.matches(b"pool: none up"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_one_line() {
        let error = Pattern::parse("a(b").unwrap_err().to_string();
        assert_eq!(error, "not a regular expression: unclosed group");
        assert_eq!(Pattern::parse("(a{1000}){1000}").unwrap_err(), PatternError::TooLarge);
    }
}
