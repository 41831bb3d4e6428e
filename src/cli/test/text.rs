//! The outcomes as text: a line for each case, and under those that fail what is otherwise.

use std::io::{self, Write};

use super::{Outcome, Suite};
use crate::cli::report::plural;

/// Writes everything.
pub(super) fn write(suites: &[Suite<'_>], colour: bool, out: &mut dyn Write) -> io::Result<()> {
    for suite in suites {
        writeln!(out, "{}", suite.path.display())?;
        for outcome in &suite.outcomes {
            self::outcome(outcome, colour, out)?;
        }
    }
    let count = |holds| {
        let outcomes = suites.iter().flat_map(|suite| &suite.outcomes);
        outcomes.filter(|outcome| outcome.holds() == holds).count()
    };
    let (hold, fail) = (count(true), count(false));
    writeln!(out, "{}: {hold} passed, {fail} failed", plural(hold + fail, "case"))
}

fn outcome(outcome: &Outcome, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    if outcome.holds() {
        return writeln!(out, "  {}  {}", paint("ok  ", "32", colour), outcome.title);
    }
    writeln!(out, "  {}  {} ({})", paint("FAIL", "31", colour), outcome.title, outcome.site)?;
    for line in differences(outcome) {
        writeln!(out, "        {line}")?;
    }
    writeln!(out)?;
    for line in outcome.why.lines() {
        let indent = if line.is_empty() { "" } else { "        | " };
        writeln!(out, "{indent}{line}")?;
    }
    writeln!(out)
}

/// `pool: expected eu, got us`, one for each.
pub(super) fn differences(outcome: &Outcome) -> impl Iterator<Item = String> {
    let differences = outcome.differences.iter();
    differences.map(|d| format!("{}: expected {}, got {}", d.key, d.expected, d.got))
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
