//! `meridian simulate`: where the world's clients go, and what failures would do.
//!
//! Facts are gathered first and then shown, as text or as JSON.

mod burden;
mod facts;
mod map;
mod svg;
mod text;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};

pub(super) use self::text::{count, percent};

use super::arguments::Simulate;
use super::people::Clients;
use super::report;
use crate::steering::control::Control;
use crate::steering::model::PoolState;
use crate::zone::RecordId;

pub(super) fn run(arguments: &Simulate) -> anyhow::Result<ExitCode> {
    let Some((config, mut generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    generation.suppose_hosts();
    let model = &generation.steering.model;
    for name in &arguments.names {
        if !model.records.iter().any(|record| record.owner == *name) {
            bail!("no policy steers `{name}`");
        }
    }
    let mut control = Control::new(generation.steering.clone(), []);
    for name in &arguments.down {
        control.force(report::pool_named(&generation, name)?, Some(PoolState::Down));
    }
    control.explore(SystemTime::now());
    control.settle();
    let clients = Clients::new(&arguments.weights, &generation.atlas)?;
    let wanted = (0..).map(RecordId).zip(&model.records).filter(|(_, record)| {
        arguments.names.is_empty() || arguments.names.contains(&record.owner)
    });
    let wanted: Vec<RecordId> = wanted.map(|(id, _)| id).collect();
    let targets = facts::by_target(model, &wanted);
    if targets.len() != 1 && (arguments.svg.is_some() || arguments.total.is_some()) {
        bail!("--svg and --total are about one name, and {} are steered: name one", wanted.len());
    }
    let total = match targets.keys().next() {
        Some(target) if targets.len() == 1 => {
            let present = || burden::present(&config, &generation, &model.pools_under(*target));
            arguments.total.or_else(present)
        }
        _ => None,
    };
    let facts = facts::gather(&generation, &mut control, &clients, targets, total, arguments);
    if let (Some(path), Some(image)) = (&arguments.svg, &facts.image) {
        fs::write(path, image).with_context(|| path.display().to_string())?;
    }
    let out = &mut io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &facts)?;
        writeln!(out)?;
    } else {
        text::write(&facts, out)?;
    }
    Ok(ExitCode::SUCCESS)
}
