//! Octets of a master file to entries and tokens (RFC 1035 section 5.1).
//!
//! Knows blanks, comments, parentheses, quotes and line ends. Escapes stay in the tokens as they
//! are written; what a token means is not known here. Nothing is copied.

use std::ops::Range;

/// Why octets are not a run of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A quoted string reaches the end of its line.
    #[error("this quote is not closed on its line: add the closing `\"`")]
    OpenQuote,
    /// The file ends within parentheses.
    #[error("this parenthesis is never closed: add the closing `)`")]
    OpenParenthesis,
    /// A closing parenthesis without an opening one.
    #[error("there is no open parenthesis to close: remove the `)` or write it as `\\)`")]
    StrayParenthesis,
    /// A quote within a word.
    #[error("a quote stands within a word: quote the whole string, or write the quote as `\\\"`")]
    QuoteInWord,
}

/// Something wrong, and the octets where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault<E> {
    /// The octets, counted from the start of the text.
    pub(crate) span: Range<usize>,
    /// What is wrong there.
    pub(crate) error: E,
}

impl<E> Fault<E> {
    /// The same place with the error of an outer layer.
    pub(crate) fn map<F>(self, outer: impl FnOnce(E) -> F) -> Fault<F> {
        Fault { span: self.span, error: outer(self.error) }
    }
}

/// A word or a quoted string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The octets as written, without the quotes around them, escapes not yet decoded.
    pub(crate) raw: &'a [u8],
    /// Where it starts, its opening quote included.
    pub(crate) start: usize,
    /// Whether it is a quoted string.
    pub(crate) quoted: bool,
}

impl Token<'_> {
    /// Its octets in the text, quotes included.
    pub(crate) fn span(&self) -> Range<usize> {
        let quotes = if self.quoted { 2 } else { 0 };
        self.start..self.start + self.raw.len() + quotes
    }

    /// Something wrong with this token.
    pub(crate) fn fault<E>(&self, error: E) -> Fault<E> {
        Fault { span: self.span(), error }
    }

    /// Whether it is this word, not quoted.
    pub(crate) fn is_word(&self, word: &[u8]) -> bool {
        !self.quoted && self.raw == word
    }
}

/// Where an entry starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryStart {
    /// Whether its line starts with a blank: the owner is the last one.
    pub(crate) blank: bool,
    /// The line, counted from 1.
    pub(crate) line: u32,
}

/// Reads entry by entry, and each entry token by token.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    /// The end of the last token: where a missing one is missed.
    last_end: usize,
    /// How many parentheses are open, and where the first of them stands.
    depth: u32,
    opened: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Octet {
    Plain,
    Blank,
    Newline,
    Open,
    Close,
    Comment,
    Quote,
    Escape,
}

const OCTETS: [Octet; 256] = {
    let mut table = [Octet::Plain; 256];
    table[b' ' as usize] = Octet::Blank;
    table[b'\t' as usize] = Octet::Blank;
    table[b'\r' as usize] = Octet::Blank;
    table[b'\n' as usize] = Octet::Newline;
    table[b'(' as usize] = Octet::Open;
    table[b')' as usize] = Octet::Close;
    table[b';' as usize] = Octet::Comment;
    table[b'"' as usize] = Octet::Quote;
    table[b'\\' as usize] = Octet::Escape;
    table
};

impl<'a> Scanner<'a> {
    /// Reads `text` from its start; a byte order mark there is passed over.
    pub(crate) fn new(text: &'a [u8]) -> Scanner<'a> {
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Scanner { text, at, line: 1, line_start: 0, last_end: at, depth: 0, opened: 0 }
    }

    /// The column of an offset in the line last read, in octets from 1.
    pub(crate) fn column(&self, offset: usize) -> u32 {
        u32::try_from(offset.saturating_sub(self.line_start)).unwrap_or(u32::MAX - 1) + 1
    }

    /// The line now read, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// Where it stands: behind [`at_end`](Scanner::at_end), at the next token.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The place just behind the last token.
    pub(crate) fn missing<E>(&self, error: E) -> Fault<E> {
        Fault { span: self.last_end..self.last_end, error }
    }

    /// Goes to the next line that holds more than a comment; `None` at the end of the text.
    /// The entry before must be at its end.
    pub(crate) fn next_entry(&mut self) -> Option<EntryStart> {
        loop {
            let octet = *self.text.get(self.at)?;
            match OCTETS[usize::from(octet)] {
                Octet::Newline => self.newline(),
                Octet::Comment => self.comment(),
                class => {
                    self.last_end = self.at;
                    return Some(EntryStart { blank: class == Octet::Blank, line: self.line });
                }
            }
        }
    }

    /// The next token of this entry; `None` at the entry's end.
    pub(crate) fn token(&mut self) -> Result<Option<Token<'a>>, Fault<SyntaxError>> {
        self.next(false)
    }

    /// The next token, which may be `key="quoted value"` (RFC 9460 section 2.1); the quotes of
    /// the value stay in the token.
    pub(crate) fn pair(&mut self) -> Result<Option<Token<'a>>, Fault<SyntaxError>> {
        self.next(true)
    }

    /// Whether the next token of this entry is the word `\#` (RFC 3597 section 5).
    pub(crate) fn at_generic(&mut self) -> Result<bool, Fault<SyntaxError>> {
        if self.skip()? != Some(Octet::Escape) {
            return Ok(false);
        }
        let mut ahead = self.clone();
        Ok(ahead.token()?.is_some_and(|token| token.is_word(b"\\#")))
    }

    /// Whether the entry has no more tokens.
    pub(crate) fn at_end(&mut self) -> Result<bool, Fault<SyntaxError>> {
        Ok(self.skip()?.is_none())
    }

    /// Goes to the end of this entry after an error in it. Tells of a parenthesis that is never
    /// closed, since all entries behind it are lost.
    pub(crate) fn skip_entry(&mut self) -> Option<Fault<SyntaxError>> {
        loop {
            match self.token() {
                Ok(None) => return None,
                Ok(Some(_)) => {}
                Err(fault) if fault.error == SyntaxError::OpenParenthesis => return Some(fault),
                Err(_) => {}
            }
        }
    }

    fn next(&mut self, pair: bool) -> Result<Option<Token<'a>>, Fault<SyntaxError>> {
        let token = match self.skip()? {
            None => return Ok(None),
            Some(Octet::Quote) => self.quoted()?,
            Some(_) => self.word(pair)?,
        };
        self.last_end = self.at;
        Ok(Some(token))
    }

    /// Goes to the start of the next token; `None` at the entry's end.
    fn skip(&mut self) -> Result<Option<Octet>, Fault<SyntaxError>> {
        loop {
            let Some(&octet) = self.text.get(self.at) else {
                if self.depth > 0 {
                    self.depth = 0;
                    let span = self.opened..self.opened + 1;
                    return Err(Fault { span, error: SyntaxError::OpenParenthesis });
                }
                return Ok(None);
            };
            match OCTETS[usize::from(octet)] {
                Octet::Blank => self.at += 1,
                Octet::Newline if self.depth == 0 => return Ok(None),
                Octet::Newline => self.newline(),
                Octet::Comment => self.comment(),
                Octet::Open => {
                    if self.depth == 0 {
                        self.opened = self.at;
                    }
                    // A file holds fewer octets than a u32 counts.
                    self.depth = self.depth.saturating_add(1);
                    self.at += 1;
                }
                Octet::Close => {
                    self.at += 1;
                    if self.depth == 0 {
                        let span = self.at - 1..self.at;
                        return Err(Fault { span, error: SyntaxError::StrayParenthesis });
                    }
                    self.depth -= 1;
                }
                class => return Ok(Some(class)),
            }
        }
    }

    fn word(&mut self, pair: bool) -> Result<Token<'a>, Fault<SyntaxError>> {
        let start = self.at;
        while let Some(&octet) = self.text.get(self.at) {
            match OCTETS[usize::from(octet)] {
                Octet::Plain => self.at += 1,
                Octet::Escape => self.escape(),
                Octet::Quote if pair && self.text[start..self.at].ends_with(b"=") => {
                    self.quoted()?;
                }
                Octet::Quote => {
                    self.at += 1;
                    let span = self.at - 1..self.at;
                    return Err(Fault { span, error: SyntaxError::QuoteInWord });
                }
                _ => break,
            }
        }
        Ok(Token { raw: &self.text[start..self.at], start, quoted: false })
    }

    fn quoted(&mut self) -> Result<Token<'a>, Fault<SyntaxError>> {
        let start = self.at;
        self.at += 1;
        while let Some(&octet) = self.text.get(self.at) {
            match OCTETS[usize::from(octet)] {
                Octet::Quote => {
                    self.at += 1;
                    let raw = &self.text[start + 1..self.at - 1];
                    return Ok(Token { raw, start, quoted: true });
                }
                Octet::Escape => self.escape(),
                Octet::Newline => break,
                _ => self.at += 1,
            }
        }
        Err(Fault { span: start..self.at, error: SyntaxError::OpenQuote })
    }

    /// Passes a backslash and what it escapes, which is never a line end.
    fn escape(&mut self) {
        let escaped = match self.text[self.at + 1..] {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] => 0,
            _ => 1,
        };
        self.at += 1 + escaped;
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
        self.line_start = self.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let mut scanner = Scanner::new(text.as_bytes());
        let mut entries = Vec::new();
        while scanner.next_entry().is_some() {
            let mut entry = Vec::new();
            while let Some(token) = scanner.token().expect("no syntax error") {
                entry.push(String::from_utf8_lossy(token.raw).into_owned());
            }
            entries.push(entry);
        }
        entries
    }

    fn first_error(text: &str) -> (SyntaxError, Range<usize>) {
        let mut scanner = Scanner::new(text.as_bytes());
        while scanner.next_entry().is_some() {
            loop {
                match scanner.token() {
                    Ok(None) => break,
                    Ok(Some(_)) => {}
                    Err(fault) => return (fault.error, fault.span),
                }
            }
        }
        panic!("no error in {text:?}");
    }

    #[test]
    fn parentheses_join_lines_and_comments_end_at_the_line() {
        assert_eq!(
            words("a ( b ; one\n\n c)d ; two\n; three\n\ne"),
            [&["a", "b", "c", "d"][..], &["e"][..]]
        );
    }

    #[test]
    fn quotes_hold_blanks_and_escaped_quotes() {
        assert_eq!(words(r#"a "b ; (c\" d" "" e\;f\ g"#), [["a", r#"b ; (c\" d"#, "", r"e\;f\ g"]]);
    }

    #[test]
    fn line_ends_of_every_kind_end_an_entry() {
        assert_eq!(
            words("a\r\nb\n\r\nc\\\r\nd"),
            [&["a"][..], &["b"][..], &[][..], &["c\\"][..], &["d"][..]]
        );
    }

    #[test]
    fn errors_point_at_the_octet() {
        assert_eq!(first_error("a \"b\nc"), (SyntaxError::OpenQuote, 2..4));
        assert_eq!(first_error("a ( b\nc"), (SyntaxError::OpenParenthesis, 2..3));
        assert_eq!(first_error("a ) b"), (SyntaxError::StrayParenthesis, 2..3));
        assert_eq!(first_error("a b\"c\""), (SyntaxError::QuoteInWord, 3..4));
    }

    #[test]
    fn a_pair_keeps_its_quoted_value() {
        let mut scanner = Scanner::new(br#"alpn="h2 h3" port=53"#);
        scanner.next_entry().expect("an entry");
        let pair = scanner.pair().expect("no error").expect("a token");
        assert_eq!(pair.raw, br#"alpn="h2 h3""#);
        assert_eq!(scanner.pair().expect("no error").expect("a token").raw, b"port=53");
    }
}
