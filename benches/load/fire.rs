//! The load: a closed loop with a window on each of many sockets, for a bounded time.

use std::net::{SocketAddr, UdpSocket};
use std::ops::Sub;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::cpu::Cpu;
use crate::exchange::{BATCH, Exchange, readable, wait};
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

/// A query not answered within this time is lost.
const LOST: Duration = Duration::from_millis(250);

/// Ids remembered of each socket; a multiple of every window.
const RING: usize = 256;

#[derive(Default)]
struct Counters {
    answers: AtomicU64,
    wrong: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    answers: u64,
    wrong: u64,
    lost: u64,
    late: u64,
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
    let (counters, stop) = (Counters::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|number| {
                let (counters, stop) = (&counters, &stop);
                scope.spawn(move || load(options, server.address, queries, number, counters, stop))
            })
            .collect();
        let measured = measure(options, server, &counters);
        stop.store(true, Relaxed);
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        measured
    })
}

fn measure(options: &Options, server: &Server, counters: &Counters) -> anyhow::Result<Report> {
    thread::sleep(Duration::from_secs(options.warm_up));
    let (start, counts) = (Instant::now(), counters.read());
    let (theirs, own) = (Cpu::of(&server.pids)?, Cpu::own()?);
    thread::sleep(Duration::from_secs(options.seconds));
    let counts = counters.read() - counts;
    let seconds = start.elapsed().as_secs_f64();
    let theirs = Cpu::of(&server.pids)? - theirs;
    let own = Cpu::own()? - own;
    Ok(Report { seconds, counts, server: (!server.pids.is_empty()).then_some(theirs), own })
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
            "{:.0} answers/s  wrong {wrong}  lost {lost}  late {late}{server}  generator {:.2} cores",
            self.rate(),
            self.own.total() / self.seconds
        )
    }
}

/// One thread: goes round its sockets, takes answers, and sends as many queries again.
fn load(
    options: &Options,
    server: SocketAddr,
    queries: &[Vec<u8>],
    number: usize,
    counters: &Counters,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut lines =
        (0..options.sockets).map(|_| Line::open(server)).collect::<anyhow::Result<Vec<Line>>>()?;
    let mut sockets: Vec<_> = lines.iter().map(|line| readable(&line.socket)).collect();
    let window = usize::from(options.window);
    // Threads begin at different queries.
    let mut next = queries.len() * number / options.threads;
    let mut exchange = Exchange::new();
    while !stop.load(Relaxed) {
        let now = Instant::now();
        let mut heard = 0;
        let mut counts = Counts::default();
        for line in &mut lines {
            let received = exchange.receive(&line.socket);
            heard += received;
            for index in 0..received {
                line.hear(exchange.read(index), options, &mut counts);
            }
            if received > 0 {
                line.heard = now;
            } else if line.flying > 0 && now - line.heard > LOST {
                line.give_up(&mut counts);
            }
            // Half a window at a time, so that system calls are shared.
            let room = window - line.flying;
            if 2 * room < window {
                continue;
            }
            if line.flying == 0 {
                line.heard = now;
            }
            for index in 0..room {
                let id = line.next_id.wrapping_add(index as u16);
                exchange.write(index, &queries[(next + index) % queries.len()], id);
            }
            let sent = exchange.send(&line.socket, room);
            line.sent(sent, &mut counts);
            next = (next + sent) % queries.len();
        }
        counters.add(counts);
        if heard == 0 {
            wait(&mut sockets, 10)?;
        }
    }
    Ok(())
}

/// A socket and its queries in flight.
struct Line {
    socket: UdpSocket,
    next_id: u16,
    /// `id + 1` at place `id % RING` while a query is in flight, else 0.
    ids: [u32; RING],
    flying: usize,
    /// When an answer came last, or the first query of an empty line went.
    heard: Instant,
}

impl Line {
    fn open(server: SocketAddr) -> anyhow::Result<Line> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        Ok(Line { socket, next_id: 0, ids: [0; RING], flying: 0, heard: Instant::now() })
    }

    fn sent(&mut self, count: usize, counts: &mut Counts) {
        for _ in 0..count {
            let place = &mut self.ids[usize::from(self.next_id) % RING];
            match *place {
                0 => self.flying += 1,
                // All its neighbours were answered long ago.
                _ => counts.lost += 1,
            }
            *place = u32::from(self.next_id) + 1;
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    fn hear(&mut self, answer: &[u8], options: &Options, counts: &mut Counts) {
        let Some(&[high, low, flags, code, _, _, many, few]) = answer.first_chunk::<8>() else {
            counts.wrong += 1;
            return;
        };
        let id = u16::from_be_bytes([high, low]);
        let place = &mut self.ids[usize::from(id) % RING];
        if *place != u32::from(id) + 1 {
            counts.late += 1;
            return;
        }
        *place = 0;
        self.flying -= 1;
        let good = flags & 0x80 != 0
            && code & 0x0f == options.rcode
            && u16::from_be_bytes([many, few]) >= options.answers;
        *(if good { &mut counts.answers } else { &mut counts.wrong }) += 1;
    }

    fn give_up(&mut self, counts: &mut Counts) {
        counts.lost += self.flying as u64;
        self.ids = [0; RING];
        self.flying = 0;
    }
}

impl Counters {
    fn add(&self, more: Counts) {
        self.answers.fetch_add(more.answers, Relaxed);
        self.wrong.fetch_add(more.wrong, Relaxed);
        self.lost.fetch_add(more.lost, Relaxed);
        self.late.fetch_add(more.late, Relaxed);
    }

    fn read(&self) -> Counts {
        Counts {
            answers: self.answers.load(Relaxed),
            wrong: self.wrong.load(Relaxed),
            lost: self.lost.load(Relaxed),
            late: self.late.load(Relaxed),
        }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, other: Counts) -> Counts {
        Counts {
            answers: self.answers - other.answers,
            wrong: self.wrong - other.wrong,
            lost: self.lost - other.lost,
            late: self.late - other.late,
        }
    }
}
