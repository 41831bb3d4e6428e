//! `meridian ctl`: a client of the control API of a running server.

mod arguments;
pub(super) mod reach;
pub(super) mod text;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::arguments::{Asked, Explain};
use super::report;
use crate::admin::Entry;
use crate::admin::message::{
    Changed, Drain, Explained, Force, Health, KeptGeneration, Reload, Report, Reported, Reread,
    Restore, Resume, Resumed, Rollback, RolledBack, Status, millis,
};
use arguments::{CtlCommand, Order};
use reach::{Failure, Server};

pub(super) use arguments::{Ctl, Reach};

/// The server refused, or there is no such name.
const REFUSED: u8 = 1;

/// Seconds that a request for events waits for the next one.
const WAIT: u64 = 25;

pub(super) fn run(arguments: &Ctl) -> anyhow::Result<ExitCode> {
    end(async {
        let server = Server::at(&arguments.reach)?;
        command(&server, arguments).await
    })
}

/// `meridian explain --server`: `at` is a control socket, a URL, or empty for the server that the
/// configuration file `config` is of.
pub(super) fn explain(config: &Path, at: &str, arguments: &Explain) -> anyhow::Result<ExitCode> {
    end(async {
        let server = Server::at(&Reach::to(config, at, None))?;
        explained(&server, &arguments.asked, arguments.at, arguments.json).await
    })
}

/// Does what is to be done, and says why it was not.
fn end(work: impl Future<Output = Result<ExitCode, Failure>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(work) {
        Ok(code) => Ok(code),
        Err(Failure::Refused(text)) => {
            report::say(&text);
            Ok(ExitCode::from(REFUSED))
        }
        Err(Failure::NotReached(text)) => anyhow::bail!(text),
        Err(Failure::Output(error)) => Err(error.into()),
    }
}

async fn command(server: &Server, arguments: &Ctl) -> Result<ExitCode, Failure> {
    let json = arguments.json;
    match &arguments.command {
        CtlCommand::Status => {
            let status: Status = server.read("/v1/status").await?;
            show(json, &status, |out| text::status(&status, out))?;
        }
        CtlCommand::Health { pool } => {
            let mut health: Health = server.read("/v1/health").await?;
            if let Some(name) = pool {
                health.pools.retain(|pool| pool.name == *name);
                if health.pools.is_empty() {
                    return Err(Failure::Refused(format!("there is no pool `{name}`")));
                }
            }
            show(json, &health, |out| text::health(&health, SystemTime::now(), out))?;
        }
        CtlCommand::Drain { pool, over, order } => {
            let (reason, expires_seconds, force) = parts(order);
            let (pool, over_seconds) = (pool.clone(), over.map(seconds));
            let drain = Drain { pool, reason, over_seconds, expires_seconds, force };
            changed(json, &server.tell("/v1/drain", &drain).await?)?;
        }
        CtlCommand::Force { pool, state, order } => {
            let (reason, expires_seconds, force) = parts(order);
            let (pool, state) = (pool.clone(), *state);
            let force = Force { pool, state, reason, expires_seconds, force };
            changed(json, &server.tell("/v1/force", &force).await?)?;
        }
        CtlCommand::Restore { pool, over, reason } => {
            let (pool, reason, over_seconds) = (pool.clone(), reason.clone(), over.map(seconds));
            let restore = Restore { pool, reason, over_seconds };
            changed(json, &server.tell("/v1/restore", &restore).await?)?;
        }
        CtlCommand::Resume { name, reason } => {
            let resume = Resume { name: name.clone(), reason: reason.clone() };
            let resumed: Resumed = server.tell("/v1/resume", &resume).await?;
            show(json, &resumed, |out| text::resumed(&resumed, out))?;
        }
        CtlCommand::Report { monitor, target, verdict, reason } => {
            let (target, pool, member) = match target.split_once('/') {
                None => (Some(target.clone()), None, None),
                Some((pool, member)) => (None, Some(pool.to_owned()), Some(member.to_owned())),
            };
            let (monitor, verdict, reason) = (monitor.clone(), *verdict, reason.clone());
            let report = Report { monitor, target, pool, member, verdict, reason };
            let reported: Reported = server.tell("/v1/report", &report).await?;
            show(json, &reported, |out| text::reported(&reported, out))?;
        }
        CtlCommand::Reload { reason } => {
            let order = Reread { reason: reason.clone() };
            let reload: Reload = server.tell("/v1/reload", &order).await?;
            if !json && !reload.lints.is_empty() {
                report::say(&reload.lints);
            }
            show(json, &reload, |out| text::reload(&reload, out))?;
        }
        CtlCommand::Rollback { generation, reason } => {
            let rollback = Rollback { generation: *generation, reason: reason.clone() };
            let done: RolledBack = server.tell("/v1/rollback", &rollback).await?;
            show(json, &done, |out| text::rolled_back(&done, out))?;
        }
        CtlCommand::Generations => {
            let list: Vec<KeptGeneration> = server.read("/v1/generations").await?;
            show(json, &list, |out| text::generations(&list, out))?;
        }
        CtlCommand::Explain { asked, at } => return explained(server, asked, *at, json).await,
        CtlCommand::Events { since, limit, follow } => {
            events(server, json, *since, *limit, *follow).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn explained(
    server: &Server,
    asked: &Asked,
    at: Option<SystemTime>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let Asked { name, rtype, client, down, trace } = asked;
    let client = format!("{}/{}", client.address, client.length);
    let mut query =
        vec![("name", name.to_string()), ("type", rtype.to_string()), ("client", client)];
    if !down.is_empty() {
        query.push(("down", down.join(",")));
    }
    query.extend(at.map(|at| ("at", millis(at).to_string())));
    if *trace {
        query.push(("trace", true.to_string()));
    }
    let explained: Explained = server.ask("/v1/explain", &query).await?;
    show(json, &explained.facts, |out| out.write_all(explained.text.as_bytes()))?;
    Ok(if explained.exists { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn parts(order: &Order) -> (Option<String>, Option<u64>, bool) {
    (order.reason.clone(), order.expires.map(seconds), order.force)
}

/// Whole seconds; a part of one counts as one.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000) as u64
}

fn changed(json: bool, changed: &Changed) -> Result<(), Failure> {
    if let Some(warning) = &changed.warning {
        report::say(&format!("warning: {warning}"));
    }
    show(json, changed, |out| text::changed(changed, out))
}

async fn events(
    server: &Server,
    json: bool,
    since: Option<Duration>,
    limit: usize,
    follow: bool,
) -> Result<(), Failure> {
    let mut query = vec![("limit", limit.to_string())];
    if let Some(since) = since {
        let then = SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
        query.push(("since", millis(then).to_string()));
    }
    let mut entries: Vec<Entry> = server.ask("/v1/events", &query).await?;
    let mut last = 0;
    loop {
        let out = &mut io::stdout().lock();
        for entry in &entries {
            match json {
                true => {
                    writeln!(out, "{}", serde_json::to_string(entry).map_err(io::Error::from)?)?
                }
                false => text::entry(entry, out)?,
            }
            last = entry.number;
        }
        out.flush()?;
        if !follow {
            return Ok(());
        }
        let query = [("after", last.to_string()), ("wait", WAIT.to_string())];
        entries = server.ask("/v1/events", &query).await?;
    }
}

fn show(
    json: bool,
    value: &impl Serialize,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let out = &mut io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        text(out)?;
    }
    Ok(out.flush()?)
}
