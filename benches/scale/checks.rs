//! What health checks cost: a running server, with another process for all that it checks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cpu::Cpu;
use crate::data;
use crate::usage::{Memory, line, mebi};

#[derive(Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 10_000)]
    members: usize,
    /// Seconds between two checks of a member.
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Seconds that are measured, after one interval that is not.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    #[arg(long, value_enum, default_value_t = Kind::Http)]
    kind: Kind,
    /// The server that is measured.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_meridian"))]
    program: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// A status is all that is looked at.
    Http,
    /// The status and a value in the JSON body.
    Json,
    Tcp,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let Options { members, interval, seconds, kind, program } = options;
    let monitor = match kind {
        Kind::Http => "kind = \"http\"\npath = \"/health\"",
        Kind::Json => {
            "kind = \"http\"\npath = \"/health\"\nexpect = { json = { \"/status\" = \"up\" } }"
        }
        Kind::Tcp => "kind = \"tcp\"\nport = 1",
    };
    let name = kind.to_possible_value().map(|kind| kind.get_name().to_owned());
    println!("{members} members, {} checks every {interval} s", name.unwrap_or_default());
    let targets = Targets::start(*members)?;
    let directory = tempfile::tempdir()?;
    data::checks(directory.path(), &targets.addresses, monitor, *interval)?;
    let mut server = Stopped(
        Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(data::configuration(directory.path()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let pid = server.0.id();
    let log = BufReader::new(server.0.stderr.take().context("no log")?);
    let mut log = log.lines();
    let mut said = String::new();
    while !said.contains("answering") {
        said += &log.next().with_context(|| format!("the server has ended:\n{said}"))??;
        said.push('\n');
    }
    let first = Cpu::of(&[pid])?;
    line("first round", format!("CPU {:.2} s", first.total()));
    let drained = thread::spawn(move || log.map_while(Result::ok).count());
    thread::sleep(Duration::from_secs(*interval));
    let (cpu, served) = (Cpu::of(&[pid])?, targets.served()?);
    thread::sleep(Duration::from_secs(*seconds));
    let (cpu, served) = (Cpu::of(&[pid])? - cpu, targets.served()? - served);
    let span = *seconds as f64;
    line("checks", format!("{served}, {:.0} a second", served as f64 / span));
    line(
        "CPU",
        format!(
            "{:.4} of a core ({:.4} user, {:.4} system)",
            cpu.total() / span,
            cpu.user / span,
            cpu.system / span
        ),
    );
    line("CPU of a check", format!("{:.1} µs", cpu.total() / served.max(1) as f64 * 1e6));
    line("resident", mebi(Memory::of(pid)?.resident));
    drop(server);
    let said = drained.join().unwrap_or_default();
    line("lines in the log after the start", said);
    Ok(())
}

/// A process that is stopped when it is not needed any more.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that answers the checks.
struct Targets {
    addresses: Vec<SocketAddr>,
    asks: ChildStdin,
    says: std::cell::RefCell<std::io::Lines<BufReader<std::process::ChildStdout>>>,
    _process: Stopped,
}

impl Targets {
    fn start(count: usize) -> anyhow::Result<Targets> {
        let mut process = Stopped(
            Command::new(std::env::current_exe()?)
                .args(["targets", &count.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let asks = process.0.stdin.take().context("no standard input")?;
        let mut says = BufReader::new(process.0.stdout.take().context("no output")?).lines();
        let mut addresses = Vec::with_capacity(count);
        while addresses.len() < count {
            addresses.push(says.next().context("the targets have ended")??.parse()?);
        }
        Ok(Targets { addresses, asks, says: says.into(), _process: process })
    }

    /// How many checks were answered so far.
    fn served(&self) -> anyhow::Result<u64> {
        (&self.asks).write_all(b"?")?;
        Ok(self.says.borrow_mut().next().context("the targets have ended")??.parse()?)
    }
}

/// Answers checks on `count` loopback addresses. Prints the addresses, and for each
/// octet read how many connections were answered so far; ends with its input.
pub(crate) fn answer(count: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&served);
    runtime.block_on(async {
        for number in 0..count as u32 {
            // An address each: a pool holds each of its members once.
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number);
            let listener = TcpListener::bind((address, 0)).await?;
            println!("{}", listener.local_addr()?);
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(exchange(stream));
                }
            });
        }
        anyhow::Ok(())
    })?;
    thread::spawn(move || {
        let mut asked = std::io::stdin().lock();
        while asked.read_exact(&mut [0]).is_ok() {
            println!("{}", served.load(Ordering::Relaxed));
        }
        std::process::exit(0);
    });
    runtime.block_on(std::future::pending())
}

/// One request, one response, and the connection is over. A TCP check sends nothing.
async fn exchange(mut stream: TcpStream) {
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
        content-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"up\"}";
    let mut request = [0; 2048];
    let mut count = 0;
    while let Ok(read @ 1..) = stream.read(&mut request[count..]).await {
        count += read;
        if request[..count].ends_with(b"\r\n\r\n") {
            // Whoever asked may be gone; that is its business.
            let _ = stream.write_all(RESPONSE).await;
            return;
        }
    }
}
