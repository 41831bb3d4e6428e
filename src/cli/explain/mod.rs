//! `meridian explain`: which answer a client gets, and every reason.
//!
//! The answer is the engine's own, to a real message; the reasons are
//! [`evaluate`](crate::steering::evaluate)'s. Facts are gathered first and then shown, as text or
//! as JSON.

mod ask;
mod facts;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use super::arguments::Explain;
use super::report;
use crate::health::{CheckId, Store};
use crate::server::hosts;
use crate::steering::control::Control;
use crate::steering::model::PoolState;

/// No such name is served.
const NO_SUCH_NAME: u8 = 1;

pub(super) fn run(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let Some((config, mut generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    let now = SystemTime::now();
    let hosts = hosts::store::load(&config.server.state).believed(&generation.resolver.ages, now);
    generation.place(&hosts);
    let known = Store::new(&config.server.state).load();
    let records: Vec<_> = generation.checks.iter().map(|check| known.of(check, now)).collect();
    let mut control = Control::new(
        generation.steering.clone(),
        (0..)
            .map(CheckId)
            .zip(&records)
            .filter_map(|(check, record)| Some((check, record.as_ref()?.state.verdict))),
    );
    for (check, record) in (0..).map(CheckId).zip(&records) {
        let Some(record) = record else { continue };
        if let Some(ms) = record.server_ms {
            control.set_server_ms(check, f64::from(ms));
        }
        control.set_load(check, record.load.unwrap_or(f32::NAN));
        let monitor = &generation.checks[check.0 as usize].monitor;
        control.set_left(check, monitor.rules.left(record.state.is_warned));
        control.set_change(check, monitor.change_within(&record.state));
    }
    for (name, known) in &hosts.of {
        control.set_fresh_until(name, known.until);
    }
    for name in &arguments.down {
        control.force(report::pool_named(&generation, name)?, Some(PoolState::Down));
    }
    control.evaluate_choices();
    control.tick(now);
    control.settle();
    let known = facts::Known { records: &records, hosts: &hosts };
    let facts = facts::gather(&generation, &control, known, arguments, now)?;
    let out = &mut io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &facts)?;
        writeln!(out)?;
    } else {
        text::write(&facts, out)?;
    }
    Ok(if facts.exists { ExitCode::SUCCESS } else { ExitCode::from(NO_SUCH_NAME) })
}
