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
use super::spec::{DurationText, Spanned};
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
        value: Option<&Spanned<DurationText>>,
        bounds: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(Spanned { value: DurationText(text), range }) = value else { return default };
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

    /// Reports what is no JSON Pointer (RFC 6901).
    pub(super) fn json_pointer(&mut self, pointer: &Spanned<String>) {
        if !(pointer.value.is_empty() || pointer.value.starts_with('/')) {
            let message = format!("`{}` is not a JSON Pointer", pointer.value);
            let help = format!("write \"/{}\"", pointer.value.replace('.', "/"));
            self.invalid(&pointer.range, message, &help);
        }
    }

    /// A path, relative to the file it is written in.
    pub(super) fn path(&self, value: &str) -> PathBuf {
        self.source.path().parent().unwrap_or_else(|| "".as_ref()).join(value)
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
                        let kinds = suggest::any_of(kinds.iter().map(String::as_str));
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
                        d.at(&span, format!("expected {}", suggest::any_of(known.iter().copied())));
                    did_you_mean(d, &word, known.iter().copied())
                }
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

    /// Splits the file into its tables, each with its name; reports tables nobody knows. Those in
    /// `lists` are arrays of tables.
    pub(super) fn tables<'s>(
        &mut self,
        root: DeTable<'s>,
        known: &'static [&'static str],
        lists: &[&str],
        elsewhere: (&'static [&'static str], &str),
    ) -> Vec<(&'static str, serde_spanned::Spanned<DeValue<'s>>)> {
        let mut entries: Vec<_> = root.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut tables = Vec::new();
        for (key, value) in entries {
            let span = self.span(&key.span());
            let name = key.get_ref().as_ref();
            match known.iter().find(|known| **known == name) {
                Some(known) if lists.contains(known) && value.get_ref().is_array() => {
                    tables.push((*known, value));
                }
                Some(known) if lists.contains(known) => {
                    let message = format!("`{known}` must be an array of tables");
                    let d = Diagnostic::error("wrong-type", message).at(&span, "");
                    self.found.push(d.help(format!("write `[[{known}]]` with two brackets")));
                }
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

/// Adds the known word nearest to a mistyped one, if one is near.
pub(super) fn did_you_mean<'k>(
    diagnostic: Diagnostic,
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Diagnostic {
    match suggest::nearest(word, known) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// Adds the known word nearest to a mistyped one, else all that are known if they are few.
pub(super) fn with_suggestion<'k>(
    diagnostic: Diagnostic,
    word: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> Diagnostic {
    let without = diagnostic.help.len();
    let diagnostic = did_you_mean(diagnostic, word, known.clone());
    let all: Vec<String> = known.into_iter().map(|known| format!("`{known}`")).collect();
    if diagnostic.help.len() > without || all.is_empty() || all.len() > 20 {
        return diagnostic;
    }
    diagnostic.help(format!("known: {}", all.join(", ")))
}
