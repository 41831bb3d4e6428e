//! The query log: lines of text or JSON, and dnstap.
//!
//! ```text
//! transport::tap ─► collect ─► facts, line ─► outlet ─► file     (a thread that may wait for a disk)
//!  (a queue for       (a thread   dnstap  ─► outlet ─► socket   (a thread that may wait for a reader)
//!   each thread)       that never waits)
//! ```
//!
//! Each step hands on by a bounded queue and counts what finds no room, so neither a worker nor the
//! other log ever waits for a slow one. Knows nothing of how queries are answered.

mod collect;
pub mod dnstap;
mod facts;
mod file;
pub mod frames;
mod line;
mod outlet;
mod socket;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::transport::tap;

use collect::{Collector, Order};
use outlet::Tally;

pub use facts::client;
pub use line::client_in;

/// How long the stop waits for a slow disk or reader.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is logged of queries, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// One query in so many, by chance: 1 or more.
    pub one_in: u32,
    /// Where lines go.
    pub lines: Option<Lines>,
    /// Where dnstap goes.
    pub dnstap: Option<Dnstap>,
}

/// A log of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Where it goes.
    pub target: Target,
    /// How a line looks.
    pub format: Format,
    /// Octets of a file, from which on it is moved out of the way; 0 for never.
    pub most: u64,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target {
    Stdout,
    Stderr,
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("stdout"),
            Target::Stderr => f.write_str("stderr"),
            Target::File(path) => path.display().fmt(f),
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Words in a fixed order.
    Text,
    /// A JSON object.
    Json,
}

/// A reader of dnstap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnstap {
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Who this server says it is.
    pub identity: Vec<u8>,
}

/// The log at work. Dropping it ends it without waiting for anybody.
#[derive(Debug)]
pub struct QueryLog {
    orders: Sender<Order>,
    counts: Counts,
    /// Hears of the end. Only whoever stops it takes the lock.
    over: Mutex<Receiver<()>>,
}

/// What became of queries that were to be logged.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    lines: Arc<Tally>,
    dnstap: Arc<Tally>,
}

impl Counts {
    /// Queries that were written, by where: `lines`, `dnstap`.
    pub fn written(&self) -> [(&'static str, u64); 2] {
        [("lines", self.lines.written()), ("dnstap", self.dnstap.written())]
    }

    /// Queries that were lost, by where: `queue` (for both, before either saw them), `lines`,
    /// `dnstap`.
    pub fn lost(&self) -> [(&'static str, u64); 3] {
        [("queue", tap::lost()), ("lines", self.lines.lost()), ("dnstap", self.dnstap.lost())]
    }
}

impl QueryLog {
    /// Begins to log: each query that is answered from now on.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(settings: Settings) -> io::Result<QueryLog> {
        let ((orders, ordered), (end, over)) = (channel(), channel());
        let counts = Counts::default();
        let collector = Collector::new(counts.clone());
        thread::Builder::new().name("query-log".to_owned()).spawn(move || {
            collector.run(&ordered);
            // Whoever stops it may have lost patience.
            let _ = end.send(());
        })?;
        let log = QueryLog { orders, counts, over: Mutex::new(over) };
        // Files and readers are opened by others: this takes no longer than a thread to start.
        let _ = log.set(settings).recv();
        Ok(log)
    }

    /// Logs so from soon on, and says when. A file that was moved is opened anew, whatever changes.
    pub fn set(&self, settings: Settings) -> Receiver<()> {
        let (done, is_done) = channel();
        // The thread ends only when it is told to, or by a defect, which was said.
        let _ = self.orders.send(Order::Set(settings, done));
        is_done
    }

    /// Reads the counts from anywhere.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Writes what there is and ends; waits for that, but not for ever.
    pub fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(PATIENCE).is_err() {
            tracing::warn!("the query log could not be written to its end");
        }
    }
}
