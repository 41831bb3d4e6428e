//! `meridian latency merge`: logs of what clients measured become a latency table.

mod merge;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

pub use self::merge::{Estimate, Key, Level, Measurement, Measurements};
use super::arguments::{Latency, LatencyCommand, Merge};
use super::report;

pub(super) fn run(arguments: &Latency) -> anyhow::Result<ExitCode> {
    let LatencyCommand::Merge(merge) = &arguments.command;
    run_merge(merge)
}

fn run_merge(arguments: &Merge) -> anyhow::Result<ExitCode> {
    let Some((config, world)) = report::world(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    let pools: HashSet<&str> = config.pools.iter().map(|pool| pool.name.as_str()).collect();

    let mut measurements = Measurements::default();
    let mut tally = Tally::default();
    for path in &arguments.logs {
        read_log(path, &pools, &mut measurements, &mut tally)?;
    }
    let mut table = Table::default();
    if let Some(path) = &arguments.table {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        table = Table::read(&text).with_context(|| path.display().to_string())?;
    }
    let rows = measurements.rows(&world.atlas, &arguments.by, arguments.at_least);
    report::say(&format!("{tally}; {} rows from them", rows.len()));
    table.merge(rows);
    table.write(&mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// What the lines of the logs were.
#[derive(Debug, Default)]
struct Tally {
    taken: usize,
    unread: usize,
    /// The first line that could not be read, and why.
    first_unread: Option<String>,
    strange: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} measurements taken", self.taken)?;
        if self.strange > 0 {
            write!(f, ", {} to pools that the configuration does not have", self.strange)?;
        }
        if let Some(first) = &self.first_unread {
            write!(f, ", {} lines not read (the first: {first})", self.unread)?;
        }
        Ok(())
    }
}

fn read_log(
    path: &Path,
    pools: &HashSet<&str>,
    measurements: &mut Measurements,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let log = File::open(path).with_context(|| path.display().to_string())?;
    for (number, line) in BufReader::new(log).split(b'\n').enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        let line = String::from_utf8_lossy(&line);
        match parse(line.trim()) {
            Ok(None) => {}
            Ok(Some(measurement)) if !pools.contains(measurement.pool.as_str()) => {
                tally.strange += 1;
            }
            Ok(Some(measurement)) => {
                tally.taken += 1;
                measurements.add(measurement);
            }
            Err(reason) => {
                tally.unread += 1;
                let place = format!("{}:{}: {reason}", path.display(), number + 1);
                tally.first_unread.get_or_insert(place);
            }
        }
    }
    Ok(())
}

/// A line of a log: `client,pool,ms`, or a JSON object with these keys among others. `None` for a
/// line without a measurement.
fn parse(line: &str) -> Result<Option<Measurement>, String> {
    #[derive(Deserialize)]
    struct Beacon {
        client: String,
        pool: String,
        ms: f64,
    }
    if line.is_empty() || line.starts_with('#') || line == "client,pool,ms" {
        return Ok(None);
    }
    let Beacon { client, pool, ms } = if line.starts_with('{') {
        serde_json::from_str(line).map_err(|error| error.to_string())?
    } else {
        let mut fields = line.split(',').map(|field| field.trim().to_owned());
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(client), Some(pool), Some(ms), None) => {
                let ms = ms.parse().map_err(|_| format!("`{ms}` is not a time"))?;
                Beacon { client, pool, ms }
            }
            _ => return Err("neither client,pool,ms nor a JSON object".to_owned()),
        }
    };
    let client = client.parse().map_err(|_| format!("`{client}` is not an address"))?;
    if !(ms > 0.0 && ms <= 60_000.0) {
        return Err(format!("{ms} ms is not over 0 and at most 60000"));
    }
    Ok(Some(Measurement { client, pool, ms }))
}

/// A latency table as its file has it.
#[derive(Debug, Default)]
struct Table {
    /// Rows that are left as they are: comments, and what nobody measured.
    kept: Vec<String>,
    rows: BTreeMap<Key, Estimate>,
}

impl Table {
    /// Reads what [`Table::write`] wrote. Rows of places that none is made for stay as they are.
    fn read(text: &str) -> anyhow::Result<Table> {
        let mut table = Table::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line == HEADING {
                continue;
            }
            if line.starts_with('#') {
                table.kept.push(line.to_owned());
                continue;
            }
            let fields: Vec<&str> = line.rsplitn(4, ',').map(str::trim).collect();
            let row = match fields[..] {
                [samples, ms, pool, place] => {
                    samples.parse().ok().zip(ms.parse().ok()).map(|(samples, ms)| {
                        (place.to_owned(), pool.to_owned(), Estimate { ms, samples })
                    })
                }
                _ => None,
            };
            let Some((place, pool, estimate)) = row else {
                anyhow::bail!(
                    "line {}: `{line}` is not a row of a table with the heading {HEADING}; \
                    rows without samples belong into a table of their own",
                    number + 1
                );
            };
            match Level::of(&place) {
                Some(level) => {
                    table.rows.insert((level, place, pool), estimate);
                }
                None => table.kept.push(line.to_owned()),
            }
        }
        Ok(table)
    }

    fn merge(&mut self, rows: BTreeMap<Key, Estimate>) {
        for (key, estimate) in rows {
            let older = self.rows.get(&key).copied();
            let merged = older.map_or(estimate, |older| estimate.after(older));
            self.rows.insert(key, merged);
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{HEADING}")?;
        for line in &self.kept {
            writeln!(out, "{line}")?;
        }
        for ((_, place, pool), Estimate { ms, samples }) in &self.rows {
            writeln!(out, "{place},{pool},{ms:.1},{samples}")?;
        }
        Ok(())
    }
}

const HEADING: &str = "match,pool,ms,samples";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_csv_or_json_and_anything_else_is_named() {
        let ms = |line| parse(line).map(|parsed| parsed.map(|measurement| measurement.ms));
        assert_eq!(ms("192.0.2.1, eu-west, 31.5"), Ok(Some(31.5)));
        let json = r#"{"time":"2026-11-25T10:00:00Z","client":"2001:db8::1","pool":"eu","ms":31}"#;
        assert_eq!(ms(json), Ok(Some(31.0)));
        assert_eq!((ms(""), ms("# a note"), ms("client,pool,ms")), (Ok(None), Ok(None), Ok(None)));
        for wrong in ["192.0.2.1,eu", "x,eu,1", "192.0.2.1,eu,fast", "192.0.2.1,eu,-1", "{}", "{"] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
        assert!(ms("192.0.2.1,eu,NaN").is_err());
    }

    #[test]
    fn an_earlier_table_is_merged_and_what_is_not_measured_stays() {
        let text =
            "match,pool,ms,samples\n# by hand\ncity:GB/London,eu,9,5\ncountry:DE,eu,60.0,40\n";
        let mut table = Table::read(text).unwrap();
        let key = (Level::Country, "country:DE".to_owned(), "eu".to_owned());
        table.merge(BTreeMap::from([(key, Estimate { ms: 30.0, samples: 10 })]));
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "match,pool,ms,samples\n# by hand\ncity:GB/London,eu,9,5\ncountry:DE,eu,50.0,30\n"
        );
        assert!(Table::read("country:DE,eu,60.0\n").is_err());
    }
}
