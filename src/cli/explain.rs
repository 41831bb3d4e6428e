//! `meridian explain`: which answer a client gets, and every reason.
//!
//! From the files, or from a running server; what there is to say is
//! [`server::explain`](crate::server::explain)'s.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use super::arguments::Explain;
use super::{ctl, report};
use crate::admin::message::millis;
use crate::admin::{Overrides, Question};
use crate::health::{CheckId, Store};
use crate::server::explain::StateFacts;
use crate::server::{Generation, explain, hosts};
use crate::steering::control::Control;
use crate::steering::model::PoolState;

/// No such name is served.
const NO_SUCH_NAME: u8 = 1;

/// What a question comes to in a state that somebody supposes.
#[derive(Debug)]
pub(super) struct Supposed {
    /// NOERROR, NXDOMAIN and so on.
    pub(super) rcode: String,
    /// The engine's own answer section, in presentation form.
    pub(super) records: Vec<String>,
    /// The ECS scope; `None` when the reply has no client subnet.
    pub(super) scope: Option<u8>,
    /// The served name that the answer comes from in the end, and whether it is steered.
    pub(super) end: Option<(String, bool)>,
    /// All of it with every reason, as `explain` prints it.
    pub(super) why: String,
}

/// Explains without anything that was measured: nothing is known of any check. `down` is supposed
/// to be, in `control` already.
pub(super) fn suppose(
    generation: &Generation,
    control: &Control,
    down: &[String],
    question: &Question,
) -> anyhow::Result<Supposed> {
    let unknown = vec![None; generation.checks.len()];
    // What an operator said to a server is not said of files.
    let overrides = Overrides::default();
    let state = StateFacts { of: "files", down: down.to_vec(), ..StateFacts::default() };
    let scene = explain::Scene {
        snapshot: &generation.snapshot,
        control,
        databases: &generation.databases,
        networks: &generation.networks,
        checks: &generation.checks,
        records: &unknown,
        failures: &[],
        hosts: &hosts::Table::default(),
        overrides: &overrides,
        state: &state,
        is_traced: false,
        now: SystemTime::UNIX_EPOCH,
    };
    let facts = explain::gather(scene, question)?;
    let mut why = Vec::new();
    explain::write(&facts, &mut why)?;
    Ok(Supposed {
        rcode: facts.answer.rcode,
        records: facts.answer.records,
        scope: facts.answer.scope,
        end: facts
            .steps
            .iter()
            .rfind(|step| step.zone.is_some())
            .map(|step| (step.name.clone(), step.steered.is_some())),
        why: String::from_utf8_lossy(&why).into_owned(),
    })
}

pub(super) fn run(arguments: &Explain) -> anyhow::Result<ExitCode> {
    match &arguments.server {
        Some(at) => ctl::explain(&arguments.config.config, at, arguments),
        None => from_files(arguments),
    }
}

fn from_files(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let asked = &arguments.asked;
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
    // What an operator said to the server is said by a running server (`--server`).
    let overrides = Overrides::default();
    for name in &asked.down {
        control.force(report::pool_named(&generation, name)?, Some(PoolState::Down));
    }
    control.plan(&generation.maintenance, now);
    control.evaluate_choices();
    control.tick(now);
    control.settle();
    let (at, down) = (millis(now), asked.down.clone());
    let state = StateFacts { of: "files", at, down, ..StateFacts::default() };
    let scene = explain::Scene {
        snapshot: &generation.snapshot,
        control: &control,
        databases: &generation.databases,
        networks: &generation.networks,
        checks: &generation.checks,
        records: &records,
        failures: &[],
        hosts: &hosts,
        overrides: &overrides,
        state: &state,
        is_traced: asked.trace,
        now,
    };
    let question = Question {
        name: asked.name.clone(),
        rtype: asked.rtype,
        address: asked.client.address,
        length: asked.client.length,
    };
    let facts = explain::gather(scene, &question)?;
    let out = &mut io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &facts)?;
        writeln!(out)?;
    } else {
        explain::write(&facts, out)?;
    }
    Ok(if facts.exists { ExitCode::SUCCESS } else { ExitCode::from(NO_SUCH_NAME) })
}
