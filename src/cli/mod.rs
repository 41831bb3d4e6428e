//! The commands (configuration.md): what was typed, then what is done about it.
//!
//! Results go to stdout, errors and logs to stderr; the exit code is part of the contract.

mod arguments;
mod check;
mod complete;
mod ctl;
pub mod demo;
mod descriptors;
mod diff;
mod explain;
mod export;
mod external_dns;
mod generate;
pub mod geoip;
mod import;
pub mod latency;
mod logging;
mod people;
mod query_log;
mod report;
mod serve;
mod simulate;
mod test;
mod told;
mod top;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// The command could not be carried out: wrong files, wrong arguments, no server.
const FAILED: u8 = 2;

/// Runs the command line this process was started with.
pub fn run() -> ExitCode {
    complete::answer();
    // The one TLS provider of the process; a second call would be refused, and is not made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Ctl(arguments) => ctl::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments.command),
        Command::ExternalDns(arguments) => external_dns::run(&arguments),
        Command::Geoip(arguments) => geoip::run(&arguments),
        Command::Latency(arguments) => latency::run(&arguments),
        Command::Schema { api } => generate::schema(api),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::man(directory.as_deref()),
    };
    match done {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("meridian: {error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Whether the reader of our output has gone, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
