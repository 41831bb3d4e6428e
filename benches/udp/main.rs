//! Ways to receive and send datagrams, each as a bare reflector: what an answer costs with it.
//!
//! ```text
//! cargo bench --bench udp -- all                     # about twelve minutes
//! cargo bench --bench udp -- batches --rounds 50
//! ```
//!
//! A thread on one core receives datagrams, sets QR and sends them back; a load generator (that of
//! `benches/load`) is on another, or the thread asks itself, one query at a time. Each way has its
//! turn in each round, and each round begins with another, so that what else the machine does meets
//! all of them. What counts is the CPU time of the reflector's thread for each answer, on that
//! thread's own clock; on loopback the time to deliver a reply is in it. The ratio is to the way that
//! is marked with a star, in the same round.
//!
//! Most ways are the server's own loop, [`Batch`](meridian::transport::udp::mmsg::Batch), on a socket
//! with other options. Batches of other sizes go through the `nix` crate: it prepares every header
//! of a batch anew for each call, which the server does not, and how much that is the table says.

#[path = "../load/exchange.rs"]
mod exchange;
#[path = "../load/histogram.rs"]
#[allow(dead_code)]
mod histogram;
#[path = "../load/line.rs"]
mod line;
#[path = "../scenarios/message.rs"]
#[allow(dead_code)]
mod message;
mod meter;
#[path = "../load/pace.rs"]
mod pace;
mod reflect;
mod table;
mod turn;
mod ways;

use std::fmt;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::meter::Taken;
use crate::ways::Way;

#[derive(Parser)]
#[command(name = "udp", about = "What an answer over UDP costs, received and sent in several ways")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Batches of 1 to 128 datagrams.
    Batches,
    /// A system call that waits for datagrams before the one that takes them.
    Waits,
    /// A wildcard socket with packet information, without, and a socket for the address.
    Addresses,
    /// What a socket does about the path MTU.
    Mtu,
    /// All of these, one after the other.
    All,
}

#[derive(Args)]
struct Options {
    /// How often each way has its turn at each load.
    #[arg(long, global = true, default_value_t = 25, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// How long a turn is measured, in milliseconds, at most 5,000.
    #[arg(long, global = true, default_value_t = 250, value_parser = clap::value_parser!(u64).range(50..=5000))]
    milliseconds: u64,
    /// The core of the reflector.
    #[arg(long, global = true, default_value_t = 0)]
    server_core: usize,
    /// The core of the load generator.
    #[arg(long, global = true, default_value_t = 1)]
    generator_core: usize,
    /// Queries in flight on each of 32 sockets under full load, 1 to 32.
    #[arg(long, global = true, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=32))]
    window: u8,
    /// Queries a second under the load that leaves time between them.
    #[arg(long, global = true, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    rate: u32,
}

/// How queries come.
enum Load {
    /// As many as are answered: so many are in flight on each socket.
    Full(usize),
    /// So many a second.
    Steady(u32),
    /// One, and the next when it was answered, from the reflector's own thread: batches of one, with
    /// nobody to wait for and nobody to wake.
    Single,
}

fn main() -> anyhow::Result<()> {
    let Cli { command, options, .. } = Cli::parse();
    let loads = [Load::Full(options.window.into()), Load::Steady(options.rate), Load::Single];
    let batches = ("batches", ways::BATCHES, &loads[..]);
    let waits = ("waits", ways::WAITS, &loads[..]);
    let addresses = ("addresses", ways::ADDRESSES, &loads[..]);
    // The same for each datagram, however many come.
    let mtu = ("path MTU", ways::MTU, &loads[..1]);
    let topics = match command {
        Some(Command::Batches) => vec![batches],
        Some(Command::Waits) => vec![waits],
        Some(Command::Addresses) => vec![addresses],
        Some(Command::Mtu) => vec![mtu],
        Some(Command::All) => vec![batches, waits, addresses, mtu],
        // `cargo bench` without arguments runs everything: that is not the time to load two cores.
        None => return Ok(Cli::command().print_help()?),
    };
    for (topic, ways, loads) in topics {
        for load in loads {
            println!("\n{topic}, {load}\n");
            table::print(ways, &rounds(ways, load, &options)?);
        }
    }
    Ok(())
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Full(window) => write!(f, "{window} queries in flight on each socket"),
            Load::Steady(rate) => write!(f, "{rate} queries a second"),
            Load::Single => write!(f, "one query after the other"),
        }
    }
}

/// What each way took in each round: `taken[round][way]`.
fn rounds(ways: &[Way], load: &Load, options: &Options) -> anyhow::Result<Vec<Vec<Taken>>> {
    (0..usize::from(options.rounds))
        .map(|round| {
            // Begins with another way each time, and goes round.
            let mut taken = vec![Taken::default(); ways.len()];
            for step in 0..ways.len() {
                let at = (round + step) % ways.len();
                taken[at] = turn::measure(&ways[at], load, options)?;
            }
            Ok(taken)
        })
        .collect()
}
