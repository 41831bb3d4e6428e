//! The commands (configuration.md): what was typed, then what is done about it.

pub mod demo;
pub mod geoip;

use std::process::ExitCode;

/// Runs the command line this process was started with.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
