//! What is wrong with the files, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::{Source, Span};

/// One finding, with the places it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The class of mistake, in kebab-case; stable, for searching and for tests.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` when no text could be read.
    pub primary: Option<Label>,
    /// Other places that have to do with it.
    pub secondary: Vec<Label>,
    /// What to do, one line each.
    pub help: Vec<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Probably not what was meant; the configuration works.
    Lint,
    /// The configuration cannot be used.
    Error,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The underlined text.
    pub span: Span,
    /// Stands beside the underline; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// An error that is nowhere yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message.into())
    }

    /// A lint that is nowhere yet.
    pub fn lint(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Lint, code, message.into())
    }

    /// A file that cannot be read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
        let (what, help) = match error.kind() {
            io::ErrorKind::NotFound => {
                ("there is no such file".to_owned(), "check the path, or create the file")
            }
            io::ErrorKind::PermissionDenied => {
                ("permission denied".to_owned(), "let the user that runs meridian read it")
            }
            _ => (error.to_string(), "check that the path names a readable file"),
        };
        Diagnostic::error("unreadable", format!("cannot read {}: {what}", path.display()))
            .help(help)
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Diagnostic {
        Diagnostic { severity, code, message, primary: None, secondary: vec![], help: vec![] }
    }

    /// Sets the place it is about.
    #[must_use]
    pub fn at(mut self, span: &Span, text: impl Into<String>) -> Diagnostic {
        self.primary = Some(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Adds a place that has to do with it.
    #[must_use]
    pub fn and(mut self, span: &Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// The finding as annotated source, without a newline at the end; with terminal colours if
    /// `colour`.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Lint => Level::WARNING.with_name("lint"),
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        // annotate-snippets aligns tabs and cuts lines itself; one snippet for each file.
        let snippets = self.files().into_iter().map(|source| {
            let annotations = self.labels().filter(|(_, label)| label.span.source() == source);
            Snippet::source(source.shown())
                .path(source.path().to_string_lossy().into_owned())
                .annotations(annotations.map(|(kind, label)| {
                    let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
                    kind.span(visible(&label.span)).label(text)
                }))
        });
        let mut group = Group::with_title(title).elements(snippets);
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    fn labels(&self) -> impl Iterator<Item = (AnnotationKind, &Label)> {
        let primary = self.primary.iter().map(|label| (AnnotationKind::Primary, label));
        primary.chain(self.secondary.iter().map(|label| (AnnotationKind::Context, label)))
    }

    fn files(&self) -> Vec<&Arc<Source>> {
        let mut files: Vec<&Arc<Source>> = Vec::new();
        for (_, label) in self.labels() {
            if !files.contains(&label.span.source()) {
                files.push(label.span.source());
            }
        }
        files
    }
}

impl fmt::Display for Diagnostic {
    /// As annotated source, without colours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The octets to underline: of an empty place, the character that stands there.
fn visible(span: &Span) -> std::ops::Range<usize> {
    let range = span.range();
    let next = span.source().text()[range.start..].chars().next();
    match next.filter(|c| range.is_empty() && !c.is_control()) {
        Some(c) => range.start..range.start + c.len_utf8(),
        None => range,
    }
}

/// All findings as annotated source, with an empty line between two and a newline at the end.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut text: Vec<String> = diagnostics.iter().map(|d| d.render(colour)).collect();
    text.push(String::new());
    if text.len() == 1 { String::new() } else { text.join("\n\n").trim_end().to_owned() + "\n" }
}

/// Whether one of them is an error.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_every_place_with_its_file() {
        let one = Source::new("one.toml", "[pool.a]\nmembers = []\n");
        let two = Source::new("two.toml", "\n[pool.a]\n");
        let text = Diagnostic::error("duplicate-name", "`a` is defined twice")
            .at(&Span::new(&two, 7..8), "again here")
            .and(&Span::new(&one, 6..7), "first here")
            .help("rename one of them")
            .to_string();
        let expected = "\
error[duplicate-name]: `a` is defined twice
 --> two.toml:2:7
  |
2 | [pool.a]
  |       ^ again here
  |
 ::: one.toml:1:7
  |
1 | [pool.a]
  |       - first here
  |
  = help: rename one of them";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_missing_file_needs_no_source() {
        let error = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(
            Diagnostic::unreadable(Path::new("x/y.toml"), &error).to_string(),
            "error[unreadable]: cannot read x/y.toml: there is no such file\n |\n = help: check the \
             path, or create the file"
        );
    }
}
