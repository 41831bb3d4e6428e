//! How far each hook is in the history, kept in a file across restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::admin::message::millis;
use crate::state;

/// The name of the file in the state directory.
pub const FILE: &str = "webhooks.json";

/// What the file says it is; another text is another version's file.
const FORMAT: &str = "meridian webhooks 1";

/// Where a hook is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the last event that needs no telling any more.
    pub done: u64,
    /// What holds it up, and since when in milliseconds since 1970.
    pub problem: Option<(String, u64)>,
    /// What became of events since the start of the server.
    pub counts: Counts,
}

/// What became of a hook's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that it has.
    pub sent: u64,
    /// Attempts after which it had not.
    pub failed: u64,
    /// Those that were gone from the history before it took them.
    pub lost: u64,
}

/// All hooks' progress.
#[derive(Debug, Default)]
pub struct Ledger {
    path: Option<PathBuf>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    hooks: BTreeMap<String, Progress>,
    /// What the file says, as far as is known.
    written: BTreeMap<String, u64>,
    /// Why the file does not say how far hooks are.
    problem: Option<String>,
}

/// The file as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// By hook, the number of the last event that it has.
    done: BTreeMap<String, u64>,
}

impl Ledger {
    /// Goes on from what is kept in the state directory; without one nothing is kept.
    /// `last` is the number of the last event in the history: what a crash took from it has none.
    pub fn open(directory: Option<&Path>, last: u64) -> Ledger {
        let path = directory.map(|directory| directory.join(FILE));
        let mut pages = Pages::default();
        match path.as_deref().map(|path| state::read::<Kept>(path, FORMAT)) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(Kept { done }))) => {
                let page = |(name, done): (&String, &u64)| {
                    (name.clone(), Progress { done: (*done).min(last), ..Progress::default() })
                };
                pages.hooks = done.iter().map(page).collect();
                pages.written = done;
            }
            Some(Err(error)) => {
                let problem =
                    format!("webhooks are not told of what they missed before the start: {error}");
                tracing::error!("{problem}");
                pages.problem = Some(problem);
            }
        }
        Ledger { path, pages: Mutex::new(pages) }
    }

    /// These are the hooks from now on; one that is new begins after the event `from`.
    pub fn begin<'a>(&self, names: impl Iterator<Item = &'a str>, from: u64) {
        let mut pages = self.pages();
        let mut before = std::mem::take(&mut pages.hooks);
        for name in names {
            let fresh = || Progress { done: from, ..Progress::default() };
            let page = before.remove(name).unwrap_or_else(fresh);
            pages.hooks.insert(name.to_owned(), page);
        }
    }

    /// Where a hook is.
    pub fn progress(&self, name: &str) -> Progress {
        self.pages().hooks.get(name).cloned().unwrap_or_default()
    }

    /// Notes that a hook needs nothing up to this event any more. Whether that is news.
    pub fn advance(&self, name: &str, done: u64) -> bool {
        let mut pages = self.pages();
        let Some(page) = pages.hooks.get_mut(name) else { return false };
        let is_news = page.done < done;
        (page.done, page.problem) = (page.done.max(done), None);
        is_news
    }

    /// Notes that a hook has taken this event. Whether that is news.
    pub fn took(&self, name: &str, number: u64) -> bool {
        self.count(name, |counts| counts.sent += 1);
        self.advance(name, number)
    }

    /// Notes that so many events are gone before a hook took them.
    pub fn lose(&self, name: &str, events: u64) {
        self.count(name, |counts| counts.lost += events);
        let done = self.progress(name).done;
        self.advance(name, done + events);
    }

    /// Notes what holds a hook up. Whether that is another thing than before.
    pub fn fail(&self, name: &str, problem: String, now: SystemTime) -> bool {
        let mut pages = self.pages();
        let Some(page) = pages.hooks.get_mut(name) else { return false };
        page.counts.failed += 1;
        let before = page.problem.take();
        let is_news = before.as_ref().is_none_or(|(before, _)| *before != problem);
        page.problem = Some((problem, before.map_or(millis(now), |(_, since)| since)));
        is_news
    }

    /// Why a restart does not know how far hooks are, if so.
    pub fn problem(&self) -> Option<String> {
        self.pages().problem.clone()
    }

    /// Writes what is not yet written.
    pub fn store(&self) {
        let Some(path) = &self.path else { return };
        // Held while it is written: else an older state could follow a newer one.
        let mut pages = self.pages();
        let done: BTreeMap<String, u64> =
            pages.hooks.iter().map(|(name, page)| (name.clone(), page.done)).collect();
        if done == pages.written {
            return;
        }
        let kept = Kept { done };
        match state::write(path, FORMAT, &kept) {
            Ok(()) => {
                pages.written = kept.done;
                pages.problem = None;
            }
            Err(error) => {
                let problem = format!(
                    "webhooks may be told twice after a restart: {}: {error}",
                    path.display()
                );
                if pages.problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                pages.problem = Some(problem);
            }
        }
    }

    fn count(&self, name: &str, count: impl FnOnce(&mut Counts)) {
        if let Some(page) = self.pages().hooks.get_mut(name) {
            count(&mut page.counts);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn hooks(names: &[&'static str], from: u64, ledger: &Ledger) {
        ledger.begin(names.iter().copied(), from);
    }

    #[test]
    fn a_hook_goes_on_where_it_was_and_a_new_one_begins_where_it_came() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(Some(state.path()), 0);
        hooks(&["a", "b"], 5, &ledger);
        assert!(ledger.advance("a", 7) && !ledger.advance("a", 6));
        ledger.store();
        let ledger = Ledger::open(Some(state.path()), 9);
        hooks(&["a", "c"], 9, &ledger);
        assert_eq!([ledger.progress("a").done, ledger.progress("c").done], [7, 9]);
        // The one that went away is forgotten.
        hooks(&["b"], 9, &ledger);
        assert_eq!(ledger.progress("b").done, 9);
    }

    #[test]
    fn numbers_that_a_crash_took_back_are_told_again() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(Some(state.path()), 0);
        hooks(&["a"], 0, &ledger);
        ledger.advance("a", 9);
        ledger.store();
        let ledger = Ledger::open(Some(state.path()), 4);
        hooks(&["a"], 4, &ledger);
        assert_eq!(ledger.progress("a").done, 4);
    }

    #[test]
    fn a_problem_is_news_once_and_keeps_its_beginning() {
        let ledger = Ledger::default();
        hooks(&["a"], 0, &ledger);
        let at = |millis| crate::admin::message::time(millis);
        assert!(ledger.fail("a", "503".into(), at(1000)));
        assert!(!ledger.fail("a", "503".into(), at(2000)));
        assert!(ledger.fail("a", "no answer in time".into(), at(3000)));
        let problem = ("no answer in time".to_owned(), 1000);
        assert_eq!(ledger.progress("a").problem, Some(problem));
        assert!(ledger.took("a", 1));
        ledger.lose("a", 4);
        let Progress { done, problem, counts } = ledger.progress("a");
        assert_eq!((done, problem), (5, None));
        assert_eq!(counts, Counts { sent: 1, failed: 3, lost: 4 });
    }

    #[test]
    fn a_broken_file_is_put_aside_and_complained_of() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(FILE), "{").unwrap();
        let ledger = Ledger::open(Some(state.path()), 3);
        assert!(ledger.problem().is_some_and(|problem| problem.contains(FILE)));
        assert!(state.path().join("webhooks.json.unusable").exists());
    }
}
