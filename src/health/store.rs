//! What is known of the checks, kept in a file across restarts.
//!
//! The file is a convenience: nothing that is wrong with it keeps the server from starting or
//! from serving.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::check::{Check, Identity};
use super::damping::Score;
use super::monitor::Kind;
use super::state::State;
use super::verdict::Verdict;
use crate::state;

/// The name of the file in the state directory.
pub const FILE: &str = "health.json";

/// How long what was found stays worth believing.
pub const MAX_AGE: Duration = Duration::from_secs(600);

/// What the file says it is; another text is another program's or another version's file.
const FORMAT: &str = "meridian health 1";

/// What is known of one check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// The state machine.
    pub state: State,
    /// When the last check ended; `None` before the first.
    pub at: Option<SystemTime>,
    /// The moving average of the server's part of the latency, in milliseconds.
    pub server_ms: Option<f32>,
    /// The moving average of the load, 0.0 to 1.0.
    pub load: Option<f32>,
    /// When the target's certificate expires, if that is sooner than the monitor wants.
    pub expiring: Option<SystemTime>,
}

impl Record {
    /// What is known before the first check.
    pub fn unknown(now: SystemTime) -> Record {
        let state = State::unknown(now);
        Record { state, at: None, server_ms: None, load: None, expiring: None }
    }
}

/// What is known of many checks, by identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    records: BTreeMap<Identity, Record>,
}

impl Known {
    /// What is known of `check`, if it is at most [`MAX_AGE`] old, or a report that holds longer.
    /// That a target awaits a person's word stays true however old it is; of such a one nothing
    /// else is believed.
    pub fn of(&self, check: &Check, now: SystemTime) -> Option<Record> {
        let record = self.records.get(&check.identity())?;
        let at = record.at?;
        // A time to come is as far from the truth as one gone by: the clock was set.
        let age = now.duration_since(at).unwrap_or_else(|e| e.duration());
        let believed = match check.monitor.kind {
            Kind::Push => check.monitor.interval.max(MAX_AGE),
            _ => MAX_AGE,
        };
        if age <= believed {
            return Some(*record);
        }
        let state = State {
            found: Verdict::Unknown,
            awaits_resume: true,
            ..State::settled(Verdict::Down, record.state.since)
        };
        record.state.awaits_resume.then_some(Record {
            state,
            at: record.at,
            ..Record::unknown(now)
        })
    }

    /// Adds what is known of one check, unless nothing is.
    pub fn insert(&mut self, identity: Identity, record: Record) {
        if record.at.is_some() && record.state.verdict != Verdict::Unknown {
            self.records.insert(identity, record);
        }
    }

    /// How many checks something is known of.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// The file that [`Known`] is kept in.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Held while writing: two writers would share one new file.
    writing: Mutex<()>,
}

/// The state could not be written.
#[derive(Debug, thiserror::Error)]
#[error("health state not written to {}: {source}", path.display())]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub source: io::Error,
}

impl Store {
    /// The store in a state directory, which is made at the first writing if it does not exist.
    pub fn new(directory: &Path) -> Store {
        Store { path: directory.join(FILE), writing: Mutex::new(()) }
    }

    /// Reads what was known. A file that cannot be used is warned of and counts as empty; its
    /// entries' ages are looked at by [`Known::of`].
    pub fn load(&self) -> Known {
        let file = state::read::<File>(&self.path, FORMAT).unwrap_or_else(|reason| {
            tracing::warn!(
                reason,
                "stored health state not used; every target counts as not yet checked",
            );
            None
        });
        let mut known = Known::default();
        for entry in file.into_iter().flat_map(|file| file.checks) {
            if let Some((identity, record)) = entry.read() {
                known.insert(identity, record);
            }
        }
        known
    }

    /// Writes what is known, all of it or nothing: a reader never sees half a file.
    ///
    /// # Errors
    /// When the directory cannot be made or written to.
    pub fn save(&self, known: &Known) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let checks = known.records.iter().map(|(i, r)| Entry::of(i, r)).collect();
        state::write(&self.path, FORMAT, &File { checks })
            .map_err(|source| StoreError { path: self.path.clone(), source })
    }
}

/// The file as JSON.
#[derive(Serialize, Deserialize)]
struct File {
    checks: Vec<Entry>,
}

/// One check in the file. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Entry {
    target: String,
    monitor: String,
    fingerprint: String,
    verdict: String,
    since: u64,
    at: u64,
    contrary: u32,
    server_ms: Option<f32>,
    // Files of older versions do not have what follows.
    #[serde(default)]
    found: Option<String>,
    #[serde(default)]
    misses: u32,
    #[serde(default)]
    score: f64,
    #[serde(default)]
    scored_at: u64,
    #[serde(default)]
    suppressed: bool,
    #[serde(default)]
    awaits_resume: bool,
    #[serde(default)]
    warned: bool,
    #[serde(default)]
    unlike: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiring: Option<u64>,
}

impl Entry {
    fn of(identity: &Identity, record: &Record) -> Entry {
        let state = &record.state;
        Entry {
            target: identity.target.clone(),
            monitor: identity.monitor.clone(),
            fingerprint: format!("{:016x}", identity.fingerprint),
            verdict: state.verdict.as_str().into(),
            since: millis(state.since),
            at: record.at.map_or(0, millis),
            contrary: state.contrary,
            server_ms: record.server_ms,
            found: (state.found != state.verdict).then(|| state.found.as_str().into()),
            misses: state.misses,
            score: state.score.value,
            scored_at: millis(state.score.at),
            suppressed: state.is_suppressed,
            awaits_resume: state.awaits_resume,
            warned: state.is_warned,
            unlike: state.unlike,
            load: record.load,
            expiring: record.expiring.map(millis),
        }
    }

    /// `None` if a value is not one this program writes.
    fn read(self) -> Option<(Identity, Record)> {
        let verdict = verdict(&self.verdict).filter(|verdict| *verdict != Verdict::Unknown)?;
        let found = match &self.found {
            Some(found) => self::verdict(found)?,
            None => verdict,
        };
        let fingerprint = u64::from_str_radix(&self.fingerprint, 16).ok()?;
        let identity = Identity { target: self.target, monitor: self.monitor, fingerprint };
        let value = Some(self.score).filter(|score| score.is_finite() && *score >= 0.0)?;
        let state = State {
            verdict,
            since: time(self.since)?,
            found,
            contrary: self.contrary,
            misses: self.misses,
            score: Score { value, at: time(self.scored_at)? },
            is_suppressed: self.suppressed,
            awaits_resume: self.awaits_resume,
            is_warned: self.warned,
            unlike: self.unlike,
        };
        let server_ms = self.server_ms.filter(|ms| ms.is_finite() && *ms >= 0.0);
        let load = self.load.filter(|load| (0.0..=1.0).contains(load));
        let expiring = self.expiring.and_then(time);
        Some((identity, Record { state, at: Some(time(self.at)?), server_ms, load, expiring }))
    }
}

fn verdict(word: &str) -> Option<Verdict> {
    [Verdict::Unknown, Verdict::Up, Verdict::Down].into_iter().find(|v| v.as_str() == word)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}
