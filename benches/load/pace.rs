//! When queries go: as answers come (closed loop), or at a fixed rate (open loop).

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::exchange::{BATCH, Exchange, readable, segment, wait};
use crate::histogram::Histogram;
use crate::line::{Counts, Expected, Line};

/// A query not answered within this time is lost.
const LOST: Duration = Duration::from_millis(250);

/// How one thread sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many queries in flight on each socket.
    Closed(usize),
    /// So many queries a second, whatever comes back.
    Open(f64),
}

/// What all threads of one turn share.
pub(crate) struct Turn<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) queries: &'a [Vec<u8>],
    pub(crate) expected: Expected,
    pub(crate) sockets: usize,
    /// Whether queries of one socket leave as one datagram that the kernel cuts.
    pub(crate) segments: bool,
    pub(crate) counts: Mutex<Counts>,
    /// Whether times count.
    pub(crate) measuring: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// One thread's load, beginning at query `next`, until told to stop. Returns the times from query
/// to answer. In the open loop a time begins when its query was due, so that queries which waited
/// for a slow generator or behind a slow server are not left out (no coordinated omission).
pub(crate) fn load(turn: &Turn<'_>, pace: Pace, next: usize) -> anyhow::Result<Histogram> {
    let mut lines = (0..turn.sockets)
        .map(|_| Line::open(turn.server))
        .collect::<anyhow::Result<Vec<Line>>>()?;
    if turn.segments {
        for line in &lines {
            segment(&line.socket, turn.queries[0].len())?;
        }
    }
    let mut sender = Sender { turn, next, exchange: Exchange::new(), times: Histogram::default() };
    match pace {
        Pace::Closed(window) => sender.closed(&mut lines, window)?,
        Pace::Open(rate) => sender.open(&mut lines, rate)?,
    }
    Ok(sender.times)
}

struct Sender<'a> {
    turn: &'a Turn<'a>,
    next: usize,
    exchange: Exchange,
    times: Histogram,
}

impl Sender<'_> {
    /// Goes round the sockets, takes answers, and sends as many queries again.
    fn closed(&mut self, lines: &mut [Line], window: usize) -> anyhow::Result<()> {
        let mut sockets: Vec<_> = lines.iter().map(|line| readable(&line.socket)).collect();
        while !self.turn.stop.load(Relaxed) {
            let now = Instant::now();
            let mut heard = 0;
            let mut counts = Counts::default();
            for line in &mut *lines {
                let received = self.receive(line, &mut counts);
                heard += received;
                if received > 0 {
                    line.heard = now;
                } else if line.flying > 0 && now - line.heard > LOST {
                    line.give_up(&mut counts);
                }
                // Half a window at a time, so that system calls are shared.
                let room = window - line.flying.min(window);
                if 2 * room < window {
                    continue;
                }
                if line.flying == 0 {
                    line.heard = now;
                }
                let since = Instant::now();
                for _ in 0..self.send(line, room) {
                    line.sent(since, &mut counts);
                }
            }
            self.count(counts);
            if heard == 0 {
                wait(&mut sockets, 10)?;
            }
        }
        Ok(())
    }

    /// Sends what is due, socket after socket, and takes answers in between.
    fn open(&mut self, lines: &mut [Line], rate: f64) -> anyhow::Result<()> {
        let mut sockets: Vec<_> = lines.iter().map(|line| readable(&line.socket)).collect();
        let (start, mut sent, mut at) = (Instant::now(), 0_u64, 0);
        let due = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
        while !self.turn.stop.load(Relaxed) {
            let mut counts = Counts::default();
            let now = Instant::now();
            // The query that is due just now is number `elapsed * rate`.
            let owing = (now - start).as_secs_f64() * rate - sent as f64;
            let mut owing = if owing < 0.0 { 0 } else { owing as usize + 1 };
            while owing > 0 {
                let line = &mut lines[at];
                at = (at + 1) % self.turn.sockets;
                // A few at a time: as they would come from many clients.
                let went = self.send(line, owing.min(4));
                for _ in 0..went {
                    line.sent(due(sent), &mut counts);
                    sent += 1;
                }
                owing -= went;
                if went == 0 {
                    break;
                }
            }
            wait(&mut sockets, i32::from(due(sent) - now > Duration::from_millis(2)))?;
            for (line, socket) in lines.iter_mut().zip(&sockets) {
                if socket.revents != 0 {
                    self.receive(line, &mut counts);
                }
            }
            self.count(counts);
        }
        Ok(())
    }

    fn receive(&mut self, line: &mut Line, counts: &mut Counts) -> usize {
        let mut unwanted = Histogram::default();
        let measuring = self.turn.measuring.load(Relaxed);
        let times = if measuring { &mut self.times } else { &mut unwanted };
        line.receive(&mut self.exchange, self.turn.expected, counts, times)
    }

    /// Sends the next queries on a socket, and returns how many went.
    fn send(&mut self, line: &Line, count: usize) -> usize {
        let (queries, count) = (self.turn.queries, count.min(BATCH));
        for index in 0..count {
            let id = line.next_id.wrapping_add(index as u16);
            self.exchange.write(index, &queries[(self.next + index) % queries.len()], id);
        }
        let sent = if self.turn.segments {
            self.exchange.send_segments(&line.socket, count)
        } else {
            self.exchange.send(&line.socket, count)
        };
        self.next = (self.next + sent) % queries.len();
        sent
    }

    fn count(&self, counts: Counts) {
        *self.turn.counts.lock().expect("nobody panics with it") += counts;
    }
}
