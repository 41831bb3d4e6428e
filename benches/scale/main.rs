//! How the program holds up at size: loading, memory, compiling, and the CPU of health checks.
//!
//! ```text
//! cargo bench --bench scale                                   # all of it, about two minutes
//! cargo bench --bench scale -- zones --names 1000000 --zones 1000
//! cargo bench --bench scale -- steering --records 100000 --pools 10000
//! cargo bench --bench scale -- database CITY.mmdb
//! cargo bench --bench scale -- checks --members 10000 --interval 10 --kind http
//! cargo bench --bench scale -- files zones DIRECTORY          # leaves the data for others
//! ```
//!
//! Each makes its data in a temporary directory and runs in a process of its own, so that no
//! figure of memory holds what another left behind. How fast a verdict is in force at these sizes
//! is measured by `benches/flip`.

mod checks;
#[path = "../load/cpu.rs"]
mod cpu;
mod data;
mod load;
mod usage;

use std::path::PathBuf;
use std::process::Command as Process;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "scale", about = "Loading, memory, compiling and checking at size")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Load many static names in many zones.
    Zones(Zones),
    /// Load many steered records over many pools.
    Steering(Steering),
    /// Compile a GeoIP database, and a policy over it.
    Database { file: PathBuf },
    /// Measure what the health checks of a running server cost.
    Checks(checks::Options),
    /// Write the data of `zones` or `steering` to a directory and leave it there.
    #[command(subcommand)]
    Files(Files),
    /// Answer health checks until standard input ends; started by `checks`.
    #[command(hide = true)]
    Targets { count: usize },
}

#[derive(Subcommand)]
enum Files {
    Zones {
        directory: PathBuf,
        #[command(flatten)]
        size: Zones,
    },
    Steering {
        directory: PathBuf,
        #[command(flatten)]
        size: Steering,
    },
}

#[derive(Args)]
struct Zones {
    #[arg(long, default_value_t = 1_000_000)]
    names: usize,
    #[arg(long, default_value_t = 1_000)]
    zones: usize,
}

#[derive(Args)]
struct Steering {
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    #[arg(long, default_value_t = 10_000)]
    pools: usize,
    #[arg(long, default_value = DATABASE)]
    database: PathBuf,
}

/// The country database that comes with the program.
const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/dbip-region.mmdb");

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Some(Command::Zones(size)) => load::zones(&size),
        Some(Command::Steering(size)) => load::steering(&size),
        Some(Command::Database { file }) => load::database(&file),
        Some(Command::Checks(options)) => checks::run(&options),
        Some(Command::Files(Files::Zones { directory, size })) => {
            data::zones(&directory, size.names, size.zones).map(drop)
        }
        Some(Command::Files(Files::Steering { directory, size })) => {
            data::steering(&directory, size.records, size.pools, &size.database)
        }
        Some(Command::Targets { count }) => checks::answer(count),
        None => all(),
    }
}

/// Everything at its default size, each in a process of its own.
fn all() -> anyhow::Result<()> {
    let runs: [&[&str]; 4] =
        [&["zones"], &["steering"], &["database", DATABASE], &["checks", "--kind", "http"]];
    for arguments in runs {
        let status = Process::new(std::env::current_exe()?).args(arguments).status()?;
        anyhow::ensure!(status.success(), "{arguments:?}: {status}");
        println!();
    }
    Ok(())
}
