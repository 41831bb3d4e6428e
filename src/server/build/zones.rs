//! Zone files to the name table, with the names that records steer.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::config::diagnostic::Diagnostic;
use crate::config::server::FilePath;
use crate::config::source::{Source, Span};
use crate::config::{self, Config};
use crate::server::build::Origin;
use crate::steering::model::Model;
use crate::wire::Name;
use crate::zone::check::{self, Checked, Finding};
use crate::zone::master::{self, MasterFile, ParseError};
use crate::zone::{BuildError, RecordId, Site, Steered, ZoneSource, Zones};

/// `None` when there are mistakes; they are in `found`. Without a model, names that records steer
/// are taken as having addresses, and zones and records are not put together.
pub(super) fn build(
    config: &Config,
    model: &Option<Model>,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Zones> {
    let steered: HashSet<Name> = config.records.iter().map(|record| record.name.clone()).collect();
    let mut texts = Texts { origin, sources: HashMap::new() };
    let mut sources = Vec::new();
    let mut complete = true;
    let files = &config.server.zones;
    for (file, read) in files.iter().zip(read_all(files, origin, &steered)) {
        let Read { source, errors, warnings } = match read {
            Ok(read) => read,
            Err(diagnostics) => {
                found.extend(diagnostics.into_iter().map(|problem| problem.shown(&mut texts)));
                complete = false;
                continue;
            }
        };
        complete &= errors.is_empty();
        let fallback = &file.path;
        found.extend(errors.iter().map(|finding| texts.finding(finding, fallback, false)));
        found.extend(warnings.iter().map(|finding| texts.finding(finding, fallback, true)));
        sources.push(source);
    }
    let model = model.as_ref()?;
    if !complete {
        return None;
    }
    let steered = (0..).zip(&model.records).map(|(index, record)| {
        let (types, cname) = model.record_types(record);
        Steered { owner: record.owner.clone(), record: RecordId(index), types, cname }
    });
    match Zones::build(sources, steered.collect()) {
        Ok(zones) => Some(zones),
        Err(errors) => {
            found.extend(errors.into_iter().map(|error| texts.build_error(&error, config)));
            None
        }
    }
}

/// Something wrong with a zone file, before its text was looked up.
enum Problem {
    Entry(ParseError),
    File(Diagnostic),
}

impl Problem {
    fn shown(self, texts: &mut Texts<'_>) -> Diagnostic {
        match self {
            Problem::Entry(error) => {
                let message = error.problem.to_string();
                let d = Diagnostic::error("zone-file", message);
                match texts.span_of(&error) {
                    Some(span) => d.at(&span, ""),
                    None => Diagnostic::error("zone-file", error.to_string()),
                }
            }
            Problem::File(diagnostic) => diagnostic,
        }
    }
}

/// A zone that was read and checked by itself.
struct Read {
    source: ZoneSource,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Reads and checks all files, on all cores; the results are in the order of the files.
fn read_all(
    files: &[FilePath],
    origin: Origin<'_>,
    steered: &HashSet<Name>,
) -> Vec<Result<Read, Vec<Problem>>> {
    let read = |file| {
        let MasterFile { apex, records } = parse(file, origin)?;
        let Checked { records, errors, warnings, .. } = check::check(&apex, records, steered);
        // Packed here, so that the next zone is read in the memory of this one.
        Ok(Read { source: ZoneSource::new(apex, &records), errors, warnings })
    };
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            // Relaxed: the number is all that is shared.
            let number = next.fetch_add(1, Ordering::Relaxed);
            match files.get(number) {
                Some(file) => done.push((number, read(file))),
                None => return done,
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        let done = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.flatten().collect()
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, read)| read).collect()
}

fn parse(file: &FilePath, origin: Origin<'_>) -> Result<MasterFile, Vec<Problem>> {
    let path = &file.path;
    let name = master::default_origin(path).map_err(|error| {
        let message = format!(
            "the name of {} is no domain name ({error}): name the file after its zone",
            super::shown(path)
        );
        vec![Problem::File(Diagnostic::error("zone-file", message))]
    })?;
    let parsed = match origin {
        Origin::Disk | Origin::Files(_) | Origin::Elsewhere(_) => {
            let files = origin.files();
            master::parse_file(path, name, &|path, most| files.read_bounded(path, most))
        }
        Origin::Embedded(_) => match origin.files().read(path) {
            Ok(text) => master::parse_text(&text, path, name),
            Err(error) => {
                return Err(vec![Problem::File(Diagnostic::unreadable(path, &error))]);
            }
        },
    };
    parsed.map_err(|errors| errors.into_iter().map(Problem::Entry).collect())
}

/// Texts of zone files, read again to show where something is wrong.
struct Texts<'a> {
    origin: Origin<'a>,
    sources: HashMap<PathBuf, Option<Arc<Source>>>,
}

impl Texts<'_> {
    fn source(&mut self, path: &Path) -> Option<Arc<Source>> {
        let origin = self.origin;
        let read = || {
            let text = origin.files().read(path).ok()?;
            Some(Source::new(path, String::from_utf8_lossy(&text)))
        };
        self.sources.entry(path.to_owned()).or_insert_with(read).clone()
    }

    fn place(&mut self, site: &Site) -> Option<Span> {
        Some(self.source(&site.file)?.at(site.line, site.column))
    }

    fn span_of(&mut self, error: &ParseError) -> Option<Span> {
        let source = self.source(&error.site.file)?;
        let place = source.at(error.site.line, error.site.column);
        // Octets count as the parser saw them only where the text is what was read.
        let exact = error.span.start == place.range().start && !error.span.is_empty();
        Some(if exact { Span::new(&source, error.span.clone()) } else { place })
    }

    fn finding(&mut self, finding: &Finding, file: &Path, is_lint: bool) -> Diagnostic {
        let message = finding.mistake.to_string();
        let new = if is_lint { Diagnostic::lint } else { Diagnostic::error };
        match finding.site.as_ref().and_then(|site| self.place(site)) {
            Some(span) => new("zone", message).at(&span, ""),
            None => new("zone", format!("{}: {message}", super::shown(file))),
        }
    }

    fn build_error(&mut self, error: &BuildError, config: &Config) -> Diagnostic {
        let (code, owner, site) = match error {
            BuildError::ZoneTwice { .. } => ("zone-twice", None, None),
            BuildError::NoSoa { .. } => ("zone", None, None),
            BuildError::RecordOutside { site, .. } => ("zone", None, Some(site)),
            BuildError::SetTooLarge { .. } | BuildError::TooMuchData => ("zone", None, None),
            BuildError::SteeredOutside { owner } => ("record-outside-zones", Some(owner), None),
            BuildError::SteeredTwice { owner } => ("record-twice", Some(owner), None),
            BuildError::SteeredBelowCut { owner, .. } => ("record-delegated", Some(owner), None),
            BuildError::SteeredBelowDname { owner, .. } => {
                ("record-below-dname", Some(owner), None)
            }
            BuildError::TypeTwice { owner, site, .. } => ("type-twice", Some(owner), Some(site)),
            BuildError::SteeredBesideCname { owner, site }
            | BuildError::SteeredCnameBesideData { owner, site, .. } => {
                ("record-beside-cname", Some(owner), Some(site))
            }
            BuildError::SteeredCnameAtApex { owner } => ("cname-at-apex", Some(owner), None),
        };
        let mut d = Diagnostic::error(code, error.to_string());
        let record = |owner: &Name| config.records.iter().find(|record| record.name == *owner);
        let place = site.and_then(|site| self.place(site));
        match (owner.and_then(record), place) {
            (Some(config::Record { span, .. }), Some(place)) => {
                d = d.at(span, "steered here").and(&place, "and in the zone file");
            }
            (Some(config::Record { span, .. }), None) => d = d.at(span, ""),
            (None, Some(place)) => d = d.at(&place, ""),
            (None, None) => {}
        }
        d
    }
}
