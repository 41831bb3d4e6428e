//! A socket, its queries in flight, and what an answer must look like.

use std::net::{SocketAddr, UdpSocket};
use std::ops::{AddAssign, Sub};
use std::time::Instant;

use crate::exchange::Exchange;
use crate::histogram::Histogram;

/// Ids remembered of each socket.
pub(crate) const RING: usize = 1024;

/// What every answer must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) rcode: u8,
    /// Answers, at least.
    pub(crate) answers: u16,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) answers: u64,
    pub(crate) wrong: u64,
    pub(crate) lost: u64,
    /// Answers to queries that counted as lost, or to none.
    pub(crate) late: u64,
}

/// A query in flight.
#[derive(Debug, Clone, Copy)]
struct Flight {
    id: u16,
    /// When it was sent, or should have been.
    since: Instant,
}

pub(crate) struct Line {
    pub(crate) socket: UdpSocket,
    pub(crate) next_id: u16,
    /// At place `id % RING`.
    flights: Box<[Option<Flight>]>,
    pub(crate) flying: usize,
    /// When an answer came last, or the first query of an empty line went.
    pub(crate) heard: Instant,
}

impl Line {
    pub(crate) fn open(server: SocketAddr) -> anyhow::Result<Line> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        let flights = vec![None; RING].into();
        Ok(Line { socket, next_id: 0, flights, flying: 0, heard: Instant::now() })
    }

    /// The next query went out, and its answer is waited for `since` then.
    pub(crate) fn sent(&mut self, since: Instant, counts: &mut Counts) {
        let flight = Flight { id: self.next_id, since };
        match self.flights[usize::from(self.next_id) % RING].replace(flight) {
            None => self.flying += 1,
            // All its neighbours were answered long ago.
            Some(_) => counts.lost += 1,
        }
        self.next_id = self.next_id.wrapping_add(1);
    }

    /// Takes what came, and returns how many datagrams that were.
    pub(crate) fn receive(
        &mut self,
        exchange: &mut Exchange,
        expected: Expected,
        counts: &mut Counts,
        times: &mut Histogram,
    ) -> usize {
        let received = exchange.receive(&self.socket);
        let now = Instant::now();
        for index in 0..received {
            if let Some(since) = self.hear(exchange.read(index), expected, counts) {
                times.add(now.saturating_duration_since(since));
            }
        }
        received
    }

    fn hear(&mut self, answer: &[u8], expected: Expected, counts: &mut Counts) -> Option<Instant> {
        let Some(&[high, low, flags, code, _, _, many, few]) = answer.first_chunk::<8>() else {
            counts.wrong += 1;
            return None;
        };
        let id = u16::from_be_bytes([high, low]);
        let place = &mut self.flights[usize::from(id) % RING];
        let Some(flight) = place.take_if(|flight| flight.id == id) else {
            counts.late += 1;
            return None;
        };
        self.flying -= 1;
        let good = flags & 0x80 != 0
            && code & 0x0f == expected.rcode
            && u16::from_be_bytes([many, few]) >= expected.answers;
        *(if good { &mut counts.answers } else { &mut counts.wrong }) += 1;
        good.then_some(flight.since)
    }

    /// Waits no longer for what is in flight.
    pub(crate) fn give_up(&mut self, counts: &mut Counts) {
        counts.lost += self.flying as u64;
        self.flights.fill(None);
        self.flying = 0;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.answers += other.answers;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.late += other.late;
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, other: Counts) -> Counts {
        Counts {
            answers: self.answers - other.answers,
            wrong: self.wrong - other.wrong,
            lost: self.lost - other.lost,
            late: self.late - other.late,
        }
    }
}
