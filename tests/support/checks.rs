//! Monitors and checks in few words.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use meridian::health::{
    Check, Checker, Exchange, Expect, Failure, Kind, Known, Monitor, Options, Report, Request,
    Rules, Target, Thresholds, Timing,
};
use tokio::sync::mpsc;

/// Long enough for everything that is to succeed on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);
/// Short, for what is to time out.
pub const SHORT: Duration = Duration::from_millis(300);

/// A monitor that asks once in a while.
pub fn monitor(kind: Kind) -> Monitor {
    Monitor {
        name: "web".into(),
        kind,
        interval: Duration::from_secs(3600),
        timeout: LONG,
        thresholds: thresholds(3, 2),
        load: None,
        rules: Rules::default(),
    }
}

pub fn thresholds(fall: u32, rise: u32) -> Thresholds {
    Thresholds { fall: NonZeroU32::new(fall).unwrap(), rise: NonZeroU32::new(rise).unwrap() }
}

/// GET /health, expecting any of 200 to 299.
pub fn exchange() -> Exchange {
    expecting(Expect::default())
}

/// GET /health, expecting this.
pub fn expecting(expect: Expect) -> Exchange {
    Exchange { request: Request::new("GET", "/health", None, []).unwrap(), expect }
}

pub fn check(address: SocketAddr, monitor: Monitor) -> Check {
    let target = Target::new(&address.ip().to_string(), address.port()).unwrap();
    Check { target, monitor: Arc::new(monitor) }
}

pub fn options() -> Options {
    Options { in_flight: 0, seed: 1, store: None }
}

/// Starts checks of which nothing is known.
pub fn start(checks: Vec<Check>) -> (Checker, mpsc::Receiver<Report>) {
    start_known(checks, &Known::default())
}

pub fn start_known(checks: Vec<Check>, known: &Known) -> (Checker, mpsc::Receiver<Report>) {
    let (sender, receiver) = mpsc::channel(64);
    (Checker::start(checks, known, sender, options()).unwrap(), receiver)
}

/// The outcome of one check.
pub async fn outcome(check: Check) -> Result<Timing, Failure> {
    let (checker, mut reports) = start(vec![check]);
    let report = reports.recv().await.unwrap();
    checker.stop().await;
    report.outcome
}

/// Why one check failed.
pub async fn failure(check: Check) -> Failure {
    outcome(check).await.unwrap_err()
}

/// Waits until something is so.
pub async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
