//! The facts as text.

use std::io::{self, Write};

use super::facts::{Facts, FailureFacts, OutletFacts, PlaceFacts, TargetFacts};

/// Names that a heading holds.
const LISTED: usize = 4;
/// Failures that are shown.
const WORST: usize = 12;

/// Writes everything.
pub(super) fn write(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    if facts.targets.is_empty() {
        return writeln!(out, "no name is steered");
    }
    if !facts.down.is_empty() {
        writeln!(out, "down: {}\n", facts.down.join(", "))?;
    }
    for (index, target) in facts.targets.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        self::target(target, facts, out)?;
    }
    Ok(())
}

fn target(facts: &TargetFacts, all: &Facts, out: &mut dyn Write) -> io::Result<()> {
    let unit = all.unit;
    write!(out, "{}", facts.names[..facts.names.len().min(LISTED)].join(", "))?;
    if facts.names.len() > LISTED {
        write!(out, " and {} more", facts.names.len() - LISTED)?;
    }
    writeln!(out, " (by {}): {} {unit}", facts.target, count(facts.clients))?;
    let width = facts.outlets.iter().map(|outlet| outlet.outlet.len()).max().unwrap_or(0).max(6);
    let heading = if all.total.is_some() { "  load of capacity" } else { "" };
    writeln!(
        out,
        "  {:<width$}  {:>7}  {:>8}  {:>15}  {:>13}{heading}",
        "pool", "share", unit, "km, half / 95 %", "about ms"
    )?;
    for outlet in &facts.outlets {
        self::outlet(outlet, width, out)?;
    }
    places("continent", &facts.continents, out)?;
    places("country", &facts.countries, out)?;
    failures(&facts.failures, out)?;
    if let Some(map) = &facts.map {
        writeln!(out)?;
        for row in &map.rows {
            writeln!(out, "  {row}")?;
        }
        for (letter, outlet) in &map.legend {
            writeln!(out, "  {letter} {outlet}")?;
        }
    }
    Ok(())
}

fn outlet(facts: &OutletFacts, width: usize, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "  {:<width$}  {:>7}  {:>8}",
        facts.outlet,
        percent(facts.share),
        count(facts.clients)
    )?;
    let (km, ms) = match (facts.km, facts.ms) {
        (Some((half_km, most_km)), Some((half_ms, most_ms))) => {
            (format!("{half_km:.0} / {most_km:.0}"), format!("{half_ms:.0} / {most_ms:.0}"))
        }
        _ if facts.burden.is_none() => return writeln!(out),
        _ => Default::default(),
    };
    write!(out, "  {km:>15}  {ms:>13}")?;
    if let Some(burden) = &facts.burden {
        let (expected, capacity) = (count(burden.expected), count(burden.capacity as f64));
        write!(out, "  {expected} of {capacity}, {}", percent(burden.load))?;
        if burden.is_over() {
            write!(out, ": OVER")?;
        }
    }
    writeln!(out)
}

fn places(kind: &str, places: &[PlaceFacts], out: &mut dyn Write) -> io::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  by {kind}")?;
    let width = places.iter().map(|place| place.place.chars().count()).max().unwrap_or(0);
    for place in places {
        let shares =
            place.shares.iter().map(|(outlet, share)| format!("{outlet} {}", percent(*share)));
        let shares: Vec<String> = shares.collect();
        writeln!(
            out,
            "  {:<width$}  {:>8}  {}",
            place.place,
            count(place.clients),
            shares.join(", ")
        )?;
    }
    Ok(())
}

fn failures(failures: &[FailureFacts], out: &mut dyn Write) -> io::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  if this is down, the worst first")?;
    let name = |failure: &FailureFacts| failure.down.join(" and ");
    let width = failures.iter().map(|failure| name(failure).len()).max().unwrap_or(0);
    for failure in failures.iter().take(WORST) {
        write!(out, "  {:<width$}  {:>7} move", name(failure), percent(failure.moved))?;
        if failure.lost > 0.0 {
            write!(out, ", {} have nothing that is up", percent(failure.lost))?;
        }
        if let Some((pool, before, after)) = &failure.most_loaded
            && after > before
        {
            write!(out, ", most to {pool}: {} to {}", percent(*before), percent(*after))?;
        }
        for (pool, load) in &failure.overloaded {
            write!(out, "; {pool} OVER its capacity: {}", percent(*load))?;
        }
        writeln!(out)?;
    }
    if failures.len() > WORST {
        writeln!(out, "  and {} more; --json has all", failures.len() - WORST)?;
    }
    Ok(())
}

/// 0.123 as `12.3 %`.
pub(in crate::cli) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A large number in three or four figures: `7.9 G`, `412 k`.
pub(in crate::cli) fn count(number: f64) -> String {
    for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if number >= size {
            let number = number / size;
            return if number >= 99.95 {
                format!("{number:.0} {unit}")
            } else {
                format!("{number:.1} {unit}")
            };
        }
    }
    format!("{number:.0}")
}
