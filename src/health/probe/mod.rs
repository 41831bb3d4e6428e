//! One check of one target, once.
//!
//! Knows how to ask and how to judge; knows nothing of verdicts or of when to ask again.

mod fault;
mod http;
mod judge;
mod load;
mod marks;
mod page;
mod resolve;
mod success;
mod tcp;
mod tls;

use std::time::{Duration, Instant};

use self::http::Http;
use self::marks::Marks;
use self::tcp::Tcp;
use super::check::Check;
use super::failure::Failure;
use super::monitor::Kind;

pub(super) use self::page::HttpError;
pub(super) use self::resolve::Lookups;
pub(super) use self::success::Success;
pub(super) use self::tls::Tls;
pub use self::tls::system_authorities;

/// A check made ready to be run again and again, though never twice at once.
#[derive(Debug)]
pub(super) struct Probe {
    timeout: Duration,
    marks: Marks,
    ask: Ask,
}

#[derive(Debug)]
enum Ask {
    Tcp(Tcp),
    Http(Box<Http>),
}

impl Probe {
    /// Makes a check ready; opens nothing yet.
    pub(super) fn new(check: &Check, lookups: &Lookups, tls: &mut Tls) -> Result<Probe, HttpError> {
        let marks = Marks::new(matches!(check.monitor.kind, Kind::Https(..)));
        let ask = match &check.monitor.kind {
            Kind::Tcp => Ask::Tcp(Tcp::new(lookups.of(&check.target))),
            Kind::Http(exchange) => {
                Ask::Http(Box::new(Http::new(check, exchange, None, lookups, tls)?))
            }
            Kind::Https(exchange, trust) => {
                Ask::Http(Box::new(Http::new(check, exchange, Some(trust), lookups, tls)?))
            }
        };
        Ok(Probe { timeout: check.monitor.timeout, marks, ask })
    }

    /// Checks the target, within the monitor's timeout whatever it does.
    ///
    /// A page that says only how busy the target is gets what is left of that time: it cannot turn
    /// a success into a failure.
    pub(super) async fn run(&self) -> Result<Success, Failure> {
        self.marks.start();
        let started = Instant::now();
        let work = async {
            match &self.ask {
                Ask::Tcp(tcp) => tcp.run(&self.marks).await.map(Success::from),
                // A task is as large as the largest of its waits; most checks need little room.
                Ask::Http(http) => Box::pin(http.run(&self.marks)).await,
            }
        };
        let mut success = match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let stage = self.marks.stage();
                return Err(Failure::TimedOut { after: self.timeout, stage });
            }
        };
        if let Ask::Http(http) = &self.ask
            && http.has_load_page()
        {
            let left = self.timeout.saturating_sub(started.elapsed());
            match tokio::time::timeout(left, Box::pin(http.load())).await {
                Ok(load) => success.load = load,
                Err(_) => success.load = Some(Err("no time left for the page".into())),
            }
        }
        Ok(success)
    }
}
