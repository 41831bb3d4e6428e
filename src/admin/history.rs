//! What happened: a bounded list in memory, and the same lines in files of the state directory.
//!
//! The files are written by a thread of their own: nobody who has something to tell waits for a
//! disk. A line that cannot be written is in memory and in the log, and status says so.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::message::millis;

/// The name of the file in the state directory: one JSON object a line.
pub const FILE: &str = "events.jsonl";

/// What the file is called when a new one was begun.
pub const OLD_FILE: &str = "events.old.jsonl";

/// Entries in memory, at most.
pub const KEPT: usize = 10_000;

/// Octets after which a new file is begun; there are two at most.
const FILE_SIZE: u64 = 4 << 20;

/// Lines that may wait to be written.
const WAITING: usize = 4096;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Counts all entries, over restarts too.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// `start`, `verdict`, `hold`, `warning`, `pool`, `share`, `panic`, `override`, `resume` or
    /// `reload`.
    pub kind: String,
    /// What it happened to: a target of a check, a pool, names of records, a generation.
    pub subject: String,
    /// What that is now.
    pub state: String,
    /// Who did it or says so.
    pub who: String,
    /// Why.
    pub why: Option<String>,
    /// The same as a line for people.
    pub text: String,
}

/// Everything that happened, as far as it is kept.
#[derive(Debug)]
pub struct History {
    entries: Mutex<Entries>,
    /// The number of the last entry.
    last: watch::Sender<u64>,
    problem: Arc<Mutex<Option<String>>>,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug, Default)]
struct Entries {
    list: VecDeque<Entry>,
    last: u64,
}

#[derive(Debug)]
struct Writer {
    lines: SyncSender<String>,
    thread: JoinHandle<()>,
}

impl History {
    /// Goes on from what is kept in the state directory `state`; without one, only memory is
    /// used.
    pub fn open(state: Option<&Path>) -> History {
        let mut entries = Entries::default();
        let problem = Arc::<Mutex<Option<String>>>::default();
        let mut writer = None;
        if let Some(state) = state {
            for file in [OLD_FILE, FILE] {
                entries.read(&state.join(file));
            }
            let (lines, received) = sync_channel(WAITING);
            let (state, told) = (state.to_owned(), Arc::clone(&problem));
            let thread = thread::Builder::new()
                .name("history".to_owned())
                .spawn(move || write_all(&state, &received, &told));
            match thread {
                Ok(thread) => writer = Some(Writer { lines, thread }),
                Err(error) => *locked(&problem) = Some(format!("events are not kept: {error}")),
            }
        }
        let last = watch::Sender::new(entries.last);
        History { entries: Mutex::new(entries), last, problem, writer: Mutex::new(writer) }
    }

    /// Adds an entry; its number and time are given here.
    pub fn push(&self, mut entry: Entry) {
        let mut entries = locked(&self.entries);
        entries.last += 1;
        entry.number = entries.last;
        entry.at = millis(SystemTime::now());
        let line = serde_json::to_string(&entry);
        entries.push(entry);
        let last = entries.last;
        // Handed over before the lock is let go of, so that lines stand in their order.
        if let (Some(writer), Ok(line)) = (&*locked(&self.writer), line)
            && writer.lines.try_send(line).is_err()
        {
            let problem = "some events are not kept: the disk does not keep up";
            *locked(&self.problem) = Some(problem.to_owned());
        }
        drop(entries);
        self.last.send_replace(last);
    }

    /// The entries with a number over `after` that are not older than `since` (milliseconds since
    /// 1970): the last `limit` of them, oldest first.
    pub fn list(&self, after: u64, since: u64, limit: usize) -> Vec<Entry> {
        let entries = locked(&self.entries);
        let wanted = |entry: &&Entry| entry.number > after && entry.at >= since;
        let mut list: Vec<Entry> =
            entries.list.iter().rev().filter(wanted).take(limit).cloned().collect();
        list.reverse();
        list
    }

    /// The entries right after `after`, at most `limit`: for whoever follows and misses none.
    pub fn following(&self, after: u64, limit: usize) -> Vec<Entry> {
        let entries = locked(&self.entries);
        entries.list.iter().filter(|entry| entry.number > after).take(limit).cloned().collect()
    }

    /// Changes with every entry: the number of the last one.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Why not everything is kept on disk, if so.
    pub fn problem(&self) -> Option<String> {
        locked(&self.problem).clone()
    }

    /// Waits until everything is written. What comes later is in memory only.
    pub fn close(&self) {
        if let Some(Writer { lines, thread }) = locked(&self.writer).take() {
            drop(lines);
            // An error would be a panic of the writer; there is no one left to hand it to.
            let _ = thread.join();
        }
    }
}

impl Entries {
    fn push(&mut self, entry: Entry) {
        if self.list.len() == KEPT {
            self.list.pop_front();
        }
        self.list.push_back(entry);
    }

    /// Reads what a file holds; a line that was cut off, as by a power cut, is left out.
    fn read(&mut self, path: &Path) {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return tracing::warn!("{} is not read: {error}", path.display()),
        };
        for line in text.split(|octet| *octet == b'\n') {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                self.last = self.last.max(entry.number);
                self.push(entry);
            }
        }
    }
}

/// The file that lines are appended to.
struct Output {
    path: PathBuf,
    old: PathBuf,
    file: Option<(File, u64)>,
}

fn write_all(state: &Path, lines: &Receiver<String>, problem: &Mutex<Option<String>>) {
    let mut output = Output { path: state.join(FILE), old: state.join(OLD_FILE), file: None };
    for line in lines {
        let now = output.write(&line).err().map(|error| {
            output.file = None;
            format!("events are not kept: {}: {error}", output.path.display())
        });
        let mut known = locked(problem);
        if let Some(text) = now.as_ref().filter(|_| *known != now) {
            tracing::error!("{text}");
        }
        *known = now;
    }
}

impl Output {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let (mut file, size) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if size > FILE_SIZE {
            drop(file);
            fs::rename(&self.path, &self.old)?;
            return self.write(line);
        }
        let text = format!("{line}\n");
        file.write_all(text.as_bytes())?;
        self.file = Some((file, size + text.len() as u64));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let size = file.metadata()?.len();
        // A line that was cut off must not swallow the next one.
        if size > 0 {
            file.write_all(b"\n")?;
        }
        Ok((file, size))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(subject: &str) -> Entry {
        Entry {
            number: 0,
            at: 0,
            kind: "pool".into(),
            subject: subject.into(),
            state: "up".into(),
            who: "checks".into(),
            why: None,
            text: String::new(),
        }
    }

    fn subjects(entries: Vec<Entry>) -> Vec<String> {
        entries.into_iter().map(|entry| entry.subject).collect()
    }

    #[test]
    fn entries_survive_a_restart_and_a_line_that_was_cut_off() {
        let state = tempfile::tempdir().unwrap();
        let history = History::open(Some(state.path()));
        history.push(entry("a"));
        history.push(entry("b"));
        history.close();
        let path = state.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"number\":3,\"a")).unwrap();
        let history = History::open(Some(state.path()));
        history.push(entry("c"));
        history.close();
        let history = History::open(Some(state.path()));
        assert_eq!(subjects(history.list(0, 0, 10)), ["a", "b", "c"]);
        assert_eq!(subjects(history.list(0, 0, 2)), ["b", "c"]);
        assert_eq!(subjects(history.following(0, 2)), ["a", "b"]);
        assert_eq!(subjects(history.list(2, 0, 10)), ["c"]);
        assert_eq!(history.list(0, 0, 10)[2].number, 3);
    }

    #[test]
    fn memory_is_bounded_and_a_directory_that_cannot_be_written_is_complained_of() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("file");
        fs::write(&file, "").unwrap();
        let history = History::open(Some(&file.join("below")));
        for _ in 0..KEPT + 5 {
            history.push(entry("a"));
        }
        history.close();
        assert_eq!(history.list(0, 0, usize::MAX).len(), KEPT);
        assert!(history.problem().is_some_and(|problem| problem.contains("not kept")));
    }

    #[test]
    fn a_full_file_makes_room_for_a_new_one() {
        let state = tempfile::tempdir().unwrap();
        let mut output =
            Output { path: state.path().join(FILE), old: state.path().join(OLD_FILE), file: None };
        let line = "x".repeat(1 << 20);
        for _ in 0..10 {
            output.write(&line).unwrap();
        }
        let size = |name: &str| fs::metadata(state.path().join(name)).unwrap().len();
        assert!(size(OLD_FILE) > FILE_SIZE && size(OLD_FILE) < FILE_SIZE + (2 << 20));
        assert!(size(FILE) <= FILE_SIZE + (2 << 20));
    }
}
