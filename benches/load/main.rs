//! Load over UDP, and a bare reflector to hold a server's figures against.
//!
//! ```text
//! cargo bench --bench load -- reflect --listen 127.0.0.1:5399 --workers 1
//! cargo bench --bench load -- fire reflector=127.0.0.1:5399/PID meridian=127.0.0.1:5300/PID \
//!     --name www.example.com --ecs 24 --rounds 5
//! ```
//!
//! `fire` keeps a window of queries in flight on each of many sockets (a server spreads clients
//! over its threads by their ports), or sends at a fixed `--rate` whatever comes back. It checks
//! every answer's id, response code and number of answers, and prints answers per second, what CPU
//! time the server took for each, and how long they took. With `--rate` this time begins when a
//! query was due. Servers take turns, so that what else the machine does meets all of them. Pin
//! servers and generator to different cores (`taskset -c`).

mod cpu;
mod exchange;
mod fire;
mod histogram;
mod line;
#[path = "../scenarios/message.rs"]
mod message;
mod pace;
mod query;
mod reflect;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "load", about = "Load over UDP, and a reflector as the ceiling")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Send queries and measure the answers.
    Fire(fire::Options),
    /// Answer every datagram with itself and QR set, until interrupted.
    Reflect(reflect::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Some(Command::Fire(options)) => fire::run(&options),
        Some(Command::Reflect(options)) => reflect::run(&options),
        // `cargo bench` without arguments runs everything: there is nothing to fire at.
        None => Ok(Cli::command().print_help()?),
    }
}
