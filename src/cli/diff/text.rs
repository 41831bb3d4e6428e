//! The facts as text.

use std::io::{self, Write};

use super::facts::{Facts, NameFacts};
use crate::cli::simulate::{count, percent};

/// Names, countries or networks that are listed.
const LISTED: usize = 10;

/// Writes everything.
pub(super) fn write(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    if facts.is_empty() {
        return writeln!(out, "no difference");
    }
    for line in &facts.files {
        writeln!(out, "{line}")?;
    }
    if facts.names.is_empty() {
        return writeln!(out, "no client moves to another pool");
    }
    for name in &facts.names {
        writeln!(out)?;
        self::name(name, facts.unit, out)?;
    }
    Ok(())
}

fn name(facts: &NameFacts, unit: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", facts.names[..facts.names.len().min(LISTED)].join(", "))?;
    if facts.names.len() > LISTED {
        write!(out, " and {} more", facts.names.len() - LISTED)?;
    }
    writeln!(out, ": {} of the {unit} move", percent(facts.moved))?;
    for (from, to, share) in &facts.ways {
        writeln!(out, "  {:>7}  from {from} to {to}", percent(*share))?;
    }
    places("countries", &facts.countries, unit, out)?;
    places("networks", &facts.networks, unit, out)
}

fn places(
    kind: &str,
    places: &[(String, f64, f64)],
    unit: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {kind}")?;
    for (place, part, moved) in places.iter().take(LISTED) {
        writeln!(out, "  {:>7}  of {place}: {} {unit}", percent(*part), count(*moved))?;
    }
    if places.len() > LISTED {
        writeln!(out, "           and {} more", places.len() - LISTED)?;
    }
    Ok(())
}
