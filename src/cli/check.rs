//! `meridian check`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::arguments::Check;
use super::report::{self, plural};

/// Lints were found and no errors.
const LINTS: u8 = 1;

pub(super) fn run(arguments: &Check) -> anyhow::Result<ExitCode> {
    let Some((config, generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    report::print(&generation.lints);
    let zones = &generation.snapshot.zones;
    writeln!(
        io::stdout(),
        "{}: {}, {}, {}, {}, {}, {}",
        arguments.config.config.display(),
        plural(zones.zones().count(), "zone"),
        plural(zones.name_count(), "name"),
        plural(config.records.len(), "steered record"),
        plural(config.pools.len(), "pool"),
        plural(config.policies.len(), "policy").replace("policys", "policies"),
        plural(generation.checks.len(), "check"),
    )?;
    Ok(if generation.lints.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LINTS) })
}
