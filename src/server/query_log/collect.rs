//! The thread that empties the queues of the threads that answer, and hands on to the logs. It
//! waits for nothing but the next round.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::facts::Facts;
use super::file::LineFile;
use super::outlet::{Complaint, Outlet};
use super::{Counts, Dnstap, Lines, Settings, dnstap, line, socket};
use crate::transport::tap::{self, Exchange};

/// How long it waits when it has taken all there was: at full speed a queue takes several times as
/// long to fill.
const REST: Duration = Duration::from_millis(10);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// And say when it is so.
    Set(Settings, Sender<()>),
    Stop,
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Collector {
    counts: Counts,
    lines: Option<(Lines, Outlet)>,
    dnstap: Option<(Dnstap, dnstap::Writer, Outlet)>,
    /// What was said last of what is logged; empty while nothing is.
    said: String,
    /// What full queues lost when it was said last.
    told: u64,
    complaint: Complaint,
}

impl Collector {
    pub(super) fn new(counts: Counts) -> Collector {
        Collector {
            counts,
            lines: None,
            dnstap: None,
            said: String::new(),
            told: tap::lost(),
            complaint: Complaint::default(),
        }
    }

    /// Works until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut rest = REST;
        loop {
            let is_on = self.lines.is_some() || self.dnstap.is_some();
            let order = match is_on {
                true => orders.recv_timeout(rest),
                false => orders.recv().map_err(RecvTimeoutError::from),
            };
            match order {
                Ok(Order::Set(settings, done)) => {
                    self.set(settings);
                    // Not everybody waits for it.
                    let _ = done.send(());
                }
                Ok(Order::Stop) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            rest = if self.collect() { Duration::ZERO } else { REST };
        }
        tap::tell(0);
        while self.collect() {}
        let lines = self.lines.take().map(|(_, outlet)| outlet.end());
        let dnstap = self.dnstap.take().map(|(.., outlet)| outlet.end());
        for thread in [lines, dnstap].into_iter().flatten() {
            // A panic there was said, and there is nothing left to do.
            let _ = thread.join();
        }
    }

    /// What stays as it is goes on; for the rest what is in the queues is written as before.
    fn set(&mut self, settings: Settings) {
        let Settings { one_in, lines, dnstap } = settings;
        let one_in = if lines.is_some() || dnstap.is_some() { one_in } else { 0 };
        if one_in == 0 {
            tap::tell(0);
        }
        while self.collect() && one_in == 0 {}
        match &self.lines {
            Some((known, outlet)) if lines.as_ref() == Some(known) => outlet.look(),
            _ => {
                leave(self.lines.take().map(|(_, outlet)| outlet));
                self.lines = lines.and_then(|lines| {
                    let (target, most) = (lines.target.clone(), lines.most);
                    let write = move |inlet| LineFile::new(target, most).write(inlet);
                    Some((lines, started(Outlet::start("query log", &self.counts.lines, write))?))
                });
            }
        }
        if self.dnstap.as_ref().map(|(known, ..)| known) != dnstap.as_ref() {
            leave(self.dnstap.take().map(|(.., outlet)| outlet));
            self.dnstap = dnstap.and_then(|dnstap| {
                let path = dnstap.socket.clone();
                let write = move |inlet| socket::write(&path, &inlet);
                let outlet = started(Outlet::start("dnstap", &self.counts.dnstap, write))?;
                let writer = dnstap::Writer::new(&dnstap.identity);
                Some((dnstap, writer, outlet))
            });
        }
        tap::tell(one_in);
        self.say(one_in);
    }

    /// Says what is logged from now on, when that is something else than before.
    fn say(&mut self, one_in: u32) {
        let lines = self.lines.as_ref().map(|(lines, _)| lines.target.to_string());
        let dnstap = self.dnstap.as_ref().map(|(dnstap, ..)| dnstap.socket.display().to_string());
        let wheres: Vec<String> = [lines, dnstap.map(|socket| format!("{socket}, dnstap"))]
            .into_iter()
            .flatten()
            .collect();
        let says = match one_in {
            0 => String::new(),
            1 => format!("queries are logged: {}", wheres.join("; ")),
            _ => format!("one query in {one_in} is logged: {}", wheres.join("; ")),
        };
        if says != self.said {
            match one_in {
                0 => tracing::info!("no queries are logged any more"),
                _ => tracing::info!("{says}"),
            }
            self.said = says;
        }
    }

    /// Takes what the queues hold and hands it on; says whether there is more.
    fn collect(&mut self) -> bool {
        let Collector { lines, dnstap, .. } = self;
        let is_more = tap::drain(|exchange: &Exchange<'_>| {
            if let Some((Lines { format, .. }, outlet)) = lines {
                let facts = Facts::of(exchange);
                outlet.put(|octets| line::write(&facts, *format, octets));
            }
            if let Some((_, writer, outlet)) = dnstap {
                outlet.put(|octets| writer.write(exchange, octets));
            }
        });
        if let Some((_, outlet)) = lines {
            outlet.flush();
        }
        if let Some((.., outlet)) = dnstap {
            outlet.flush();
        }
        self.complain();
        is_more
    }

    fn complain(&mut self) {
        let lost = tap::lost();
        if lost > self.told && self.complaint.is_due() {
            let more = lost - std::mem::replace(&mut self.told, lost);
            tracing::warn!(
                "more queries than can be logged: {more} were left out; a larger `queries_sample` \
                 in [log] tells fewer"
            );
        }
    }
}

/// Has a log write what it has and end, on its own: a slow disk is nothing that others should wait
/// for.
fn leave(outlet: Option<Outlet>) {
    drop(outlet.map(Outlet::end));
}

fn started(outlet: std::io::Result<Outlet>) -> Option<Outlet> {
    outlet
        .inspect_err(|error| tracing::error!(%error, "no thread for the query log: it stays off"))
        .ok()
}
