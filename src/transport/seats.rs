//! Who may hold a connection: so many in all, so many for each client, over whatever transport.
//!
//! Knows counts and times, no sockets. When all seats are taken the connection that has been
//! without a whole message for longest gives way: an idle one, or one that dawdles, be it in a
//! handshake.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::tally::TRANSPORTS;
use crate::engine::Transport;
use crate::geo::address::truncate;

/// All seats, taken and free.
#[derive(Debug)]
pub(super) struct Seats {
    limit: usize,
    per_client: usize,
    start: Instant,
    table: Mutex<Table>,
    /// How many connections there are, by transport.
    open: [AtomicU64; TRANSPORTS.len()],
}

#[derive(Debug, Default)]
struct Table {
    /// By what was noted of each last, and its number. A message moves no place: one that is
    /// found at the front and was active since is moved back then, so that a message costs one
    /// store and an eviction no walk through all.
    taken: BTreeMap<(u64, u64), Arc<Place>>,
    /// How many each client holds; never 0.
    clients: HashMap<IpAddr, usize>,
    next: u64,
}

#[derive(Debug)]
struct Place {
    client: IpAddr,
    /// Microseconds from `Seats::start` to the last whole message, or to the taking.
    active: AtomicU64,
    /// What `active` was when the place was put where it stands; changes under the lock alone.
    noted: AtomicU64,
    evicted: Notify,
}

/// A seat taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    place: Arc<Place>,
    transport: Transport,
}

/// A seat, or none for this client.
#[derive(Debug)]
pub(super) enum Admission {
    /// Come in; `evicted` says whether another had to go.
    Seated { seat: Seat, evicted: bool },
    /// This client holds as many as it may.
    Refused,
}

impl Seats {
    /// `limit` seats in all, `per_client` for each client.
    pub(super) fn new(limit: usize, per_client: usize, start: Instant) -> Arc<Seats> {
        let (table, open) = Default::default();
        Arc::new(Seats { limit, per_client, start, table, open })
    }

    /// Takes a seat for a connection from `client`.
    ///
    /// IPv6 clients are one by /56: whoever has one address has many.
    pub(super) fn admit(
        self: &Arc<Seats>,
        client: IpAddr,
        transport: Transport,
        now: Instant,
    ) -> Admission {
        let client = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(_) => truncate(client, 56),
        };
        let mut table = self.lock();
        let held = table.clients.get(&client).copied().unwrap_or(0);
        if held >= self.per_client || self.limit == 0 {
            return Admission::Refused;
        }
        let evicted = table.taken.len() >= self.limit && table.evict();
        *table.clients.entry(client).or_insert(0) += 1;
        let number = table.next;
        table.next += 1;
        let now = self.since_start(now);
        let place = Arc::new(Place {
            client,
            active: AtomicU64::new(now),
            noted: AtomicU64::new(now),
            evicted: Notify::new(),
        });
        table.taken.insert((now, number), Arc::clone(&place));
        self.open[transport as usize].fetch_add(1, Relaxed);
        let seat = Seat { seats: Arc::clone(self), number, place, transport };
        Admission::Seated { seat, evicted }
    }

    /// Sends away the connection that was without a message for longest, and says whether there
    /// was one.
    pub(super) fn evict(&self) -> bool {
        self.lock().evict()
    }

    /// How many connections there are over each transport. One that gives way counts until it has
    /// ended.
    pub(super) fn open(&self) -> Vec<(Transport, u64)> {
        let streams = TRANSPORTS.into_iter().filter(|transport| *transport != Transport::Udp);
        streams.map(|transport| (transport, self.open[transport as usize].load(Relaxed))).collect()
    }

    /// How many are taken.
    #[cfg(test)]
    fn taken(&self) -> usize {
        self.lock().taken.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing in a critical section can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Table {
    fn evict(&mut self) -> bool {
        // Each round moves a place back by a message of its own, or is the last.
        while let Some(((noted, number), place)) = self.taken.pop_first() {
            let active = place.active.load(Relaxed);
            if active > noted {
                place.noted.store(active, Relaxed);
                self.taken.insert((active, number), place);
                continue;
            }
            self.leave(place.client);
            place.evicted.notify_one();
            return true;
        }
        false
    }

    /// Frees a seat, unless it is free already.
    fn free(&mut self, number: u64, place: &Place) {
        if self.taken.remove(&(place.noted.load(Relaxed), number)).is_some() {
            self.leave(place.client);
        }
    }

    /// One seat fewer for `client`.
    fn leave(&mut self, client: IpAddr) {
        if let Some(held) = self.clients.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                self.clients.remove(&client);
            }
        }
    }
}

impl Seat {
    /// Notes that a whole message came.
    pub(super) fn active(&self, now: Instant) {
        self.place.active.store(self.seats.since_start(now), Relaxed);
    }

    /// Ends when no whole message came for `idle`.
    pub(super) async fn silent(&self, idle: Duration) {
        loop {
            let active = Duration::from_micros(self.place.active.load(Relaxed));
            let due = self.seats.start + active + idle;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due.into()).await;
        }
    }

    /// Ends when the seat is needed for another connection.
    pub(super) async fn evicted(&self) {
        self.place.evicted.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().free(self.number, &self.place);
        self.seats.open[self.transport as usize].fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seated(admission: Admission) -> (Seat, bool) {
        match admission {
            Admission::Seated { seat, evicted } => (seat, evicted),
            Admission::Refused => panic!("refused"),
        }
    }

    async fn is_evicted(seat: &Seat) -> bool {
        // A notification given before is there at the first poll.
        tokio::select! {
            biased;
            () = seat.evicted() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_full_house_makes_room_by_closing_the_longest_idle() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seats = Seats::new(3, 3, start);
        let (first, _) = seated(seats.admit(ip("192.0.2.1"), Transport::Tcp, at(0)));
        let (second, _) = seated(seats.admit(ip("192.0.2.2"), Transport::Tcp, at(10)));
        let (third, evicted) = seated(seats.admit(ip("192.0.2.3"), Transport::Tcp, at(20)));
        assert!(!evicted);
        first.active(at(30));
        let (_fourth, evicted) = seated(seats.admit(ip("192.0.2.4"), Transport::Tcp, at(40)));
        assert!(evicted);
        assert!(is_evicted(&second).await);
        assert!(!is_evicted(&first).await && !is_evicted(&third).await);
        assert_eq!(seats.taken(), 3);
        drop(second); // its seat was given away: nothing more to free
        assert_eq!(seats.taken(), 3);
    }

    #[test]
    fn a_client_over_its_share_is_refused_until_it_gives_a_seat_back() {
        let now = Instant::now();
        let seats = Seats::new(10, 2, now);
        let (one, _) = seated(seats.admit(ip("2001:db8::1"), Transport::Tcp, now));
        let _two = seated(seats.admit(ip("2001:db8:0:ff::1"), Transport::Tcp, now));
        assert!(matches!(
            seats.admit(ip("2001:db8:0:7::9"), Transport::Tcp, now),
            Admission::Refused
        ));
        let _neighbour = seated(seats.admit(ip("2001:db8:0:100::1"), Transport::Tcp, now));
        drop(one);
        let _three = seated(seats.admit(ip("2001:db8:0:7::9"), Transport::Tcp, now));
    }

    #[tokio::test]
    async fn whoever_was_active_since_is_passed_over() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seats = Seats::new(4, 4, start);
        let held: Vec<Seat> =
            (0..4).map(|n| seated(seats.admit(ip("192.0.2.1"), Transport::Tcp, at(n))).0).collect();
        for (n, seat) in (10..).zip([&held[0], &held[1], &held[3], &held[0]]) {
            seat.active(at(n));
        }
        for longest in [2, 1, 3, 0] {
            assert!(seats.evict());
            assert!(is_evicted(&held[longest]).await);
        }
        assert!(!seats.evict());
        drop(held);
        assert!(seats.lock().clients.is_empty());
    }

    #[test]
    fn clients_that_left_leave_nothing_behind() {
        let now = Instant::now();
        let seats = Seats::new(4, 4, now);
        for round in 0..100 {
            let client = IpAddr::from([192, 0, 2, round]);
            let _seat = seated(seats.admit(client, Transport::Tcp, now));
        }
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().clients.is_empty());
    }
}
