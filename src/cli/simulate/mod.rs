//! `meridian simulate`: where the world's clients go, and what failures would do.
//!
//! Facts are gathered first and then shown, as text or as JSON.

mod facts;
mod map;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;

pub(super) use self::text::{count, percent};

use super::arguments::Simulate;
use super::people::Clients;
use super::report;
use crate::steering::control::Control;
use crate::steering::model::PoolState;
use crate::zone::RecordId;

pub(super) fn run(arguments: &Simulate) -> anyhow::Result<ExitCode> {
    let Some((_, mut generation)) = report::generation(&arguments.config.config) else {
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
    control.settle();
    let clients = Clients::new(&arguments.weights, &generation.atlas)?;
    let wanted = (0..).map(RecordId).zip(&model.records).filter(|(_, record)| {
        arguments.names.is_empty() || arguments.names.contains(&record.owner)
    });
    let wanted: Vec<RecordId> = wanted.map(|(id, _)| id).collect();
    let facts = facts::gather(&generation, &mut control, &clients, &wanted, arguments);
    let out = &mut io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &facts)?;
        writeln!(out)?;
    } else {
        text::write(&facts, out)?;
    }
    Ok(ExitCode::SUCCESS)
}
