//! What is told of queries, one by one: each thread that answers leaves a query and its reply in a
//! queue of its own, and somebody else empties the queues.
//!
//! Knows queues, which queries get into them, and how many did not fit. Does not know who wants
//! them. A thread that answers never waits for that: it sets nothing aside, takes no lock, and
//! leaves out what finds no room. While nobody wants any, all of it is one comparison.
//!
//! There is one tap for the process, as threads that answer on streams belong to no server.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rtrb::{Consumer, Producer, RingBuffer};

use super::seed;
use super::tally::TRANSPORTS;
use crate::engine::{Noted, Request, Transport};
use crate::wire::Rcode;

/// Octets of a thread's queue. The system gives memory for it when it is first used.
const QUEUE: usize = 2 << 20;

/// Octets taken out of a queue at a time; the largest exchange is half of that.
const GULP: usize = 256 * 1024;

/// Octets in front of the two messages.
const HEAD: usize = 52;

const CLIENT_IS_V4: u8 = 0x01;
const LOCAL_IS_KNOWN: u8 = 0x02;
const LOCAL_IS_V4: u8 = 0x04;

/// A query and what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// When the query came, in milliseconds of Unix time.
    pub at: u64,
    /// Who sent it.
    pub client: SocketAddr,
    /// Where it was sent to, when that is known.
    pub local: Option<IpAddr>,
    /// How it came.
    pub transport: Transport,
    /// What was said, with the bits that stand in OPT.
    pub rcode: Rcode,
    /// The query as it came.
    pub query: &'a [u8],
    /// The reply as it went; empty for a zone transfer, which is many messages.
    pub reply: &'a [u8],
}

/// One in so many queries is wanted; 0 for none.
static ONE_IN: AtomicU32 = AtomicU32::new(0);

static SOURCES: Mutex<Sources> = Mutex::new(Sources { open: Vec::new(), lost_by_gone: 0 });

/// The queues of all threads.
struct Sources {
    open: Vec<Source>,
    /// What threads lost that have ended.
    lost_by_gone: u64,
}

struct Source {
    queue: Consumer<u8>,
    lost: Arc<AtomicU64>,
}

/// Has one in `one_in` queries told from now on, by chance; 0 for none.
pub fn tell(one_in: u32) {
    ONE_IN.store(one_in, Relaxed);
}

/// Takes out what is in the queues, up to 256 KiB of each; says whether there is more.
pub fn drain(mut take: impl FnMut(&Exchange<'_>)) -> bool {
    let mut is_more = false;
    let mut octets = Vec::new();
    let mut sources = sources();
    for source in &mut sources.open {
        let ready = source.queue.slots();
        is_more |= ready > GULP;
        let Ok(chunk) = source.queue.read_chunk(ready.min(GULP)) else { continue };
        let (first, second) = chunk.as_slices();
        octets.clear();
        octets.extend_from_slice(first);
        octets.extend_from_slice(second);
        let mut done = 0;
        while let Some((exchange, length)) = Exchange::read(&octets[done..]) {
            take(&exchange);
            done += length;
        }
        chunk.commit(done);
    }
    sources.forget_the_gone();
    is_more
}

/// How many exchanges found a full queue so far.
pub fn lost() -> u64 {
    let sources = sources();
    let lost = sources.open.iter().map(|source| source.lost.load(Relaxed));
    sources.lost_by_gone + lost.sum::<u64>()
}

fn sources() -> MutexGuard<'static, Sources> {
    // Whatever was left undone, each queue is in order.
    SOURCES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sources {
    /// Lets go of the queues of threads that have ended, unless something in them is wanted.
    fn forget_the_gone(&mut self) {
        let is_wanted = ONE_IN.load(Relaxed) != 0;
        let lost_by_gone = &mut self.lost_by_gone;
        self.open.retain(|source| {
            let keep = !source.queue.is_abandoned() || is_wanted && !source.queue.is_empty();
            if !keep {
                *lost_by_gone += source.lost.load(Relaxed);
            }
            keep
        });
    }
}

/// Where one thread puts what it answered.
pub(super) struct Feed {
    queue: Producer<u8>,
    lost: Arc<AtomicU64>,
    /// State of the draws.
    draws: u64,
}

impl Feed {
    /// One for the thread that asks for it.
    pub(super) fn of_this_thread() -> Feed {
        let (queue, consumer) = RingBuffer::new(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let mut sources = sources();
        sources.forget_the_gone();
        sources.open.push(Source { queue: consumer, lost: Arc::clone(&lost) });
        Feed { queue, lost, draws: seed() }
    }

    /// Tells of a query that was answered with so many octets of `out`, if this one is wanted.
    #[inline]
    pub(super) fn note(&mut self, request: &Request<'_>, noted: Noted, out: &[u8], length: usize) {
        let one_in = ONE_IN.load(Relaxed);
        if one_in != 0 {
            self.tell(one_in, request, noted, out.get(..length).unwrap_or_default());
        }
    }

    // On its own, so that it takes no room where it is not called.
    #[cold]
    #[inline(never)]
    fn tell(&mut self, one_in: u32, request: &Request<'_>, noted: Noted, reply: &[u8]) {
        if !self.draws_one_in(one_in) {
            return;
        }
        let query = request.message;
        let length = HEAD + query.len() + reply.len();
        if self.queue.slots() < length {
            self.lost.store(self.lost.load(Relaxed) + 1, Relaxed);
            return;
        }
        // There is room for all three, since nobody else writes.
        for part in [&head(length, request, noted)[..], query, reply] {
            let _ = self.queue.push_entire_slice(part);
        }
    }

    /// The upper half of a linear congruential generator (Knuth's), scaled to 0..one_in.
    fn draws_one_in(&mut self, one_in: u32) -> bool {
        self.draws = self
            .draws
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.draws >> 32) * u64::from(one_in)) >> 32 == 0
    }
}

/// Length, time, both ends, transport, response code, and how long the query is.
fn head(length: usize, request: &Request<'_>, noted: Noted) -> [u8; HEAD] {
    let (client, local) = (request.client.ip(), *request.local);
    let mut flags = if client.is_ipv4() { CLIENT_IS_V4 } else { 0 };
    if let Some(local) = local {
        flags |= LOCAL_IS_KNOWN | if local.is_ipv4() { LOCAL_IS_V4 } else { 0 };
    }
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&(length as u32).to_le_bytes());
    head[4..12].copy_from_slice(&request.clock.now().to_le_bytes());
    head[12..28].copy_from_slice(&sixteen(client));
    head[28..30].copy_from_slice(&request.client.port().to_le_bytes());
    head[30..46].copy_from_slice(&local.map_or([0; 16], sixteen));
    head[46] = flags;
    head[47] = request.transport as u8;
    head[48..50].copy_from_slice(&noted.rcode().0.to_le_bytes());
    // No message is longer.
    head[50..].copy_from_slice(&(request.message.len() as u16).to_le_bytes());
    head
}

fn sixteen(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

impl<'a> Exchange<'a> {
    /// The exchange at the front of `octets`, and how long it is; `None` when it is not there as
    /// a whole.
    fn read(octets: &'a [u8]) -> Option<(Exchange<'a>, usize)> {
        let head: &[u8; HEAD] = octets.first_chunk()?;
        let number = |at: usize, len: usize| {
            head[at..at + len].iter().rev().fold(0, |number, octet| number << 8 | u64::from(*octet))
        };
        let length = number(0, 4) as usize;
        let (query, reply) = octets.get(HEAD..length)?.split_at_checked(number(50, 2) as usize)?;
        let flags = head[46];
        let address = |at: usize, is_v4: u8| {
            let sixteen = Ipv6Addr::from(*head[at..].first_chunk::<16>()?);
            match flags & is_v4 {
                0 => Some(IpAddr::V6(sixteen)),
                _ => sixteen.to_ipv4_mapped().map(IpAddr::V4),
            }
        };
        let local = if flags & LOCAL_IS_KNOWN == 0 { None } else { address(30, LOCAL_IS_V4) };
        let exchange = Exchange {
            at: number(4, 8),
            client: SocketAddr::new(address(12, CLIENT_IS_V4)?, number(28, 2) as u16),
            local,
            transport: *TRANSPORTS.get(usize::from(head[47]))?,
            rcode: Rcode(number(48, 2) as u16),
            query,
            reply,
        };
        Some((exchange, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Clock;
    use crate::wire::Type;

    const NOTED: Noted = Noted::new(Type::A, Rcode::BADCOOKIE);

    fn feed(capacity: usize) -> (Feed, Source) {
        let (queue, consumer) = RingBuffer::new(capacity);
        let lost = Arc::<AtomicU64>::default();
        let source = Source { queue: consumer, lost: Arc::clone(&lost) };
        (Feed { queue, lost, draws: 7 }, source)
    }

    fn all(source: &mut Source) -> Vec<u8> {
        let chunk = source.queue.read_chunk(source.queue.slots()).unwrap();
        let (first, second) = chunk.as_slices();
        let all = [first, second].concat();
        chunk.commit_all();
        all
    }

    #[test]
    fn an_exchange_comes_out_as_it_went_in() {
        let (mut feed, mut source) = feed(1000);
        let clock = Clock::at(1_764_000_000_123);
        for (client, local, transport) in [
            ("192.0.2.7:53", Some("192.0.2.53"), Transport::Udp),
            ("[2001:db8::7]:65535", Some("2001:db8::53"), Transport::Quic),
            ("[::ffff:192.0.2.7]:1", None, Transport::Https),
        ] {
            let client: SocketAddr = client.parse().unwrap();
            let local: Option<IpAddr> = local.map(|local| local.parse().unwrap());
            let request = Request {
                message: b"query",
                client: &client,
                local: &local,
                transport,
                clock: &clock,
            };
            for reply in [&b"the reply"[..], b""] {
                feed.tell(1, &request, NOTED, reply);
                let octets = all(&mut source);
                let (exchange, length) = Exchange::read(&octets).unwrap();
                assert_eq!(length, octets.len());
                let (at, rcode, query) = (1_764_000_000_123, Rcode::BADCOOKIE, &b"query"[..]);
                let told = Exchange { at, client, local, transport, rcode, query, reply };
                assert_eq!(exchange, told);
                for cut in 0..length {
                    assert_eq!(Exchange::read(&octets[..cut]), None);
                }
            }
        }
    }

    #[test]
    fn what_finds_no_room_is_lost_and_counted_and_nothing_else_is() {
        let (mut feed, mut source) = feed(3 * (HEAD + 4) + 10);
        let clock = Clock::at(1);
        let tell = |feed: &mut Feed, number: u8| {
            let (client, local) = (&"192.0.2.7:53".parse().unwrap(), &None);
            let message = &[number; 3];
            let transport = Transport::Udp;
            let request = Request { message, client, local, transport, clock: &clock };
            feed.tell(1, &request, NOTED, b"r");
        };
        let mut told = 0;
        for round in 1..50 {
            (0..5).for_each(|_| tell(&mut feed, round));
            let octets = all(&mut source);
            let mut rest = &octets[..];
            while let Some((exchange, length)) = Exchange::read(rest) {
                assert_eq!(exchange.query, [round; 3]);
                rest = &rest[length..];
                told += 1;
            }
            assert!(rest.is_empty());
            assert_eq!(source.lost.load(Relaxed), u64::from(round) * 2);
        }
        assert_eq!(told, 49 * 3);
    }

    #[test]
    fn one_in_so_many_is_drawn() {
        let (mut feed, _source) = feed(8);
        for (one_in, low, high) in [(1, 100_000, 100_000), (10, 9_500, 10_500), (1000, 60, 140)] {
            let drawn = (0..100_000).filter(|_| feed.draws_one_in(one_in)).count();
            assert!((low..=high).contains(&drawn), "1 in {one_in}: {drawn}");
        }
    }
}
