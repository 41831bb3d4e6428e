//! What was asked and answered: counts by type and response code, one tally for each thread and
//! transport.
//!
//! Only its own thread writes a tally, with plain loads and stores; whoever wants to know adds
//! them up.

mod answers;
mod times;

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use answers::AnswerCounts;
pub(super) use answers::AnswerTally;
pub use times::TimeCounts;

use times::Times;

use crate::engine::{Noted, TYPES, Transport};
use crate::wire::{Rcode, Type};

/// Response codes counted one by one are those below; the others together.
const RCODES: usize = 24;

/// Transports in the order of their tallies.
pub(super) const TRANSPORTS: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];

/// The counts of one thread and one transport. In cache lines of its own, two at a time, because
/// processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    types: [AtomicU64; TYPES],
    rcodes: [AtomicU64; RCODES + 1],
    times: Times,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { types: counters(), rcodes: counters(), times: Times::default() }
    }
}

impl Tally {
    /// Counts a query that was answered, here and in what counts answers over all transports; only
    /// ever called by the one thread both belong to.
    #[inline(always)]
    pub(super) fn count(&self, answers: &AnswerTally, noted: Noted) {
        one_more(&self.types[noted.qtype()]);
        answers.count_zone(noted);
        // One comparison for all that most answers are not.
        if noted.is_plain() {
            one_more(&self.rcodes[usize::from(Rcode::NOERROR.0)]);
        } else {
            answers.count_steered(noted);
            one_more(&self.rcodes[usize::from(noted.rcode().0).min(RCODES)]);
        }
    }

    /// Counts that so many answers took so long each; only ever called by the same thread.
    pub(super) fn took(&self, time: Duration, answers: u64) {
        self.times.count(time, answers);
    }
}

fn counters<const N: usize>() -> [AtomicU64; N] {
    array::from_fn(|_| AtomicU64::new(0))
}

#[inline(always)]
fn one_more(counter: &AtomicU64) {
    add(counter, 1);
}

#[inline(always)]
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

/// Queries that came over one transport and were answered, by what was asked and what was said.
/// Queries that got no answer are in none of the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryCounts {
    /// The transport.
    pub transport: Transport,
    /// By type of query, those that occurred: those that have no name, or none that could be
    /// read, are under `None`.
    pub types: Vec<(Option<Type>, u64)>,
    /// By response code, those that occurred; those that this server does not say are under `None`.
    pub rcodes: Vec<(Option<Rcode>, u64)>,
    /// How long answers took, of those that were measured.
    pub times: TimeCounts,
}

impl QueryCounts {
    /// The sum of tallies.
    pub(super) fn sum<'a>(
        transport: Transport,
        tallies: impl Iterator<Item = &'a Tally>,
    ) -> QueryCounts {
        let (mut types, mut rcodes) = ([0; TYPES], [0; RCODES + 1]);
        let mut times = Vec::new();
        for tally in tallies {
            for (sum, counter) in types.iter_mut().zip(&tally.types) {
                *sum += counter.load(Relaxed);
            }
            for (sum, counter) in rcodes.iter_mut().zip(&tally.rcodes) {
                *sum += counter.load(Relaxed);
            }
            times.push(&tally.times);
        }
        QueryCounts {
            transport,
            types: named(&types, |number| Some(Type(number)).filter(|t| t.mnemonic().is_some())),
            rcodes: named(&rcodes, |number| Some(Rcode(number)).filter(|r| r.mnemonic().is_some())),
            times: TimeCounts::sum(&times),
        }
    }
}

/// The counts that are not 0; those without a name together, at the end.
fn named<T>(counts: &[u64], name: impl Fn(u16) -> Option<T>) -> Vec<(Option<T>, u64)> {
    let (mut with_name, mut others) = (Vec::new(), 0);
    for (number, count) in (0..).zip(counts).filter(|(_, count)| **count > 0) {
        match name(number) {
            Some(name) => with_name.push((Some(name), *count)),
            None => others += count,
        }
    }
    if others > 0 {
        with_name.push((None, others));
    }
    with_name
}

/// A thread's tallies of all transports.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    queries: [Tally; TRANSPORTS.len()],
    answers: AnswerTally,
}

impl Tallies {
    /// Counts what was answered over a transport, and how long it took; only ever called by the
    /// one thread they belong to.
    pub(super) fn count(&self, transport: Transport, noted: Noted, took: Duration) {
        let queries = &self.queries[transport as usize];
        queries.count(&self.answers, noted);
        queries.took(took, 1);
    }
}

/// The tallies of every thread that answers on streams, of those that have ended too: what was
/// counted stays counted.
static OF_STREAMS: Mutex<Vec<Arc<Tallies>>> = Mutex::new(Vec::new());

/// Tallies for the thread that asks for them. They count for the process as a whole, as its
/// threads belong to no server.
pub(super) fn of_this_thread() -> Arc<Tallies> {
    let tallies = Arc::<Tallies>::default();
    of_streams().push(Arc::clone(&tallies));
    tallies
}

/// What all threads counted on streams.
pub(super) fn on_streams() -> Vec<QueryCounts> {
    let all = of_streams();
    let sum = |transport: &Transport| {
        let tallies = all.iter().map(|tallies| &tallies.queries[*transport as usize]);
        QueryCounts::sum(*transport, tallies)
    };
    TRANSPORTS.iter().filter(|transport| **transport != Transport::Udp).map(sum).collect()
}

/// What all threads answered, on streams and those of `others`.
pub(super) fn answers<'a>(others: impl Iterator<Item = &'a AnswerTally>) -> AnswerCounts {
    let on_streams = of_streams();
    let mut all: Vec<&AnswerTally> = on_streams.iter().map(|tallies| &tallies.answers).collect();
    others.for_each(|other| all.push(other));
    AnswerCounts::sum(&all)
}

fn of_streams() -> std::sync::MutexGuard<'static, Vec<Arc<Tallies>>> {
    // A push is done as a whole or not at all.
    OF_STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_what_has_no_name_is_counted_together() {
        let (one, two) = (Tally::default(), Tally::default());
        let noted = |qtype: u16, rcode: Rcode| Noted::new(Type(qtype), rcode);
        let answers = AnswerTally::default();
        one.count(&answers, noted(1, Rcode::NOERROR));
        two.count(&answers, noted(1, Rcode::NXDOMAIN));
        two.count(&answers, noted(200, Rcode::NOERROR));
        two.count(&answers, noted(60_000, Rcode::BADCOOKIE));
        two.count(&answers, noted(257, Rcode(4000)));
        let sum = QueryCounts::sum(Transport::Udp, [&one, &two].into_iter());
        let (a, caa) = (Some(Type::A), Some(Type::CAA));
        assert_eq!(sum.types, [(a, 2), (caa, 1), (None, 2)]);
        let rcodes = [(Rcode::NOERROR, 2), (Rcode::NXDOMAIN, 1), (Rcode::BADCOOKIE, 1)];
        let mut expected: Vec<_> = rcodes.map(|(code, count)| (Some(code), count)).to_vec();
        expected.push((None, 1));
        assert_eq!(sum.rcodes, expected);
    }

    #[test]
    fn transports_stand_in_the_order_of_their_numbers() {
        for (number, transport) in TRANSPORTS.iter().enumerate() {
            assert_eq!(*transport as usize, number);
        }
    }
}
