//! The threads that answer datagrams.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, UdpSocket};
use std::ops::Add;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};

use super::WorkerSocket;
use super::mmsg::{Batch, Datagram, Sent};
use crate::engine::{Clock, Reply, Request, Scratch, Transport};
use crate::transport::tally::{AnswerTally, QueryCounts, Tally};
use crate::transport::tap::Feed;
use crate::transport::{Respond, seed};

/// What the UDP workers did since they started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Datagrams that came.
    pub received: u64,
    /// Replies the kernel took.
    pub answered: u64,
    /// Datagrams not looked at: longer than 1,600 octets, or from port 0.
    pub discarded: u64,
    /// Answers over a rate limit, whatever became of them.
    pub limited: u64,
    /// Those of them that went out all the same: empty with TC, as BADCOOKIE, or an error as it
    /// is.
    pub slipped: u64,
    /// Replies the kernel did not take: no buffer, no route, forbidden.
    pub unsent: u64,
    /// Batches lost to a defect in answering; the worker went on.
    pub panics: u64,
}

impl Add for UdpCounts {
    type Output = UdpCounts;

    fn add(self, other: UdpCounts) -> UdpCounts {
        UdpCounts {
            received: self.received + other.received,
            answered: self.answered + other.answered,
            discarded: self.discarded + other.discarded,
            limited: self.limited + other.limited,
            slipped: self.slipped + other.slipped,
            unsent: self.unsent + other.unsent,
            panics: self.panics + other.panics,
        }
    }
}

/// Running threads, stopped and joined by [`Workers::stop`] or when dropped.
#[derive(Debug)]
pub(in crate::transport) struct Workers {
    workers: Vec<Worker>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Worker {
    socket: Arc<UdpSocket>,
    /// Whether the socket may be shut down: it ends with the process.
    is_own: bool,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

/// One thread's counts. Only that thread writes, so plain loads and stores do; two cache lines
/// of its own, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    received: AtomicU64,
    answered: AtomicU64,
    discarded: AtomicU64,
    limited: AtomicU64,
    slipped: AtomicU64,
    unsent: AtomicU64,
    panics: AtomicU64,
    queries: Tally,
    answers: AnswerTally,
    /// How often the thread has come for datagrams.
    rounds: AtomicU64,
}

impl Workers {
    /// Starts one thread for each socket.
    pub(in crate::transport) fn start<R: Respond>(
        sockets: Vec<WorkerSocket>,
        engine: &Arc<ArcSwap<R>>,
    ) -> io::Result<Workers> {
        let mut running = Workers { workers: Vec::new(), stop: Arc::default() };
        let addresses: Vec<SocketAddr> =
            sockets.iter().map(|socket| socket.socket.local_addr()).collect::<io::Result<_>>()?;
        for (number, WorkerSocket { socket, is_passed }) in sockets.into_iter().enumerate() {
            let socket = Arc::new(socket);
            let counters = Arc::<Counters>::default();
            let local = addresses[number].ip();
            let threads = addresses.iter().filter(|other| **other == addresses[number]).count();
            let thread = thread::Builder::new().name(format!("udp-{number}")).spawn({
                let (engine, stop) = (Arc::clone(engine), Arc::clone(&running.stop));
                let (socket, counters) = (Arc::clone(&socket), Arc::clone(&counters));
                move || work(&socket, local, threads, &engine, &counters, &stop)
            })?;
            running.workers.push(Worker {
                socket,
                is_own: !is_passed,
                counters,
                thread: Some(thread),
            });
        }
        Ok(running)
    }

    /// The sum over all threads.
    pub(in crate::transport) fn counts(&self) -> UdpCounts {
        self.meter().counts()
    }

    /// Reads the counts from anywhere.
    pub(in crate::transport) fn meter(&self) -> Meter {
        Meter(self.workers.iter().map(|worker| Arc::clone(&worker.counters)).collect())
    }

    /// Lets every thread finish the batch in hand, and waits for them.
    pub(in crate::transport) fn stop(&mut self) {
        self.stop.store(true, Relaxed);
        for worker in self.workers.iter().filter(|worker| worker.is_own) {
            // Wakes a thread that waits in `recvmmsg`, for good: the socket stays shut, so it
            // does not matter whether the thread waits already. On a socket without a peer
            // Linux does this and then says "not connected".
            let _ = socket2::SockRef::from(&*worker.socket).shutdown(Shutdown::Read);
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                // An error would be a panic outside the answering of batches; there is no one
                // left to hand it to.
                let _ = thread.join();
            }
        }
    }
}

/// Reads what the threads count.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Meter(Arc<[Arc<Counters>]>);

impl Meter {
    /// The sum over all threads.
    pub(in crate::transport) fn counts(&self) -> UdpCounts {
        self.0.iter().fold(UdpCounts::default(), |sum, counters| sum + counters.read())
    }

    /// How often each thread has come for datagrams: once a second at least, when all is well.
    pub(in crate::transport) fn rounds(&self) -> Vec<u64> {
        self.0.iter().map(|counters| counters.rounds.load(Relaxed)).collect()
    }

    /// What the threads answered.
    pub(in crate::transport) fn queries(&self) -> QueryCounts {
        QueryCounts::sum(Transport::Udp, self.0.iter().map(|counters| &counters.queries))
    }

    /// What the threads answered with steered names.
    pub(in crate::transport) fn answers(&self) -> impl Iterator<Item = &AnswerTally> {
        self.0.iter().map(|counters| &counters.answers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Counters {
    fn read(&self) -> UdpCounts {
        UdpCounts {
            received: self.received.load(Relaxed),
            answered: self.answered.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            limited: self.limited.load(Relaxed),
            slipped: self.slipped.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }
}

fn count(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed) + more, Relaxed);
}

/// Of so many batches one is timed: a batch may be a single query, and reading the clock twice for
/// each would be felt.
const TIMED: u32 = 64;

/// Answers until told to stop, whatever happens to a batch; one of `threads` for its address.
// On its own, for profiles to show, and for `benches/instructions` to count what is in it.
#[inline(never)]
fn work<R: Respond>(
    socket: &UdpSocket,
    local: IpAddr,
    threads: usize,
    engine: &Arc<ArcSwap<R>>,
    counters: &Counters,
    stop: &AtomicBool,
) {
    while !stop.load(Relaxed) {
        // Were the thread to die, the kernel would go on handing its socket a share of the
        // clients, who would hear nothing.
        let result = catch_unwind(AssertUnwindSafe(|| {
            answer(socket, local, threads, engine, counters, stop)
        }));
        if result.is_err() {
            count(&counters.panics, 1);
            tracing::error!("a defect lost a batch of queries; the worker goes on");
        }
    }
}

fn answer<R: Respond>(
    socket: &UdpSocket,
    local: IpAddr,
    threads: usize,
    engine: &Arc<ArcSwap<R>>,
    counters: &Counters,
    stop: &AtomicBool,
) {
    let mut engine = Cache::new(Arc::clone(engine));
    let mut scratch = Scratch::sharing(seed(), threads);
    let mut batch = Batch::new(local);
    let mut feed = Feed::of_this_thread();
    let clock = Clock::new();
    let (mut failures, mut until_timed) = (0, 0_u32);
    let mut began = Instant::now();
    while !stop.load(Relaxed) {
        count(&counters.rounds, 1);
        match batch.receive(socket) {
            Ok(received) => {
                failures = 0;
                count(&counters.received, received as u64);
            }
            Err(error) => {
                failures = after(&error, failures);
                // Lets go of an engine that was replaced while nobody asked.
                engine.load();
                continue;
            }
        }
        clock.forget();
        if until_timed == 0 {
            began = Instant::now();
        }
        let engine = engine.load();
        let answer = |datagram: Datagram<'_>, out: &mut [u8]| {
            let request = Request {
                message: datagram.octets,
                client: datagram.peer,
                local: datagram.local,
                transport: Transport::Udp,
                clock: &clock,
            };
            let reply = engine.respond(&request, &mut scratch, out);
            let Reply::Message(length) = reply else { return nothing(reply) };
            let noted = scratch.noted();
            counters.queries.count(&counters.answers, noted);
            feed.note(&request, noted, out, length);
            Some(length)
        };
        batch.reply(answer, || count(&counters.discarded, 1));
        let Sent { taken, refused } = batch.send(socket);
        count(&counters.answered, taken as u64);
        if refused > 0 {
            count(&counters.unsent, refused as u64);
        }
        if until_timed == 0 {
            until_timed = TIMED;
            counters.queries.took(began.elapsed(), taken as u64);
        }
        until_timed -= 1;
        let limited = scratch.take_limited();
        if limited.all > 0 {
            count(&counters.limited, limited.all);
            count(&counters.slipped, limited.slipped);
        }
    }
}

/// No reply, or a transfer, and none of these goes over UDP.
// On its own, so that whether it is a message is one comparison.
#[cold]
#[inline(never)]
fn nothing(reply: Reply) -> Option<usize> {
    drop(reply);
    None
}

/// What follows a failed receive, the `failures`-th in a row: a timeout or a signal is none, one
/// error is somebody's ICMP message, many are a kernel in need and worth waiting for.
fn after(error: &io::Error, failures: u32) -> u32 {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => failures,
        _ => {
            thread::sleep(pause(failures));
            failures.saturating_add(1)
        }
    }
}

/// Nothing for the first failure, then one millisecond, doubled up to 64.
fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => Duration::from_millis(1 << (failures - 1).min(6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_waited_for_longer_but_never_long() {
        let waits: Vec<u128> = (0..10).map(|failures| pause(failures).as_millis()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(pause(u32::MAX).as_millis(), 64);
    }
}
