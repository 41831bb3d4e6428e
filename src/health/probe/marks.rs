//! When a probe reached each of its stages.
//!
//! reqwest says neither when it began to connect nor when the connection stood. The resolver and
//! the connector layer of a probe's client note both here; a probe never runs twice at once, so
//! one set of marks is enough.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tower_layer::Layer;
use tower_service::Service;

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
    connected: Option<Instant>,
    head: Option<Instant>,
    /// What is going on, when it is none of the stages of a request.
    other: Option<Stage>,
}

impl Times {
    fn new(now: Instant) -> Times {
        Times {
            started: now,
            resolving: false,
            connecting: now,
            connected: None,
            head: None,
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
    /// The server's part is the time to the first byte less one round trip. The round trip is the
    /// time TCP took to connect; with TLS it is half of the connecting, because TCP and the TLS
    /// 1.3 handshake take one round trip each. That counts half of the handshake's computing and
    /// of TLS 1.2's second round trip as network.
    pub(super) fn timing(&self) -> Timing {
        let times = *self.times();
        let connected = times.connected.unwrap_or(times.connecting);
        let connect = connected - times.connecting;
        let first_byte = times.head.map(|head| head - connected);
        let round_trip = if self.tls { connect / 2 } else { connect };
        Timing {
            connect,
            first_byte,
            server: first_byte.map(|time| time.saturating_sub(round_trip)),
            total: times.started.elapsed(),
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes when a client's connections begin and stand.
#[derive(Debug, Clone)]
pub(super) struct Watched(pub(super) Arc<Marks>);

impl<S> Layer<S> for Watched {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner, marks: Arc::clone(&self.0) }
    }
}

/// A connector that notes when it began and when it was done.
#[derive(Debug, Clone)]
pub(super) struct Connector<S> {
    inner: S,
    marks: Arc<Marks>,
}

impl<S, Destination> Service<Destination> for Connector<S>
where
    S: Service<Destination>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: Destination) -> Self::Future {
        let marks = Arc::clone(&self.marks);
        marks.connecting();
        let connection = self.inner.call(destination);
        Box::pin(async move {
            let connection = connection.await?;
            marks.connected();
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing(tls: bool, connect: u64, first_byte: u64) -> Timing {
        let marks = Marks::new(tls);
        {
            let mut times = marks.times();
            let connected = times.connecting + Duration::from_millis(connect);
            times.connected = Some(connected);
            times.head = Some(connected + Duration::from_millis(first_byte));
        }
        marks.timing()
    }

    #[test]
    fn the_servers_part_is_the_time_to_the_first_byte_less_a_round_trip() {
        assert_eq!(timing(false, 20, 50).server, Some(Duration::from_millis(30)));
        assert_eq!(timing(true, 40, 50).server, Some(Duration::from_millis(30)));
        assert_eq!(timing(false, 20, 10).server, Some(Duration::ZERO));
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
