//! Latency tables: what the operator measured between places and pools (CSV: match, pool, ms and,
//! where the heading names it, samples).

use std::collections::HashMap;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::files::Files;
use super::names::{Names, Target};
use super::place::Match;
use super::reader::Reader;
use super::source::{Located, Source};
use super::spec::Spanned;

/// The rows of a latency table.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyTable {
    /// The file.
    pub source: Arc<Source>,
    /// In the order of the file. No two rows of one pool are equally specific and hold a place
    /// that one client can be in both of.
    pub rows: Vec<LatencyRow>,
}

/// One row: clients here need so long to that pool.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyRow {
    /// Where the clients are.
    pub place: Located<Match>,
    /// Index of the pool.
    pub pool: usize,
    /// Round-trip time in milliseconds: over 0, at most 60,000.
    pub milliseconds: f64,
    /// How many measurements the time stands on, 1 or more; `None` where the table does not say.
    pub samples: Option<u32>,
}

/// The fields of the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// match, pool, ms
    Three,
    /// match, pool, ms, samples
    Four,
}

impl LatencyTable {
    /// Reads the file that a policy names. Empty lines and lines that start with `#` are skipped.
    /// The place may hold commas, so that rows are split from the right; only a heading
    /// `match,pool,ms,samples` says that there is a fourth field.
    pub(super) fn read(
        written: &Spanned<String>,
        names: &Names,
        files: &dyn Files,
        reader: &mut Reader<'_>,
    ) -> Option<LatencyTable> {
        let path = reader.path(&written.value);
        let octets = match files.read(&path) {
            Ok(octets) => octets,
            Err(error) => {
                let d = Diagnostic::unreadable(&path, &error);
                reader.found.push(d.at(&reader.span(&written.range), ""));
                return None;
            }
        };
        let source = super::decode_text(&path, octets, Source::new, reader.found)?;
        let before = reader.found.len();
        let mut table = Reader::new(&source, reader.found);
        let mut rows: Vec<LatencyRow> = Vec::new();
        let mut of_place: HashMap<(usize, Match), Vec<Located<Match>>> = HashMap::new();
        let mut start = 0;
        let mut columns = Columns::Three;
        for line in source.text().split_inclusive('\n') {
            let heading = Columns::of_heading(line);
            let row = match heading {
                Some(_) => None,
                None => Row::split(line, start, columns),
            };
            columns = heading.unwrap_or(columns);
            start += line.len();
            if let Some(row) = row.and_then(|row| row.resolve(line, names, &mut table)) {
                let known = of_place.entry((row.pool, row.place.value.broad())).or_default();
                refuse_tie(known, &row.place, table.found);
                known.push(row.place.clone());
                rows.push(row);
            }
        }
        if rows.is_empty() && table.found.len() == before {
            let message = format!("the latency table {} has no rows", path.display());
            let span = reader.span(&written.range);
            reader.found.push(Diagnostic::error("empty-table", message).at(&span, ""));
        }
        Some(LatencyTable { source, rows })
    }
}

impl Columns {
    /// `None` for a line that is no heading.
    fn of_heading(line: &str) -> Option<Columns> {
        let names = line.trim().replace([' ', '"'], "").to_ascii_lowercase();
        match &*names {
            "match,pool,ms" => Some(Columns::Three),
            "match,pool,ms,samples" => Some(Columns::Four),
            _ => None,
        }
    }

    fn count(self) -> usize {
        match self {
            Columns::Three => 3,
            Columns::Four => 4,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Columns::Three => "write match,pool,ms: country:DE,eu-west,12.5",
            Columns::Four => "write match,pool,ms,samples: country:DE,eu-west,12.5,200",
        }
    }
}

/// The fields of a line, each with its place.
struct Row {
    fields: Vec<Spanned<String>>,
    range: std::ops::Range<usize>,
    columns: Columns,
}

impl Row {
    /// `None` for a line without a row.
    fn split(line: &str, start: usize, columns: Columns) -> Option<Row> {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            return None;
        }
        let from_line = |field: &str| field.as_ptr() as usize - line.as_ptr() as usize;
        // From the right, so that the place may hold commas.
        let mut fields: Vec<Spanned<String>> = content
            .rsplitn(columns.count(), ',')
            .map(|field| {
                let field = field.trim();
                let field =
                    field.strip_prefix('"').and_then(|f| f.strip_suffix('"')).unwrap_or(field);
                let at = start + from_line(field);
                Spanned { value: field.to_owned(), range: at..at + field.len() }
            })
            .collect();
        fields.reverse();
        let at = start + from_line(content);
        Some(Row { fields, range: at..at + content.len(), columns })
    }

    fn resolve(self, line: &str, names: &Names, reader: &mut Reader<'_>) -> Option<LatencyRow> {
        let ([place, pool, milliseconds], rest) = match self.fields.split_first_chunk() {
            Some((first, rest)) if self.fields.len() == self.columns.count() => (first, rest),
            _ => {
                let message = format!("`{}` is not a row of a latency table", line.trim());
                reader.invalid(&self.range, message, self.columns.example());
                return None;
            }
        };
        let value = reader.place(&place.range, Match::parse(&place.value));
        let estimate = milliseconds.value.parse::<f64>().ok();
        let estimate = estimate.filter(|ms| *ms > 0.0 && *ms <= 60_000.0);
        if estimate.is_none() {
            let message = format!("`{}` is not a time in milliseconds", milliseconds.value);
            reader.invalid(&milliseconds.range, message, "write a number over 0, at most 60000");
        }
        let samples = rest.first().map(|samples| self::samples(samples, reader));
        let target = names.target(pool, reader)?;
        let Target::Pool(index) = target.target else {
            let message = format!("`{}` is a policy", pool.value);
            reader.invalid(&pool.range, message, "a latency is measured to a pool");
            return None;
        };
        let place = Located { value: value?, span: reader.span(&place.range) };
        Some(LatencyRow { place, pool: index, milliseconds: estimate?, samples })
    }
}

fn samples(written: &Spanned<String>, reader: &mut Reader<'_>) -> u32 {
    match written.value.parse() {
        Ok(samples @ 1..) => samples,
        _ => {
            let message = format!("`{}` is not a number of measurements", written.value);
            let help = "write how many measurements the time stands on: 1 or more";
            reader.invalid(&written.range, message, help);
            1
        }
    }
}

fn refuse_tie(known: &[Located<Match>], place: &Located<Match>, found: &mut Vec<Diagnostic>) {
    if let Some(first) = known.iter().find(|first| first.value.ties_with(&place.value)) {
        let message = format!("`{}` has two rows for one pool", place.value);
        let d = Diagnostic::error("ambiguous-rule", message)
            .at(&place.span, "again here")
            .and(&first.span, "first here");
        found.push(d.help("remove one of them"));
    }
}
