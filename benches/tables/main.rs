//! Tables compared: the two that each query is looked up in, against others that could do it.
//!
//! ```text
//! cargo bench --bench tables -- prefix                # the database that comes with the program
//! cargo bench --bench tables -- prefix CITY.mmdb
//! cargo bench --bench tables -- names --names 1000000
//! benches/tables/instructions names --names 1000      # counts instructions, by callgrind
//! ```
//!
//! `prefix` is from an address to its class, with and without the length of the widest prefix of
//! that class (`ClassTable`); `names` from a name to itself or the closest one above it that exists
//! (`Zones`). All tables of a run are made of the same data, are asked the same, and must say the
//! same, or the run fails. They take turns, and what stands in the columns is the median in
//! nanoseconds a lookup, of all rounds and of parts of some thousand lookups:
//!
//! - `any`: one lookup after the other, of which the processor works on several at a time;
//! - `turn`: each lookup needs what the one before it found, so that none begins before that has
//!   ended. A query waits so long for its class.
//!
//! Memory is what the allocator gave out for the table.

mod clients;
mod clock;
mod memory;
#[path = "../scenarios/message.rs"]
#[allow(dead_code)] // of queries only what is random
mod message;
mod names;
mod order;
mod poptrie;
mod prefix;
mod qp;
#[path = "../../src/zone/table.rs"]
#[allow(dead_code, unused_imports)] // it is the server's, with tests of its own
mod table;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "tables", about = "The tables of a lookup, and others in their place")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    clock: clock::Options,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// From an address to its class.
    Prefix(prefix::Options),
    /// From a name to the closest one that exists.
    Names(names::Options),
}

fn main() -> anyhow::Result<()> {
    let Cli { command, clock, .. } = Cli::parse();
    match command {
        Some(Command::Prefix(options)) => prefix::run(&options, &clock),
        Some(Command::Names(options)) => names::run(&options, &clock),
        // `cargo bench` without arguments runs everything, and this takes minutes.
        None => Ok(Cli::command().print_help()?),
    }
}
