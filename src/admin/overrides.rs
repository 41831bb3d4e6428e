//! The operator's word over files and checks, kept in a file across restarts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::{millis, time};
use crate::state;

/// The name of the file in the state directory.
pub const FILE: &str = "overrides.json";

/// What the file says it is; another text is another version's file.
const FORMAT: &str = "meridian overrides 1";

/// A state that an operator puts a pool into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverrideState {
    /// Up, and all its members with it, whatever the checks say.
    Up,
    /// Down.
    Down,
    /// Given to nobody while any other choice is up; or on the way there.
    Drain,
    /// On the way back to what files and checks say.
    Restore,
}

impl OverrideState {
    /// `up`, `down`, `drain` or `restore`.
    pub fn as_str(self) -> &'static str {
        match self {
            OverrideState::Up => "up",
            OverrideState::Down => "down",
            OverrideState::Drain => "drain",
            OverrideState::Restore => "restore",
        }
    }
}

/// An operator's word about one pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// Which pool.
    pub pool: String,
    /// What it is put into.
    pub state: OverrideState,
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
    /// When it was said, in milliseconds since 1970.
    pub since: u64,
    /// When it ends, in milliseconds since 1970; `null` when somebody takes it back, or when it
    /// ends with what it does.
    pub until: Option<u64>,
    /// How many seconds its share of clients takes to fall or rise; 0 for at once.
    #[serde(default)]
    pub over_seconds: u64,
    /// The share of its clients that it kept when that began, 0.0 to 1.0.
    #[serde(default = "whole")]
    pub from: f64,
}

fn whole() -> f64 {
    1.0
}

impl Override {
    /// How long its share of clients takes to fall or rise.
    pub fn over(&self) -> Duration {
        Duration::from_secs(self.over_seconds)
    }

    /// When it ends by itself, in milliseconds since 1970.
    fn end(&self) -> Option<u64> {
        match self.state {
            OverrideState::Restore => Some(self.since.saturating_add(self.over_seconds * 1000)),
            _ => self.until,
        }
    }
}

impl fmt::Display for Override {
    /// `put to drain over 10m by uid 0: maintenance`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            OverrideState::Restore => write!(f, "given back")?,
            state => write!(f, "put to {}", state.as_str())?,
        }
        write!(f, "{} by {}", Over(self.over()), self.who)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// ` over 10m`, in whole seconds, or nothing for what is done at once.
#[derive(Debug, Clone, Copy)]
pub struct Over(pub Duration);

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => Ok(()),
            seconds if seconds % 3600 == 0 => write!(f, " over {}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, " over {}m", seconds / 60),
            seconds => write!(f, " over {seconds}s"),
        }
    }
}

/// All that are in force, at most one for each pool. One about a pool that is in no file stays,
/// and holds again when the pool is back.
#[derive(Debug, Default)]
pub struct Overrides {
    list: Vec<Override>,
    path: Option<PathBuf>,
    /// Why the file does not say what is in force.
    problem: Option<String>,
}

/// The file as JSON.
#[derive(Serialize, Deserialize)]
struct File {
    overrides: Vec<Override>,
}

impl Overrides {
    /// Reads what is kept in the state directory; without one nothing is kept. A file
    /// that cannot be used is put aside and complained of.
    pub fn load(directory: Option<&Path>) -> Overrides {
        let path = directory.map(|directory| directory.join(FILE));
        let (list, problem) = match path.as_deref().map(|path| state::read::<File>(path, FORMAT)) {
            None | Some(Ok(None)) => (Vec::new(), None),
            Some(Ok(Some(file))) => (file.overrides, None),
            Some(Err(error)) => {
                let problem = format!("overrides from before the start are not in force: {error}");
                tracing::error!("{problem}");
                (Vec::new(), Some(problem))
            }
        };
        Overrides { list, path, problem }
    }

    /// All, in the order they were given.
    pub fn list(&self) -> &[Override] {
        &self.list
    }

    /// The one about a pool.
    pub fn of(&self, pool: &str) -> Option<&Override> {
        self.list.iter().find(|known| known.pool == pool)
    }

    /// Why the file does not say what is in force, if so.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Puts one in force in place of that about the same pool. It is in force even when it
    /// cannot be written; see [`Overrides::problem`].
    pub fn insert(&mut self, new: Override) {
        self.list.retain(|known| known.pool != new.pool);
        self.list.push(new);
        self.keep();
    }

    /// Takes one back.
    pub fn remove(&mut self, pool: &str) -> Option<Override> {
        let index = self.list.iter().position(|known| known.pool == pool)?;
        let removed = self.list.remove(index);
        self.keep();
        Some(removed)
    }

    /// Takes out those that are over: their time is up, or all clients are back.
    pub fn expire(&mut self, now: SystemTime) -> Vec<Override> {
        let now = millis(now);
        let is_over = |known: &mut Override| known.end().is_some_and(|end| end <= now);
        let over: Vec<Override> = self.list.extract_if(.., is_over).collect();
        if !over.is_empty() {
            self.keep();
        }
        over
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<SystemTime> {
        self.list.iter().filter_map(Override::end).min().map(time)
    }

    fn keep(&mut self) {
        let Some(path) = &self.path else { return };
        let file = File { overrides: self.list.clone() };
        self.problem = state::write(path, FORMAT, &file).err().map(|error| {
            let path = path.display();
            let problem =
                format!("overrides are not kept, a restart forgets them: {path}: {error}");
            tracing::error!("{problem}");
            problem
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn one(pool: &str, until: Option<u64>) -> Override {
        let (who, reason) = ("uid 0".to_owned(), Some("works".to_owned()));
        Override {
            pool: pool.to_owned(),
            state: OverrideState::Drain,
            who,
            reason,
            since: 1,
            until,
            over_seconds: 0,
            from: 1.0,
        }
    }

    #[test]
    fn what_was_said_is_there_again_until_it_is_over() {
        let state = tempfile::tempdir().unwrap();
        let mut overrides = Overrides::load(Some(state.path()));
        overrides.insert(one("eu", None));
        overrides.insert(one("us", Some(5000)));
        assert_eq!(overrides.problem(), None);
        let mut overrides = Overrides::load(Some(state.path()));
        assert_eq!(overrides.list(), [one("eu", None), one("us", Some(5000))]);
        assert_eq!(overrides.next_end(), Some(time(5000)));
        assert_eq!(overrides.expire(time(5000) - Duration::from_millis(1)), []);
        assert_eq!(overrides.expire(time(5000)), [one("us", Some(5000))]);
        assert_eq!(Overrides::load(Some(state.path())).list(), [one("eu", None)]);
        assert_eq!(overrides.remove("eu"), Some(one("eu", None)));
        assert!(Overrides::load(Some(state.path())).list().is_empty());
    }

    #[test]
    fn a_restore_is_over_when_all_clients_are_back() {
        let mut overrides = Overrides::default();
        let state = OverrideState::Restore;
        overrides.insert(Override { state, since: 1000, over_seconds: 60, ..one("eu", None) });
        assert_eq!(overrides.next_end(), Some(time(61_000)));
        assert!(overrides.expire(time(60_999)).is_empty());
        assert_eq!(overrides.expire(time(61_000)).len(), 1);
    }

    #[test]
    fn a_file_from_before_shares_is_read() {
        let text =
            r#"{"pool":"eu","state":"drain","who":"a","reason":null,"since":1,"until":null}"#;
        let word: Override = serde_json::from_str(text).unwrap();
        assert_eq!((word.over(), word.from), (Duration::ZERO, 1.0));
    }

    #[test]
    fn a_broken_file_is_put_aside_and_complained_of() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(FILE), "{").unwrap();
        let overrides = Overrides::load(Some(state.path()));
        assert!(overrides.problem().is_some_and(|problem| problem.contains(FILE)));
        assert!(state.path().join("overrides.json.unusable").exists());
    }

    #[test]
    fn what_cannot_be_written_is_in_force_all_the_same() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("file");
        fs::write(&file, "").unwrap();
        let mut overrides = Overrides::load(Some(&file.join("below")));
        overrides.insert(one("eu", None));
        assert_eq!(overrides.of("eu"), Some(&one("eu", None)));
        assert!(overrides.problem().is_some_and(|problem| problem.contains("not kept")));
    }
}
