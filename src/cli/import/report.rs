//! The report of an import: what was taken over exactly, nearly, or not, and what is left to do.

use std::fmt::Write;

use super::draft::{Draft, Fate, Note};
use crate::cli::report::plural;

/// How many things met with each fate.
pub(super) fn count(draft: &Draft, fate: Fate) -> usize {
    draft.notes.iter().filter(|note| note.fate == fate).count()
}

/// One line that says how it went.
pub(super) fn summary(draft: &Draft) -> String {
    format!(
        "{}, {}, {}, {}: {} taken over exactly, {} approximated, {} not taken over",
        plural(draft.zones.len(), "zone"),
        plural(draft.records.len(), "steered record"),
        plural(draft.pools.len(), "pool"),
        plural(draft.monitors.len(), "monitor"),
        count(draft, Fate::Exact),
        count(draft, Fate::Approximated),
        count(draft, Fate::Left),
    )
}

/// The report as Markdown.
pub(super) fn document(draft: &Draft, source: &str) -> String {
    let mut out = format!("# Import from {source}\n\n{}.\n", summary(draft));
    for (fate, title, remark) in [
        (Fate::ToDo, "To do", "Only you know these."),
        (Fate::Left, "Not taken over", "Each with the reason."),
        (Fate::Approximated, "Approximated", "Nearly the same; each with the difference."),
        (Fate::Exact, "Exactly", "The same clients get the same answers."),
    ] {
        let notes: Vec<&Note> = draft.notes.iter().filter(|note| note.fate == fate).collect();
        if notes.is_empty() {
            continue;
        }
        // Writing into a String does not fail.
        let _ = writeln!(out, "\n## {title}\n\n{remark}\n");
        for note in notes {
            let place =
                if note.place.is_empty() { String::new() } else { format!("{}: ", note.place) };
            let how = if note.how.is_empty() { String::new() } else { format!(": {}", note.how) };
            let line = format!("- {place}{}{how}", note.what);
            let _ = writeln!(out, "{}", line.replace(['\n', '\r'], " "));
        }
    }
    out
}
