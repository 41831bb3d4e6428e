//! One file being read: turns octets into places, values into what they mean, and collects
//! what is wrong instead of stopping at it.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::decode::{Misfit, MisfitKind};
use super::diagnostic::Diagnostic;
use super::place::NoPlace;
use super::source::{Source, Span};
use super::spec::{NotYet, Spanned};
use super::{duration, suggest};

/// A file being read, and the list that everything wrong goes to.
pub(super) struct Reader<'a> {
    pub(super) source: Arc<Source>,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &Arc<Source>, found: &'a mut Vec<Diagnostic>) -> Reader<'a> {
        Reader { source: Arc::clone(source), found }
    }

    /// Parses the file as TOML. `None` when it is not; all mistakes are reported.
    pub(super) fn parse<'s>(&mut self, source: &'s Arc<Source>) -> Option<DeTable<'s>> {
        let (table, mut errors) = DeTable::parse_recoverable(source.text());
        if errors.is_empty() {
            return Some(table.into_inner());
        }
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        errors.sort_by_key(start);
        let mut done_until = None;
        for error in errors {
            // A mistake throws the parser off for the rest of its line or table, and what it
            // reports there would only confuse.
            let is_next = done_until.is_none_or(|until| start(&error) > until);
            // The same with a value over several lines that does not end: for all that follows.
            let runs_on = ["missing comma", "missing key", "unclosed"]
                .iter()
                .any(|message| error.message().starts_with(message));
            if is_next || (!runs_on && Some(start(&error)) == done_until) {
                done_until = Some(self.syntax_error(error.message(), error.span().unwrap_or(0..0)));
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

    pub(super) fn span(&self, range: &Range<usize>) -> Span {
        Span::new(&self.source, range.clone())
    }

    /// Reports that a value cannot be meant.
    pub(super) fn invalid(&mut self, range: &Range<usize>, message: impl Into<String>, help: &str) {
        let d = Diagnostic::error("invalid-value", message).at(&self.span(range), "");
        self.found.push(if help.is_empty() { d } else { d.help(help) });
    }

    /// A place, or a report that it is none.
    pub(super) fn place<T>(
        &mut self,
        range: &Range<usize>,
        place: Result<T, NoPlace>,
    ) -> Option<T> {
        match place {
            Ok(place) => Some(place),
            Err(NoPlace { message, help }) => {
                let d = Diagnostic::error("invalid-place", message).at(&self.span(range), "");
                self.found.push(d.help(help));
                None
            }
        }
    }

    /// An integer in `bounds`, by default `default`.
    pub(super) fn integer(
        &mut self,
        key: &str,
        value: Option<&Spanned<i64>>,
        bounds: RangeInclusive<i64>,
        default: i64,
    ) -> i64 {
        let Some(Spanned { value, range }) = value else { return default };
        if bounds.contains(value) {
            return *value;
        }
        let (least, most) = bounds.into_inner();
        self.invalid(range, format!("`{key}` must be from {least} to {most}, not {value}"), "");
        default
    }

    /// A duration in `bounds`, by default `default`.
    pub(super) fn duration(
        &mut self,
        key: &str,
        value: Option<&Spanned<String>>,
        bounds: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(Spanned { value: text, range }) = value else { return default };
        match duration::parse(text) {
            None => self.invalid(
                range,
                format!("`{text}` is not a duration"),
                "write a number and a unit (ms, s, m, h, d), such as \"500ms\", \"5s\" or \"10m\"",
            ),
            Some(duration) if bounds.contains(&duration) => return duration,
            Some(_) => {
                let (least, most) = bounds.into_inner();
                let (least, most) = (duration::show(least), duration::show(most));
                self.invalid(
                    range,
                    format!("`{key}` must be from {least} to {most}, not {text}"),
                    "",
                );
            }
        }
        default
    }

    /// A path, relative to the file it is written in.
    pub(super) fn path(&self, value: &str) -> PathBuf {
        self.source.path().parent().unwrap_or_else(|| "".as_ref()).join(value)
    }

    /// Accepts a key that is not yet supported only at its default, if it has one.
    pub(super) fn not_yet(
        &mut self,
        key: &str,
        value: Option<&Spanned<NotYet>>,
        default: Option<toml::Value>,
    ) {
        let Some(Spanned { value: NotYet(value), range }) = value else { return };
        let same = match (value, &default) {
            // 0 and 0.0 are one number.
            (toml::Value::Integer(0), Some(toml::Value::Float(f))) => *f == 0.0,
            (toml::Value::Float(f), Some(toml::Value::Integer(0))) => *f == 0.0,
            (value, default) => Some(value) == default.as_ref(),
        };
        if same {
            return;
        }
        let d = Diagnostic::error("not-yet-supported", format!("`{key}` is not yet supported"))
            .at(&self.span(range), "");
        self.found.push(match default {
            Some(default) => d.help(format!("remove it, or leave it at its default, `{default}`")),
            None => d.help("remove it"),
        });
    }

    /// Reports what does not fit in a table. `table` is how the table is named in messages,
    /// `of_kinds` which kinds of it know a key.
    pub(super) fn misfits(
        &mut self,
        table: &str,
        misfits: &[Misfit],
        of_kinds: impl Fn(&str) -> Vec<String>,
    ) {
        // A key that is missing because it is mistyped, or because a name fell apart at its dots,
        // is one mistake and not two.
        let explains = |missing: &str, misfit: &Misfit| match &misfit.kind {
            MisfitKind::UnknownKey(key, known, is_table) => {
                *is_table || suggest::nearest(key, known.iter().copied()) == Some(missing)
            }
            _ => false,
        };
        let explained = |missing: &str| misfits.iter().any(|misfit| explains(missing, misfit));
        let is_own = |misfit: &&Misfit| match misfit.kind {
            MisfitKind::MissingKey(key) => !explained(key),
            _ => true,
        };
        for Misfit { range, key, kind } in misfits.iter().filter(is_own).cloned() {
            let span = self.span(&range.unwrap_or(0..0));
            self.found.push(match kind {
                MisfitKind::UnknownKey(key, known, is_table) => {
                    let d = unknown_key(&key, &format!("in {table}"), known, &span);
                    let kinds = of_kinds(&key);
                    if !kinds.is_empty() {
                        let kinds = suggest::list(kinds.iter().map(String::as_str));
                        Diagnostic { help: vec![format!("`{key}` belongs to kind {kinds}")], ..d }
                    } else if is_table {
                        d.help("if the dot is part of a name, put the name in quotes")
                    } else {
                        d
                    }
                }
                MisfitKind::UnknownWord(word, known) => {
                    let key = key.unwrap_or_else(|| "kind".to_owned());
                    let d = Diagnostic::error(
                        "unknown-value",
                        format!("`{word}` is not a value of `{key}`"),
                    );
                    let d =
                        d.at(&span, format!("expected {}", suggest::list(known.iter().copied())));
                    with_suggestion(d, &word, known.iter().copied())
                }
                MisfitKind::NotYetKind(word, known) => Diagnostic::error(
                    "not-yet-supported",
                    format!("kind `{word}` is not yet supported"),
                )
                .at(&span, "")
                .help(format!("use {}", suggest::list(known.iter().copied()))),
                MisfitKind::MissingKey(key) => {
                    Diagnostic::error("missing-key", format!("`{key}` is missing in {table}"))
                        .at(&span, format!("needs `{key}`"))
                }
                MisfitKind::WrongType(expected, found) => {
                    let what = key.map_or_else(|| table.to_owned(), |key| format!("`{key}`"));
                    let message = format!("{what} must be {expected}, not {found}");
                    Diagnostic::error("wrong-type", message).at(&span, "")
                }
                MisfitKind::Other(message) => {
                    Diagnostic::error("invalid-value", message).at(&span, "")
                }
            });
        }
    }

    /// Splits the file into its tables, each with its name; reports tables nobody knows.
    pub(super) fn tables<'s>(
        &mut self,
        root: DeTable<'s>,
        known: &'static [&'static str],
        elsewhere: (&'static [&'static str], &str),
    ) -> Vec<(&'static str, serde_spanned::Spanned<DeValue<'s>>)> {
        let mut entries: Vec<_> = root.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut tables = Vec::new();
        for (key, value) in entries {
            let span = self.span(&key.span());
            let name = key.get_ref().as_ref();
            match known.iter().find(|known| **known == name) {
                Some(known) if value.get_ref().is_table() => tables.push((*known, value)),
                Some(known) => {
                    let message = format!("`{known}` must be a table");
                    self.found.push(Diagnostic::error("wrong-type", message).at(&span, ""));
                }
                None => {
                    let mut d = unknown_key(name, "at the top level", known, &span);
                    if elsewhere.0.contains(&name) {
                        d.help = vec![elsewhere.1.to_owned()];
                    }
                    self.found.push(d);
                }
            }
        }
        tables
    }
}

fn unknown_key(key: &str, place: &str, known: &[&str], span: &Span) -> Diagnostic {
    let d = Diagnostic::error("unknown-key", format!("unknown key `{key}` {place}")).at(span, "");
    with_suggestion(d, key, known.iter().copied())
}

/// Adds the known word nearest to a mistyped one, else all that are known if they are few.
pub(super) fn with_suggestion<'k>(
    diagnostic: Diagnostic,
    word: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> Diagnostic {
    match suggest::nearest(word, known.clone()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if known.clone().into_iter().take(21).count() <= 20 => {
            let known = suggest::list(known);
            if known.is_empty() { diagnostic } else { diagnostic.help(format!("known: {known}")) }
        }
        None => diagnostic,
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
        return common_path(&before, this_line.get_ref(), name);
    }
    // On this very line, inside an inline table; or else in the table that was open last.
    let on_line = &text[line_start..duplicate.start];
    if on_line.contains('{') {
        let at = on_line.rfind(name)?;
        return Some(line_start + at..line_start + at + name.len());
    }
    common_path(last_table(&before), this_line.get_ref(), name)
}

/// The key `name` of `table` that lies on a path which `line` (one entry) goes too.
fn common_path(table: &DeTable<'_>, line: &DeTable<'_>, name: &str) -> Option<Range<usize>> {
    let (key, value) = line.iter().next()?;
    let (found, inner) = table.get_key_value(key)?;
    match (inner.get_ref(), value.get_ref()) {
        (DeValue::Table(inner), DeValue::Table(value)) if !value.is_empty() => {
            common_path(inner, value, name)
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
