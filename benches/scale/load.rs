//! Loading: what `meridian check` does and `serve` before it answers, step by step.

use std::path::Path;

use meridian::config;
use meridian::geo::{Atlas, Database};
use meridian::health::Verdict;
use meridian::server::{Generation, Origin, build};
use meridian::steering::control::Control;

use crate::usage::{Memory, Step, line, mebi, step};
use crate::{Steering, Zones, data};

pub(crate) fn zones(Zones { names, zones }: &Zones) -> anyhow::Result<()> {
    println!("{names} names in {zones} zones");
    let directory = tempfile::tempdir()?;
    let size = data::zones(directory.path(), *names, *zones)?;
    let before = Memory::own()?;
    let generation = load(directory.path())?;
    let after = Memory::own()?;
    let tables = generation.snapshot.zones.memory();
    let each = |octets: usize| octets as f64 / size.names as f64;
    let beyond = |octets: usize| {
        let more = each(octets) - each(size.octets);
        format!(
            "{}: {:.0} octets a name, {more:.0} beyond its own data",
            mebi(octets),
            each(octets)
        )
    };
    line(
        "own data (owner and record data in wire form)",
        format!("{:.1} octets a name", each(size.octets)),
    );
    line("tables", beyond(tables));
    line("resident after loading", beyond(after.resident.saturating_sub(before.resident)));
    line("resident at most while loading", mebi(after.peak));
    Ok(())
}

pub(crate) fn steering(size: &Steering) -> anyhow::Result<()> {
    println!("{} steered records over {} pools", size.records, size.pools);
    let directory = tempfile::tempdir()?;
    data::steering(directory.path(), size.records, size.pools, &size.database)?;
    let before = Memory::own()?;
    let generation = load(directory.path())?;
    let begin = Step::begin()?;
    let checks = (0..generation.checks.len() as u32).map(meridian::health::CheckId);
    let control =
        Control::new(generation.steering.clone(), checks.map(|check| (check, Verdict::Up)));
    step("working out all answers", begin.end()?);
    let after = Memory::own()?;
    drop(control);
    line("targets", generation.steering.compiled.targets.len());
    line("resident", mebi(after.resident.saturating_sub(before.resident)));
    line("resident at most while loading", mebi(after.peak));
    Ok(())
}

pub(crate) fn database(file: &Path) -> anyhow::Result<()> {
    println!("{}", file.display());
    let before = Memory::own()?;
    let begin = Step::begin()?;
    let database = Database::open(file)?;
    step("reading and walking it", begin.end()?);
    line("networks", database.info().coverage.networks);
    let begin = Step::begin()?;
    let atlas = Atlas::compile(std::slice::from_ref(&database), &[]);
    step("compiling the atlas", begin.end()?);
    line("places", atlas.locations().len());
    line("ranges", format!("{} IPv4, {} IPv6", atlas.v4().count(), atlas.v6().count()));
    drop(database);
    let after = Memory::own()?;
    line("resident", mebi(after.resident.saturating_sub(before.resident)));
    line("resident at most", mebi(after.peak));
    drop(atlas);

    let directory = tempfile::tempdir()?;
    data::steering(directory.path(), 10, 10, file)?;
    load(directory.path())?;
    Ok(())
}

/// Reads and builds the configuration in `directory`, and prints what that took.
fn load(directory: &Path) -> anyhow::Result<Generation> {
    let whole = Step::begin()?;
    let begin = Step::begin()?;
    let loaded = config::load(&data::configuration(directory)).map_err(refused)?;
    step("reading the configuration", begin.end()?);
    let begin = Step::begin()?;
    let generation = build(loaded, Origin::Disk).map_err(refused)?;
    step("reading zones and databases, compiling", begin.end()?);
    step("loaded", whole.end()?);
    Ok(generation)
}

fn refused(diagnostics: Vec<config::Diagnostic>) -> anyhow::Error {
    anyhow::anyhow!(config::render(&diagnostics[..diagnostics.len().min(5)], false))
}
