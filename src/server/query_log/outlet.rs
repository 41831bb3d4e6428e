//! From the collector, which never waits, to a thread that may: a bounded queue of octets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Octets that may wait for a disk or a reader.
const WAITING: usize = 4 << 20;

/// Octets that are handed on together, about.
const CHUNK: usize = 64 * 1024;

/// Says no more than once in a minute that something is lost.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    const PAUSE: Duration = Duration::from_secs(60);

    /// Whether to say it now; if so, it counts as said.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|at| at.elapsed() >= Self::PAUSE);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}

/// What became of queries, since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    pub(super) fn count_written(&self, queries: u64) {
        self.written.fetch_add(queries, Relaxed);
    }

    pub(super) fn count_lost(&self, queries: u64) {
        self.lost.fetch_add(queries, Relaxed);
    }
}

/// Octets of whole queries.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) octets: Vec<u8>,
    pub(super) queries: u64,
}

/// What the two ends of a queue share.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    is_ending: AtomicBool,
    /// Whether a file still has its name is to be looked at now.
    look: AtomicBool,
}

/// The collector's end.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Whom it leads to, for messages.
    name: &'static str,
    chunks: Sender<Chunk>,
    pending: Chunk,
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    thread: JoinHandle<()>,
    complaint: Complaint,
}

/// The writing thread's end.
#[derive(Debug)]
pub(super) struct Inlet {
    chunks: Receiver<Chunk>,
    shared: Arc<Shared>,
    pub(super) tally: Arc<Tally>,
}

impl Outlet {
    /// Starts the thread that writes.
    pub(super) fn start(
        name: &'static str,
        tally: &Arc<Tally>,
        write: impl FnOnce(Inlet) + Send + 'static,
    ) -> io::Result<Outlet> {
        let (chunks, taken) = channel();
        let shared = Arc::<Shared>::default();
        let tally = Arc::clone(tally);
        let inlet = Inlet { chunks: taken, shared: Arc::clone(&shared), tally: Arc::clone(&tally) };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || write(inlet))?;
        let (pending, complaint) = (Chunk::default(), Complaint::default());
        Ok(Outlet { name, chunks, pending, shared, tally, thread, complaint })
    }

    /// Adds a query.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.pending.octets);
        self.pending.queries += 1;
        if self.pending.octets.len() >= CHUNK {
            self.flush();
        }
    }

    /// Hands on what was added, if there is room.
    pub(super) fn flush(&mut self) {
        if self.pending.queries == 0 {
            return;
        }
        let chunk = std::mem::take(&mut self.pending);
        let (length, queries) = (chunk.octets.len(), chunk.queries);
        let has_room = self.shared.waiting.load(Relaxed) + length <= WAITING;
        if has_room {
            self.shared.waiting.fetch_add(length, Relaxed);
        }
        // Nobody takes it only after a defect of the thread.
        if !has_room || self.chunks.send(chunk).is_err() {
            self.tally.count_lost(queries);
            self.complain();
        }
    }

    /// Has a file opened anew, if it was moved.
    pub(super) fn look(&self) {
        self.shared.look.store(true, Relaxed);
    }

    /// Hands on what there is. The thread writes it, ends, and is waited for by whoever has the
    /// result.
    pub(super) fn end(mut self) -> JoinHandle<()> {
        self.flush();
        self.shared.is_ending.store(true, Relaxed);
        self.thread.thread().unpark();
        self.thread
    }

    fn complain(&mut self) {
        if self.complaint.is_due() {
            let (name, lost) = (self.name, self.tally.lost());
            tracing::warn!("{name} does not keep up: {lost} queries lost since the start");
        }
    }
}

impl Inlet {
    /// The next chunk; waits so long at most.
    pub(super) fn next(&self, wait: Duration) -> Result<Chunk, RecvTimeoutError> {
        let chunk = self.chunks.recv_timeout(wait)?;
        self.shared.waiting.fetch_sub(chunk.octets.len(), Relaxed);
        Ok(chunk)
    }

    /// Whether nothing further comes, and nobody waits long for what is there.
    pub(super) fn is_ending(&self) -> bool {
        self.shared.is_ending.load(Relaxed)
    }

    /// Whether a file is to be looked at for having been moved; told once.
    pub(super) fn takes_look(&self) -> bool {
        self.shared.look.swap(false, Relaxed)
    }

    /// Lets go of all that waits; says how many queries that were.
    pub(super) fn give_up(&self) -> u64 {
        std::iter::from_fn(|| self.next(Duration::ZERO).ok()).map(|chunk| chunk.queries).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn what_finds_no_room_is_lost_and_the_rest_is_handed_on_in_order() {
        let tally = Arc::<Tally>::default();
        let (go, gone) = sync_channel::<()>(0);
        let (told, heard) = channel();
        let mut outlet = Outlet::start("a slow log", &tally, move |inlet| {
            gone.recv().unwrap();
            while let Ok(chunk) = inlet.next(Duration::MAX) {
                inlet.tally.count_written(chunk.queries);
                told.send(chunk.octets).unwrap();
            }
        })
        .unwrap();
        // A quarter more than may wait.
        let numbers = 0..(WAITING / CHUNK * 5 / 4) as u8;
        for number in numbers.clone() {
            outlet.put(|octets| octets.extend([number; CHUNK]));
        }
        let room = WAITING / CHUNK;
        assert_eq!(tally.lost(), (numbers.len() - room) as u64);
        go.send(()).unwrap();
        outlet.end().join().unwrap();
        let octets: Vec<u8> = heard.iter().map(|octets| octets[0]).collect();
        assert_eq!(octets, (0..room as u8).collect::<Vec<_>>());
        assert_eq!(tally.written(), room as u64);
    }
}
