//! One check of one target, once.
//!
//! Knows how to ask and how to judge; knows nothing of verdicts or of when to ask again.

mod connect;
mod dns;
mod exec;
mod fault;
mod grpc;
mod http;
mod http1;
mod judge;
mod load;
mod marks;
mod page;
mod resolve;
mod success;
mod tcp;
mod tls;

use std::time::{Duration, Instant};

use self::connect::{Handshake, Secured};
use self::dns::Dns;
use self::exec::Exec;
use self::grpc::Grpc;
use self::http::Http;
use self::marks::Marks;
use self::tcp::Tcp;
use super::check::Check;
use super::failure::Failure;
use super::kinds::{self, Called, Security};
use super::monitor::Kind;

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
    Tls(Box<Handshake>),
    Dns(Box<Dns>),
    Grpc(Box<Grpc>),
    Exec(Exec),
    Http(Box<Http>),
    /// Asks nothing: by now somebody should have reported.
    Silence(Duration),
    /// A composite, which asks nothing.
    Nothing,
}

/// A check could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`{0}` cannot be asked for")]
    Address(String),
    #[error("not a name for TLS: {0}")]
    Name(String),
}

impl Probe {
    /// Makes a check ready; opens nothing yet.
    pub(super) fn new(check: &Check, lookups: &Lookups, tls: &mut Tls) -> Result<Probe, NotReady> {
        let marks = Marks::new(check.monitor.kind.speaks_tls());
        let lookup = || lookups.of(&check.target);
        let mut secured = |called: &Called, security: &Security, protocols| {
            let name = called.server_name(&check.target).map_err(NotReady::Name)?;
            Ok::<_, NotReady>(Secured::new(name, security, protocols, tls)?)
        };
        let ask = match &check.monitor.kind {
            Kind::Tcp => Ask::Tcp(Tcp::new(lookup(), None)),
            Kind::Talk(talk) => Ask::Tcp(Tcp::new(lookup(), Some(talk.clone()))),
            Kind::Tls(kinds::Handshake { called, security }) => Ask::Tls(Box::new(Handshake {
                lookup: lookup(),
                secured: secured(called, security, &[])?,
                expiry: security.expiry,
            })),
            Kind::Dns(question) => Ask::Dns(Box::new(Dns::new(lookup(), (**question).clone()))),
            Kind::Grpc(call) => {
                let over = |security| secured(&call.called, security, &[b"h2"]);
                let over = call.security.as_ref().map(over).transpose()?;
                Ask::Grpc(Box::new(Grpc::new(check, call, over, lookup())?))
            }
            Kind::Exec(program) => Ask::Exec(Exec::new(check, program)),
            Kind::Push => Ask::Silence(check.monitor.interval),
            Kind::Composite(_) => Ask::Nothing,
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
                Ask::Tls(handshake) => Box::pin(handshake.run(&self.marks)).await,
                Ask::Dns(dns) => Box::pin(dns.run(&self.marks)).await.map(Success::from),
                Ask::Grpc(grpc) => Box::pin(grpc.run(&self.marks)).await,
                Ask::Exec(exec) => Box::pin(exec.run(&self.marks)).await.map(Success::from),
                Ask::Http(http) => Box::pin(http.run(&self.marks)).await,
                Ask::Silence(ttl) => Err(Failure::NoReport(*ttl)),
                Ask::Nothing => Ok(Success::from(self.marks.timing())),
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
