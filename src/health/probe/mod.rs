//! One check of one target, once.
//!
//! Knows how to ask and how to judge; knows nothing of verdicts or of when to ask again.

mod connect;
mod dns;
mod exec;
mod fault;
mod grpc;
mod http;
mod judge;
mod marks;
mod resolve;
mod tcp;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use self::connect::Handshake;
use self::dns::Dns;
use self::exec::Exec;
use self::grpc::Grpc;
use self::http::Http;
use self::marks::Marks;
use self::tcp::Tcp;
use super::check::Check;
use super::failure::{Failure, Timing};
use super::kinds;
use super::monitor::Kind;

pub(super) use self::http::NotReady;
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
    Tls(Handshake),
    Dns(Box<Dns>),
    Grpc(Box<Grpc>),
    Exec(Exec),
    Http(Box<Http>),
    /// A composite, which asks nothing.
    Nothing,
}

impl Probe {
    /// Makes a check ready; opens nothing yet.
    pub(super) fn new(check: &Check, lookups: &Lookups, tls: &mut Tls) -> Result<Probe, NotReady> {
        let lookup = lookups.of(&check.target);
        let marks = Arc::new(Marks::new(check.monitor.kind.speaks_tls()));
        let ask = match &check.monitor.kind {
            Kind::Tcp => Ask::Tcp(Tcp::new(lookup, None)),
            Kind::Talk(talk) => Ask::Tcp(Tcp::new(lookup, Some(talk.clone()))),
            Kind::Tls(kinds::Handshake { called, trust }) => {
                let name = called.server_name(&check.target).map_err(NotReady::Name)?;
                let tls = connect::Tls::new(tls.config(trust)?, name, &[]);
                Ask::Tls(Handshake { tls, lookup })
            }
            Kind::Dns(question) => Ask::Dns(Box::new(Dns::new(lookup, (**question).clone()))),
            Kind::Grpc(call) => {
                let with = |trust| -> Result<connect::Tls, NotReady> {
                    let name = call.called.server_name(&check.target).map_err(NotReady::Name)?;
                    Ok(connect::Tls::new(tls.config(trust)?, name, &["h2"]))
                };
                let tls = call.trust.as_ref().map(with).transpose()?;
                Ask::Grpc(Box::new(Grpc::new(check, call, tls, lookup)?))
            }
            Kind::Exec(program) => Ask::Exec(Exec::new(check, program)),
            Kind::Composite(_) => Ask::Nothing,
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
                Ask::Tls(handshake) => handshake.run(&self.marks).await,
                Ask::Dns(dns) => dns.run(&self.marks).await,
                Ask::Grpc(grpc) => grpc.run(&self.marks).await,
                Ask::Exec(exec) => exec.run(&self.marks).await,
                Ask::Http(http) => http.run(&self.marks).await,
                Ask::Nothing => Ok(self.marks.timing()),
            }
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut { after: self.timeout, stage: self.marks.stage() }),
        }
    }
}
