//! From text to TOML, and what is wrong when it is none.
//!
//! Chooses, among all that the parser reports, what a person should read: the parser recovers
//! and goes on, and part of what it then finds only follows from the first mistake.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::reader::Reader;
use super::source::Source;

impl Reader<'_> {
    /// Parses the file as TOML. `None` when it is not; all mistakes are reported.
    pub(super) fn parse<'s>(&mut self, source: &'s Arc<Source>) -> Option<DeTable<'s>> {
        let (table, mut errors) = DeTable::parse_recoverable(source.text());
        if errors.is_empty() {
            return Some(table.into_inner());
        }
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        errors.sort_by_key(start);
        let mut done_until = None;
        let mut in_string = false;
        for error in errors {
            // A mistake throws the parser off for the rest of its line or table, and what it
            // reports there would only confuse.
            let is_next = done_until.is_none_or(|until| start(&error) > until);
            // The same with a value over several lines that does not end: for all that follows.
            let message = error.message();
            let runs_on =
                ["missing comma", "missing key for inline", "unclosed array", "unclosed inline"]
                    .iter()
                    .any(|start| message.starts_with(start));
            if runs_on && in_string {
                break;
            }
            if is_next || (!runs_on && Some(start(&error)) == done_until) {
                done_until = Some(self.syntax_error(message, error.span().unwrap_or(0..0)));
                in_string = message.starts_with("invalid") && message.contains("string");
            }
            if runs_on {
                break;
            }
        }
        None
    }

    /// Reports a TOML error; gives the place before which further ones only follow from it.
    fn syntax_error(&mut self, message: &str, range: Range<usize>) -> usize {
        if message == "duplicate key" {
            return self.duplicate_key(range);
        }
        let span = self.span(&range);
        let bare = message.starts_with("string values must be quoted");
        let (message, help) = match span.text() {
            "" if bare => ("a value is missing".to_owned(), None),
            word if bare => {
                let word = if span.is_secret() { "…" } else { word };
                ("a string without quotes".to_owned(), Some(format!("write \"{word}\"")))
            }
            _ => (message.to_owned(), None),
        };
        let d = Diagnostic::error("syntax", format!("not valid TOML: {message}")).at(&span, "");
        self.found.push(help.into_iter().fold(d, Diagnostic::help));
        self.line_end(span.range().end)
    }

    fn duplicate_key(&mut self, range: Range<usize>) -> usize {
        let span = self.span(&range);
        let (start, end) = (span.range().start, span.range().end);
        let text = self.source.text();
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let is_header = text[line_start..].trim_start().starts_with('[');
        let (kind, advice, done_until) = match is_header {
            // Every key of the second table is a duplicate too.
            true => {
                let next = text[end..].find("\n[").map_or(text.len(), |n| end + n + 1);
                ("table", "rename one, or merge the two", next)
            }
            false => ("key", "remove one of them", self.line_end(end)),
        };
        let message = format!("the {kind} `{}` is there twice", span.text());
        let mut d = Diagnostic::error("duplicate-key", message).at(&span, "again here");
        if let Some(first) = first_of(text, line_start, span.range()) {
            d = d.and(&self.span(&first), "first here");
        }
        self.found.push(d.help(advice));
        done_until
    }

    fn line_end(&self, at: usize) -> usize {
        let text = self.source.text();
        text[at..].find('\n').map_or(text.len(), |n| at + n + 1)
    }
}

/// Where a duplicate key or table header stood first: what the part of the file before the
/// line of the duplicate holds under the same path.
fn first_of(text: &str, line_start: usize, duplicate: Range<usize>) -> Option<Range<usize>> {
    let (before, _) = DeTable::parse_recoverable(&text[..line_start]);
    let before = before.into_inner();
    let name = &text[duplicate.clone()];
    let line = text[line_start..].lines().next()?;
    let (this_line, _) = DeTable::parse_recoverable(line);
    if line.trim_start().starts_with('[') {
        return common_path(&before, this_line.get_ref());
    }
    // On this very line, inside an inline table; or else in the table that was open last.
    let on_line = &text[line_start..duplicate.start];
    if on_line.contains('{') {
        let at = on_line.rfind(name)?;
        return Some(line_start + at..line_start + at + name.len());
    }
    common_path(last_table(&before), this_line.get_ref())
}

/// The key of `table` that lies at the end of the path which `line` (one entry) goes.
fn common_path(table: &DeTable<'_>, line: &DeTable<'_>) -> Option<Range<usize>> {
    let (key, value) = line.iter().next()?;
    let (found, inner) = table.get_key_value(key)?;
    match (inner.get_ref(), value.get_ref()) {
        (DeValue::Table(inner), DeValue::Table(value)) if !value.is_empty() => {
            common_path(inner, value)
        }
        _ => Some(found.span()),
    }
}

/// The table whose header stands last in the file.
fn last_table<'t, 'i>(root: &'t DeTable<'i>) -> &'t DeTable<'i> {
    fn search<'t, 'i>(table: &'t DeTable<'i>, last: &mut (usize, &'t DeTable<'i>)) {
        for value in table.values() {
            let tables: Vec<_> = match value.get_ref() {
                DeValue::Table(inner) => vec![(value.span().start, inner)],
                DeValue::Array(items) => {
                    let tables = items.iter().map(|item| (item.span(), item.get_ref()));
                    tables.filter_map(|(span, item)| Some((span.start, item.as_table()?))).collect()
                }
                _ => vec![],
            };
            for (start, inner) in tables {
                if start >= last.0 {
                    *last = (start, inner);
                }
                search(inner, last);
            }
        }
    }
    let mut last = (0, root);
    search(root, &mut last);
    last.1
}
