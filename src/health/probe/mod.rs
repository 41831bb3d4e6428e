//! One check of one target, once.
//!
//! Knows how to ask and how to judge; knows nothing of verdicts or of when to ask again.

mod fault;
mod http;
mod judge;
mod marks;
mod resolve;
mod tcp;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use self::http::Http;
use self::marks::Marks;
use self::tcp::Tcp;
use super::check::Check;
use super::failure::{Failure, Timing};
use super::monitor::Kind;

pub(super) use self::http::HttpError;
pub(super) use self::resolve::Lookups;
pub(super) use self::tls::Tls;

/// A check made ready to be run again and again, though never twice at once.
#[derive(Debug)]
pub(super) struct Probe {
    timeout: Duration,
    marks: Arc<Marks>,
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
        let lookup = lookups.of(&check.target);
        let marks = Arc::new(Marks::new(matches!(check.monitor.kind, Kind::Https(..))));
        let ask = match &check.monitor.kind {
            Kind::Tcp => Ask::Tcp(Tcp::new(lookup)),
            Kind::Http(exchange) => {
                let config = tls.unused()?;
                Ask::Http(Box::new(Http::new("http", check, exchange, config, lookup, &marks)?))
            }
            Kind::Https(exchange, trust) => {
                let config = tls.config(trust)?;
                Ask::Http(Box::new(Http::new("https", check, exchange, config, lookup, &marks)?))
            }
        };
        Ok(Probe { timeout: check.monitor.timeout, marks, ask })
    }

    /// Checks the target, within the monitor's timeout whatever it does.
    pub(super) async fn run(&self) -> Result<Timing, Failure> {
        self.marks.start();
        let work = async {
            match &self.ask {
                Ask::Tcp(tcp) => tcp.run(&self.marks).await,
                Ask::Http(http) => http.run(&self.marks).await,
            }
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut { after: self.timeout, stage: self.marks.stage() }),
        }
    }
}
