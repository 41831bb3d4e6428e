//! `meridian export`: what is served, in the forms of others.

mod map;
mod octodns;
mod zone;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use super::arguments::{ExportCommand, Supposed};
use super::report;
use crate::config::{self, Disk, Files, suggest};
use crate::server::Generation;
use crate::steering::control::Control;
use crate::steering::model::PoolState;
use crate::wire::Name;
use crate::zone::RecordId;
use crate::zone::master::MasterFile;

/// Something could not be said in the other form.
const SOME_LEFT: u8 = 1;

pub(super) fn run(command: &ExportCommand) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match command {
        ExportCommand::Map { name, supposed } => {
            let Some((_, generation, control)) = suppose(supposed)? else {
                return Ok(ExitCode::from(super::FAILED));
            };
            map::write(&generation, &control, steered(&generation, name)?, out)?;
        }
        ExportCommand::Zone { zone, client, supposed } => {
            let Some((config, generation, control)) = suppose(supposed)? else {
                return Ok(ExitCode::from(super::FAILED));
            };
            zone::write(&config, &generation, &control, zone, *client, out)?;
        }
        ExportCommand::Octodns { zone, config } => {
            let Some((config, generation)) = report::generation(&config.config) else {
                return Ok(ExitCode::from(super::FAILED));
            };
            let (text, left) = octodns::document(&config, &generation, zone)?;
            out.write_all(text.as_bytes())?;
            for line in &left {
                report::say(&format!("meridian: not exported: {line}"));
            }
            if !left.is_empty() {
                return Ok(ExitCode::from(SOME_LEFT));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a configuration and takes pools down in it. `None` when there are errors; they have been
/// printed.
fn suppose(supposed: &Supposed) -> anyhow::Result<Option<(config::Config, Generation, Control)>> {
    let Some((config, generation)) = report::generation(&supposed.config.config) else {
        return Ok(None);
    };
    let mut control = Control::new(generation.steering.clone(), []);
    for name in &supposed.down {
        control.force(report::pool_named(&generation, name)?, Some(PoolState::Down));
    }
    control.settle();
    Ok(Some((config, generation, control)))
}

/// What steers a name.
fn steered(generation: &Generation, name: &Name) -> anyhow::Result<RecordId> {
    let records = &generation.steering.model.records;
    if let Some(index) = records.iter().position(|record| record.owner == *name) {
        return Ok(RecordId(u32::try_from(index)?));
    }
    let owners: Vec<String> = records.iter().map(|record| record.owner.to_string()).collect();
    match suggest::nearest(&name.to_string(), owners.iter().map(String::as_str)) {
        Some(near) => bail!("no policy steers `{name}`; did you mean `{near}`?"),
        None => bail!("no policy steers `{name}`"),
    }
}

/// The file of a zone, and what stands in it.
fn zone_file(config: &config::Config, zone: &Name) -> anyhow::Result<(String, MasterFile)> {
    let mut known = Vec::new();
    for file in &config.server.zones {
        let path = &file.path;
        let origin = crate::zone::master::default_origin(path)?;
        let fetch = |path: &Path, most| Disk.read_bounded(path, most);
        let Ok(read) = crate::zone::master::parse_file(path, origin, &fetch) else { continue };
        if read.apex == *zone {
            return Ok((std::fs::read_to_string(path)?, read));
        }
        known.push(read.apex.to_string());
    }
    match suggest::nearest(&zone.to_string(), known.iter().map(String::as_str)) {
        Some(near) => bail!("there is no zone `{zone}`; did you mean `{near}`?"),
        None => bail!("there is no zone `{zone}`"),
    }
}

/// The steered names of a zone, with their records.
fn steered_in<'g>(
    generation: &'g Generation,
    zone: &'g Name,
) -> impl Iterator<Item = (RecordId, &'g crate::steering::model::Record)> {
    let zones = &generation.snapshot.zones;
    let records = (0..).map(RecordId).zip(&generation.steering.model.records);
    records.filter(move |(_, record)| {
        zones.zone_of(&record.owner).is_some_and(|found| found.apex() == zone)
    })
}
