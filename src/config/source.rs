//! Text files and places in them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::conceal;

/// One file as it was read: its path and its text.
pub struct Source {
    path: PathBuf,
    text: String,
    /// Whether it is configuration, which may have secrets in it.
    is_configuration: bool,
    /// The text without them, once somebody wants to see it: every mistake in a file shows it.
    shown: OnceLock<String>,
    /// Where each line starts: every pool, policy and rule asks for its line, and counting from
    /// the top each time would take minutes in a file of many thousands.
    lines: Vec<usize>,
}

impl Source {
    /// A file by the path it is shown with. The text may come from anywhere.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source::of(path.into(), text.into(), false))
    }

    /// The same for a file of the configuration: nobody is shown its secrets.
    pub fn configuration(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source::of(path.into(), text.into(), true))
    }

    fn of(path: PathBuf, text: String, is_configuration: bool) -> Source {
        let after = text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n');
        let lines = std::iter::once(0).chain(after.map(|(at, _)| at + 1)).collect();
        Source { path, text, is_configuration, shown: OnceLock::new(), lines }
    }

    /// The path, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text as it may be shown to anybody: with stars for secrets, and every octet in its
    /// place.
    pub fn shown(&self) -> &str {
        match self.is_configuration {
            true => self.shown.get_or_init(|| conceal::starred(&self.text)),
            false => &self.text,
        }
    }

    /// The place `line` and `column` (octets), both counted from 1, to the end of the word that
    /// stands there. A place outside the text is moved to its nearest end.
    pub fn at(self: &Arc<Source>, line: u32, column: u32) -> Span {
        let before = line.saturating_sub(1) as usize;
        let line_start = self.lines.get(before).copied().unwrap_or(self.text.len());
        let rest = &self.text[line_start..];
        let line_length = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let start = line_start + line_length.min(column.saturating_sub(1) as usize);
        let start = (0..=start).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0);
        let word = &self.text[start..line_start + line_length];
        let length = word.find(char::is_whitespace).unwrap_or(word.len());
        Span::new(self, start..start + length)
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.path == other.path && self.text == other.text
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.path.display())
    }
}

/// A run of octets in a [`Source`].
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    source: Arc<Source>,
    range: Range<usize>,
}

impl Span {
    /// The octets `range` of `source`; cut to the text and to whole characters.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Span {
        let text = source.text();
        let boundary = |at: usize| {
            let at = at.min(text.len());
            (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
        };
        let start = boundary(range.start);
        let end = boundary(range.end).max(start);
        Span { source: Arc::clone(source), range: start..end }
    }

    /// The file it is in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The octets of the file's text.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The text it covers.
    pub fn text(&self) -> &str {
        &self.source.text[self.range.clone()]
    }

    /// Whether any of it is of a secret.
    pub fn is_secret(&self) -> bool {
        self.source.shown()[self.range.clone()] != *self.text()
    }

    /// Where it starts, for people.
    pub fn site(&self) -> Site {
        let Source { path, text, lines, .. } = &*self.source;
        let start = self.range.start;
        // The first line starts at 0, so there is one that starts here or before.
        let line = lines.partition_point(|line_start| *line_start <= start);
        let column = text[lines[line - 1]..start].chars().count() + 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Site { file: path.clone(), line: count(line), column: count(column) }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.site(), f)
    }
}

/// A place as `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// The file, as it was opened.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_knows_its_line_and_column() {
        let source = Source::new("a.toml", "x = 1\n\u{e9} = 22\n");
        let span = Span::new(&source, 11..13);
        assert_eq!(span.text(), "22");
        assert_eq!(span.site().to_string(), "a.toml:2:5");
    }

    #[test]
    fn a_span_is_cut_to_the_text() {
        let source = Source::new("a.toml", "\u{e9}");
        assert_eq!(Span::new(&source, 1..9).text(), "\u{e9}");
        assert_eq!(Span::new(&source, 7..9).range(), 2..2);
    }

    #[test]
    fn a_line_and_column_give_the_word_there() {
        let source = Source::new("z.zone", "first\r\nwww A 1.2.3\r\n");
        assert_eq!(source.at(2, 5).text(), "A");
        assert_eq!(source.at(1, 1).text(), "first");
        assert_eq!(source.at(1, 99).range(), 5..5);
        assert_eq!(source.at(99, 1).range(), 20..20);
    }
}
