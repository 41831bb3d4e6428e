//! Composites: monitors that go by what others found.

use super::{Monitor, MonitorKind, Port};
use crate::config::Diagnostic;
use crate::config::names::Names;
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::{Located, Span};
use crate::config::spec::monitor::{AtLeastSpec, CompositeSpec};
use crate::config::spec::{RhythmSpec, Spanned};

/// A monitor that goes by others, each of which keeps its own interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Composite {
    /// How many of `parts` must be up: 1 to their number.
    pub needed: usize,
    /// What it goes by: at least one, each once. Free of loops.
    pub parts: Vec<Part>,
}

/// A monitor as a part of a composite.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which monitor.
    pub monitor: usize,
    /// Where the composite names it.
    pub span: Span,
}

impl Composite {
    /// All parts must be up.
    pub(super) fn all(
        name: &Located<String>,
        spec: CompositeSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let parts = parts(&spec.monitors, names, reader);
        monitor(name, Composite { needed: parts.len(), parts }, reader)
    }

    /// One part must be up.
    pub(super) fn any(
        name: &Located<String>,
        spec: CompositeSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let parts = parts(&spec.monitors, names, reader);
        monitor(name, Composite { needed: 1, parts }, reader)
    }

    /// So many parts must be up.
    pub(super) fn at_least(
        name: &Located<String>,
        spec: AtLeastSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let parts = parts(&spec.monitors, names, reader);
        let count = reader.integer("count", Some(&spec.count), 1..=i64::from(u32::MAX), 1);
        let needed = usize::try_from(count).unwrap_or(1);
        let written = spec.monitors.value.len();
        // An empty list, and a name that nobody knows, are errors of their own.
        if needed > written && written > 0 {
            let message = format!("`count` is {needed}, and there are {written} monitors");
            reader.invalid(&spec.count.range, message, "the members could never be up");
        }
        monitor(name, Composite { needed, parts }, reader)
    }
}

fn monitor(name: &Located<String>, composite: Composite, reader: &mut Reader<'_>) -> Monitor {
    // Its parts have theirs; nothing looks at this one.
    let rhythm = Rhythm::resolve(RhythmSpec::default(), reader);
    rhythm.monitor(name, MonitorKind::Composite(composite), Port::Needless)
}

fn parts(
    written: &Spanned<Vec<Spanned<String>>>,
    names: &Names,
    reader: &mut Reader<'_>,
) -> Vec<Part> {
    if written.value.is_empty() {
        let help = "name at least one monitor";
        reader.invalid(&written.range, "`monitors` is empty", help);
    }
    let mut parts: Vec<Part> = Vec::with_capacity(written.value.len());
    for word in &written.value {
        let Some(monitor) = names.monitor(word, reader) else { continue };
        let span = reader.span(&word.range);
        if let Some(first) = parts.iter().find(|part| part.monitor == monitor) {
            let message = format!("monitor `{}` is listed twice", word.value);
            let d = Diagnostic::error("duplicate-value", message).at(&span, "again here");
            reader.found.push(d.and(&first.span, "first here").help("remove one of them"));
            continue;
        }
        parts.push(Part { monitor, span });
    }
    parts
}

/// The monitors at and below one, it first; each once. Ends on loops.
pub(in crate::config) fn below(monitors: &[Option<Monitor>], index: usize) -> Vec<usize> {
    let mut seen = vec![index];
    let mut at = 0;
    while let Some(&next) = seen.get(at) {
        at += 1;
        if let Some(Monitor { kind: MonitorKind::Composite(composite), .. }) = &monitors[next] {
            for part in &composite.parts {
                if !seen.contains(&part.monitor) {
                    seen.push(part.monitor);
                }
            }
        }
    }
    seen
}

/// The monitors at and below one that check something themselves; each once.
pub(in crate::config) fn leaves(
    monitors: &[Option<Monitor>],
    index: usize,
) -> impl Iterator<Item = &Monitor> {
    let all = below(monitors, index).into_iter().filter_map(|at| monitors[at].as_ref());
    all.filter(|monitor| !matches!(monitor.kind, MonitorKind::Composite(_)))
}
