//! What a reflector counts between two times, and who asks it from its own thread.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::time::{ClockId, clock_gettime};

/// What one turn took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    /// CPU time of the reflector's thread for each answer in microseconds, without `preparing`.
    pub(crate) cost: f64,
    /// What it took to prepare the headers of a batch anew, for each answer in microseconds; the
    /// server does that once and for all.
    pub(crate) preparing: f64,
    /// Datagrams in a batch, on average.
    pub(crate) batch: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    /// What was lost in all of the turn.
    pub(crate) lost: Lost,
}

/// Datagrams that the kernel threw away.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lost {
    /// For want of room on the reflector's socket.
    pub(crate) queries: u64,
    /// For want of room on a socket of the load generator, or because the reflector could not send.
    pub(crate) answers: u64,
}

/// Which part of a turn it is: warming up, measuring, or over.
#[derive(Default)]
pub(crate) struct Phase(AtomicU8);

/// What a reflector counts, and when it is to stop.
pub(crate) struct Meter<'a> {
    phase: &'a Phase,
    seen: u8,
    /// Who asks from the same thread, if that is the load.
    asker: Option<Asker>,
    now: Mark,
    /// When measuring began and when it was over.
    marks: [Mark; 2],
    /// CPU time to prepare the headers of one batch.
    pub(crate) preparing: Duration,
    /// Answers that could not be sent.
    pub(crate) unsent: u64,
}

/// A client in the reflector's thread, so that there is one datagram in each batch.
pub(crate) struct Asker {
    socket: UdpSocket,
    query: Vec<u8>,
    /// When it asked last, on the clock of the thread.
    asked: Duration,
    /// What it takes to look at that clock.
    looking: Duration,
}

/// How far a reflector was at some time.
#[derive(Clone, Copy)]
struct Mark {
    answers: u64,
    batches: u64,
    cpu: Duration,
    time: Instant,
}

impl Phase {
    const MEASURING: u8 = 1;
    const OVER: u8 = 2;

    /// From now on it counts.
    pub(crate) fn measure(&self) {
        self.0.store(Phase::MEASURING, Relaxed);
    }

    /// Whoever is at it is to stop.
    pub(crate) fn end(&self) {
        self.0.store(Phase::OVER, Relaxed);
    }
}

impl<'a> Meter<'a> {
    pub(crate) fn new(phase: &'a Phase, asker: Option<Asker>) -> Meter<'a> {
        let now = Mark { answers: 0, batches: 0, cpu: Duration::ZERO, time: Instant::now() };
        let marks = [now; 2];
        Meter { phase, seen: 0, asker, now, marks, preparing: Duration::ZERO, unsent: 0 }
    }

    /// Counts a batch, if there was one; whether to go on.
    pub(crate) fn goes_on(&mut self, answers: usize) -> bool {
        self.now.answers += answers as u64;
        self.now.batches += u64::from(answers > 0);
        if let Some(asker) = &mut self.asker {
            self.now.cpu += asker.ask(answers > 0, &mut self.unsent);
        }
        let phase = self.phase.0.load(Relaxed);
        if phase != self.seen {
            self.seen = phase;
            let at = usize::from(phase - Phase::MEASURING);
            self.marks[at] = Mark { time: Instant::now(), ..self.now };
            if self.asker.is_none() {
                self.marks[at].cpu = cpu_time();
            }
        }
        phase != Phase::OVER
    }

    pub(crate) fn taken(&self) -> anyhow::Result<Taken> {
        let [begin, end] = self.marks;
        let answers = (end.answers - begin.answers) as f64;
        ensure!(answers > 0.0, "no answers");
        let batches = (end.batches - begin.batches) as f64;
        let preparing = self.preparing.as_secs_f64() * batches / answers;
        Ok(Taken {
            cost: 1e6 * ((end.cpu - begin.cpu).as_secs_f64() / answers - preparing),
            preparing: 1e6 * preparing,
            batch: answers / batches,
            rate: answers / (end.time - begin.time).as_secs_f64(),
            lost: Lost { queries: 0, answers: self.unsent },
        })
    }
}

impl Asker {
    /// Made in the thread that it will ask from.
    pub(crate) fn new(server: SocketAddr, query: &[u8]) -> io::Result<Asker> {
        let socket = UdpSocket::bind((server.ip(), 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let begin = cpu_time();
        let looking = (0..1000).map(|_| cpu_time()).fold(begin, Duration::max) - begin;
        Ok(Asker { socket, query: query.to_vec(), asked: cpu_time(), looking: looking / 1000 })
    }

    /// Takes the answer, if there is to be one, and asks again. Returns what the thread took from
    /// the last query to now.
    fn ask(&mut self, is_answered: bool, lost: &mut u64) -> Duration {
        let took = cpu_time() - self.asked;
        if is_answered && self.socket.recv(&mut [0; 512]).is_err() {
            *lost += 1;
        }
        if self.socket.send(&self.query).is_err() {
            *lost += 1;
        }
        self.asked = cpu_time();
        took.saturating_sub(self.looking)
    }
}

/// What the thread that calls this has used so far.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
