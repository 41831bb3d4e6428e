//! The load on servers in turn, for a bounded time, and what it showed.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::cpu::Cpu;
use crate::exchange::BATCH;
use crate::histogram::Histogram;
use crate::line::{Counts, Expected};
use crate::pace::{self, Pace, Turn};
use crate::query;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The servers, `[NAME=]ADDRESS[/PID[,PID]...]`: on loopback, unless `--anywhere`. The
    /// processes are those whose CPU time counts.
    #[arg(required = true)]
    servers: Vec<Server>,
    /// Allow a server that is not on this machine.
    #[arg(long)]
    anywhere: bool,
    /// How often each server has its turn, one after the other; medians are printed at the end.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=25))]
    rounds: u8,
    /// Threads that send.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Sockets of each thread.
    #[arg(long, default_value_t = 32)]
    sockets: usize,
    /// Queries in flight on each socket, 1 to 32.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=BATCH as i64))]
    window: u8,
    /// Queries a second, all sockets together, instead of a window: an open loop.
    #[arg(long, conflicts_with = "window", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// Let the kernel cut one large datagram into queries (UDP_SEGMENT): cheaper for the
    /// generator. All queries must be of the same length.
    #[arg(long)]
    segments: bool,
    /// How long to measure, in seconds, at most 60.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How long to fire before measuring, in seconds, at most 60.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=60))]
    warm_up: u64,
    /// The response code every answer must have.
    #[arg(long, default_value_t = 0)]
    rcode: u8,
    /// Octets 6 and 7 of every answer must say so many answers, at least.
    #[arg(long, default_value_t = 0)]
    answers: u16,
    #[command(flatten)]
    questions: query::Questions,
}

/// One server under load.
#[derive(Debug, Clone)]
struct Server {
    name: String,
    address: SocketAddr,
    pids: Vec<u32>,
}

/// One measurement.
struct Report {
    seconds: f64,
    counts: Counts,
    server: Option<Cpu>,
    own: Cpu,
    times: Histogram,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    for server in &options.servers {
        ensure!(
            options.anywhere || server.address.ip().is_loopback(),
            "{} is not on this machine; --anywhere if you are sure it is yours",
            server.address
        );
    }
    let queries = query::queries(&options.questions)?;
    ensure!(
        !options.segments || queries.iter().all(|query| query.len() == queries[0].len()),
        "queries of one length can be cut from one datagram, and these differ"
    );
    let mut reports: Vec<Vec<Report>> = options.servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (server, reports) in options.servers.iter().zip(&mut reports) {
            let report = turn(options, server, &queries)?;
            println!("{}: {}", server.name, report.line());
            let Counts { answers, wrong, .. } = report.counts;
            ensure!(answers > 0, "no right answers from {}", server.address);
            ensure!(wrong == 0, "{wrong} wrong answers from {}", server.address);
            reports.push(report);
        }
    }
    if options.rounds > 1 {
        println!("medians of {} rounds:", options.rounds);
        for (server, reports) in options.servers.iter().zip(&reports) {
            let rate = median(reports.iter().map(Report::rate));
            print!("{:16} {rate:9.0} answers/s", server.name);
            if !server.pids.is_empty() {
                print!("  {:6.3} us/answer", median(reports.iter().filter_map(Report::cost)));
            }
            println!();
        }
    }
    Ok(())
}

/// One server's turn: load on it, measured for the time given.
fn turn(options: &Options, server: &Server, queries: &[Vec<u8>]) -> anyhow::Result<Report> {
    let turn = Turn {
        server: server.address,
        queries,
        expected: Expected { rcode: options.rcode, answers: options.answers },
        sockets: options.sockets,
        segments: options.segments,
        counts: Mutex::default(),
        measuring: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    };
    let pace = match options.rate {
        Some(rate) => Pace::Open(f64::from(rate) / options.threads as f64),
        None => Pace::Closed(options.window.into()),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|number| {
                let turn = &turn;
                // Threads begin at different queries.
                let next = queries.len() * number / options.threads;
                scope.spawn(move || pace::load(turn, pace, next))
            })
            .collect();
        let measured = measure(options, server, &turn);
        turn.stop.store(true, Relaxed);
        let mut times = Histogram::default();
        for thread in threads {
            match thread.join() {
                Ok(result) => times.merge(&result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(Report { times, ..measured? })
    })
}

fn measure(options: &Options, server: &Server, turn: &Turn<'_>) -> anyhow::Result<Report> {
    let so_far = || *turn.counts.lock().expect("nobody panics with it");
    thread::sleep(Duration::from_secs(options.warm_up));
    let (start, counts) = (Instant::now(), so_far());
    let (theirs, own) = (Cpu::of(&server.pids)?, Cpu::own()?);
    turn.measuring.store(true, Relaxed);
    thread::sleep(Duration::from_secs(options.seconds));
    turn.measuring.store(false, Relaxed);
    let counts = so_far() - counts;
    let seconds = start.elapsed().as_secs_f64();
    let theirs = Cpu::of(&server.pids)? - theirs;
    let own = Cpu::own()? - own;
    let server = (!server.pids.is_empty()).then_some(theirs);
    Ok(Report { seconds, counts, server, own, times: Histogram::default() })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl FromStr for Server {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Server> {
        let (name, rest) = text.split_once('=').unwrap_or((text, text));
        let (address, pids) = match rest.split_once('/') {
            Some((address, pids)) => {
                (address, pids.split(',').map(str::parse).collect::<Result<_, _>>()?)
            }
            None => (rest, Vec::new()),
        };
        Ok(Server { name: name.to_owned(), address: address.parse()?, pids })
    }
}

impl Report {
    /// Right answers a second.
    fn rate(&self) -> f64 {
        self.counts.answers as f64 / self.seconds
    }

    /// CPU time of the server for each answer in microseconds.
    fn cost(&self) -> Option<f64> {
        self.server.map(|server| self.each(server.total()))
    }

    fn each(&self, seconds: f64) -> f64 {
        seconds * 1e6 / ((self.counts.answers + self.counts.wrong) as f64).max(1.0)
    }

    fn line(&self) -> String {
        let Counts { wrong, lost, late, .. } = self.counts;
        let server = self.server.map_or(String::new(), |server| {
            format!(
                "  server {:.2} cores, {:.3} us/answer (user {:.3}, system {:.3})",
                server.total() / self.seconds,
                self.each(server.total()),
                self.each(server.user),
                self.each(server.system),
            )
        });
        format!(
            "{:.0} answers/s  wrong {wrong}  lost {lost}  late {late}{server}  generator {:.2} cores  p50 {:.1} p99 {:.1} p99.9 {:.1} us",
            self.rate(),
            self.own.total() / self.seconds,
            self.times.quantile(0.5),
            self.times.quantile(0.99),
            self.times.quantile(0.999),
        )
    }
}
