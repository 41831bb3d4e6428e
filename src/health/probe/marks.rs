//! When a probe reached each of its stages.
//!
//! A probe never runs twice at once, so one set of marks is enough; one that is given up is asked
//! from outside how far it had come.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::health::failure::{Stage, Timing};

/// The times of the run now under way.
#[derive(Debug)]
pub(super) struct Marks {
    /// Whether connecting includes a TLS handshake.
    tls: bool,
    times: Mutex<Times>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    started: Instant,
    resolving: bool,
    connecting: Instant,
    reached: Option<Instant>,
    connected: Option<Instant>,
    head: Option<Instant>,
    expires: Option<SystemTime>,
    /// What is going on, when it is none of the stages of a request.
    other: Option<Stage>,
}

impl Times {
    fn new(now: Instant) -> Times {
        Times {
            started: now,
            resolving: false,
            connecting: now,
            reached: None,
            connected: None,
            head: None,
            expires: None,
            other: None,
        }
    }
}

impl Marks {
    pub(super) fn new(tls: bool) -> Marks {
        Marks { tls, times: Mutex::new(Times::new(Instant::now())) }
    }

    /// A new run begins, and connects unless it says otherwise.
    pub(super) fn start(&self) {
        *self.times() = Times::new(Instant::now());
    }

    /// A name is being resolved.
    pub(super) fn resolving(&self) {
        self.times().resolving = true;
    }

    /// The addresses are known, TCP begins to connect.
    pub(super) fn connecting(&self) {
        let mut times = self.times();
        times.resolving = false;
        times.connecting = Instant::now();
    }

    /// TCP has connected.
    pub(super) fn reached(&self) {
        self.times().reached = Some(Instant::now());
    }

    /// The connection stands, TLS included.
    pub(super) fn connected(&self) {
        self.times().connected = Some(Instant::now());
    }

    /// The response head is there.
    pub(super) fn head(&self) {
        self.times().head = Some(Instant::now());
    }

    /// Something is going on that is none of the stages of a request.
    pub(super) fn other(&self, stage: Stage) {
        self.times().other = Some(stage);
    }

    /// The target's certificate expires then, which is too soon.
    pub(super) fn expiring(&self, at: Option<SystemTime>) {
        self.times().expires = at;
    }

    /// When the target's certificate expires, if that is too soon.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.times().expires
    }

    /// How far the run has come.
    pub(super) fn stage(&self) -> Stage {
        let times = *self.times();
        match times {
            Times { other: Some(stage), .. } => stage,
            Times { head: Some(_), .. } => Stage::Body,
            Times { connected: Some(_), .. } => Stage::Head,
            Times { resolving: true, .. } => Stage::Resolving,
            _ if self.tls => Stage::Handshake,
            _ => Stage::Connecting,
        }
    }

    /// What the run took, had it ended now with a success.
    ///
    /// The server's part is the time to the first byte less one round trip, which is the time TCP
    /// took to connect.
    pub(super) fn timing(&self) -> Timing {
        let times = *self.times();
        let connected = times.connected.unwrap_or(times.connecting);
        let first_byte = times.head.map(|head| head - connected);
        let round_trip = times.reached.unwrap_or(connected) - times.connecting;
        Timing {
            connect: connected - times.connecting,
            first_byte,
            server: first_byte.map(|time| time.saturating_sub(round_trip)),
            total: times.started.elapsed(),
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing(reach: u64, connect: u64, first_byte: u64) -> Timing {
        let marks = Marks::new(true);
        {
            let mut times = marks.times();
            times.reached = Some(times.connecting + Duration::from_millis(reach));
            let connected = times.connecting + Duration::from_millis(connect);
            times.connected = Some(connected);
            times.head = Some(connected + Duration::from_millis(first_byte));
        }
        marks.timing()
    }

    #[test]
    fn the_servers_part_is_the_time_to_the_first_byte_less_a_round_trip() {
        assert_eq!(timing(20, 20, 50).server, Some(Duration::from_millis(30)));
        assert_eq!(timing(20, 90, 50).server, Some(Duration::from_millis(30)));
        assert_eq!(timing(20, 20, 10).server, Some(Duration::ZERO));
    }

    #[test]
    fn a_run_passes_through_its_stages() {
        let marks = Marks::new(false);
        assert_eq!(marks.stage(), Stage::Connecting);
        marks.resolving();
        assert_eq!(marks.stage(), Stage::Resolving);
        marks.connecting();
        assert_eq!(marks.stage(), Stage::Connecting);
        marks.connected();
        assert_eq!(marks.stage(), Stage::Head);
        marks.head();
        assert_eq!(marks.stage(), Stage::Body);
        marks.start();
        assert_eq!(marks.stage(), Stage::Connecting);
        assert_eq!(Marks::new(true).stage(), Stage::Handshake);
    }
}
