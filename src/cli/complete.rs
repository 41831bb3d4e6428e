//! What a shell completes: names from the server that runs, or from the files that a command reads.
//!
//! The shell runs this program with what has been typed so far, and
//! [`clap_complete`] finds the argument that the last word belongs to. Here are the names that may
//! stand there. Where nobody answers there are none, and nothing is said of that: nothing was asked
//! yet.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory};
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use serde::de::DeserializeOwned;

use super::arguments::Arguments;
use super::ctl::Reach;
use super::ctl::reach::Server;
use crate::admin::message::{Health, KeptGeneration, utc};
use crate::config::{self, Config};
use crate::zone::master;

/// What tells this program that a shell asks, and which.
const VARIABLE: &str = "MERIDIAN_COMPLETE";

/// A person waits at the keyboard.
const PATIENCE: Duration = Duration::from_secs(1);

/// Types of records that people ask for.
const TYPES: [&str; 14] = [
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "SVCB",
    "TXT",
];

/// Answers a shell and ends the process, when it is a shell that asks.
pub(super) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// What makes a shell ask.
pub(super) fn script(shell: Shell) -> anyhow::Result<String> {
    let (shells, name) = (Shells::builtins(), shell.to_string());
    let shell = shells.completer(&name).ok_or_else(|| anyhow::anyhow!("no shell `{name}`"))?;
    let mut text = Vec::new();
    shell.write_registration(VARIABLE, "meridian", "meridian", "meridian", &mut text)?;
    let mut text = String::from_utf8(text)?;
    if name == "zsh" {
        // The first time a shell completes, it runs this as the function `_meridian`.
        text.push_str(
            "\nif [ \"$funcstack[1]\" = _meridian ]; then\n    \
             _clap_dynamic_completer_meridian \"$@\"\nfi\n",
        );
    }
    Ok(text)
}

/// Pools.
pub(super) fn pools() -> Vec<CompletionCandidate> {
    let line = Line::typed();
    if line.is_of_server() {
        let pools = line.health().map(|health| health.pools).unwrap_or_default();
        return pools.into_iter().map(|pool| named(pool.name, pool.state)).collect();
    }
    let pools = line.config().map(|config| config.pools).unwrap_or_default();
    pools.into_iter().map(|pool| CompletionCandidate::new(pool.name)).collect()
}

/// Pools of a server, and their members as `POOL/MEMBER`.
pub(super) fn members() -> Vec<CompletionCandidate> {
    let mut found = Vec::new();
    for pool in Line::typed().health().map(|health| health.pools).unwrap_or_default() {
        for member in pool.members {
            found.push(named(format!("{}/{}", pool.name, member.name), member.verdict));
        }
        found.push(named(pool.name, pool.state));
    }
    found
}

/// Monitors of a server, by which members are checked.
pub(super) fn monitors() -> Vec<CompletionCandidate> {
    let pools = Line::typed().health().map(|health| health.pools).unwrap_or_default();
    let members = pools.into_iter().flat_map(|pool| pool.members);
    let names: BTreeSet<String> = members.filter_map(|member| member.monitor).collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Generations that a server keeps.
pub(super) fn generations() -> Vec<CompletionCandidate> {
    let kept: Option<Vec<KeptGeneration>> = Line::typed().read("/v1/generations");
    let kept = kept.unwrap_or_default().into_iter().rev();
    kept.map(|kept| named(kept.generation.to_string(), utc(kept.at))).collect()
}

/// Steered names.
pub(super) fn records() -> Vec<CompletionCandidate> {
    let records = Line::typed().config().map(|config| config.records).unwrap_or_default();
    records.iter().map(|record| domain(&record.name)).collect()
}

/// Zones.
pub(super) fn zones() -> Vec<CompletionCandidate> {
    let files = Line::typed().config().map(|config| config.server.zones).unwrap_or_default();
    let apex = |file: &config::FilePath| master::default_origin(&file.path).ok();
    files.iter().filter_map(apex).map(|apex| domain(&apex)).collect()
}

/// Steered names and zones.
pub(super) fn names() -> Vec<CompletionCandidate> {
    records().into_iter().chain(zones()).collect()
}

/// Types of records.
pub(super) fn types() -> Vec<CompletionCandidate> {
    TYPES.map(CompletionCandidate::new).into()
}

/// What a pool can be put.
pub(super) fn states() -> Vec<CompletionCandidate> {
    ["up", "down", "drain"].map(CompletionCandidate::new).into()
}

/// What can be reported.
pub(super) fn verdicts() -> Vec<CompletionCandidate> {
    ["up", "down"].map(CompletionCandidate::new).into()
}

/// Sides of a comparison: files, directories, and the word for a server.
pub(super) fn sides(begun: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = PathCompleter::any().complete(begun);
    let server = "server";
    if begun.to_str().is_some_and(|begun| server.starts_with(begun)) {
        found.push(named(server.to_owned(), "what the running server serves".to_owned()));
    }
    found
}

fn named(name: String, what: String) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(what.into()))
}

/// A name as people type it.
fn domain(name: &crate::wire::Name) -> CompletionCandidate {
    let text = name.to_string();
    CompletionCandidate::new(
        text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text),
    )
}

/// What has been typed so far.
struct Line {
    commands: Vec<String>,
    /// Of the last command.
    matches: ArgMatches,
}

impl Line {
    /// The line that the shell asks about: it gives the words of it behind `--`, and which of them is
    /// being completed unless it is the last.
    fn typed() -> Line {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        let mut words: Vec<OsString> = words.collect();
        let place = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|at| at.parse().ok());
        let place = place.unwrap_or(words.len().saturating_sub(1));
        // What is begun need not make sense yet.
        if place < words.len() {
            words.remove(place);
        }
        let parser = Arguments::command().ignore_errors(true);
        let mut matches = parser.try_get_matches_from(words).unwrap_or_default();
        let mut commands = Vec::new();
        while let Some((name, inner)) = matches.remove_subcommand() {
            commands.push(name);
            matches = inner;
        }
        Line { commands, matches }
    }

    /// Whether the command asks a running server.
    fn is_of_server(&self) -> bool {
        let command = self.commands.first().map(String::as_str);
        command == Some("ctl")
            || (command == Some("explain") && self.value::<String>("server").is_some())
    }

    fn config(&self) -> Option<Config> {
        let path = self.value::<PathBuf>("config")?;
        config::load(&path).ok().map(|loaded| loaded.config)
    }

    fn health(&self) -> Option<Health> {
        self.read("/v1/health")
    }

    /// What the server says that the command asks.
    fn read<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let config = self.value::<PathBuf>("config")?;
        let reach = match self.value::<String>("server") {
            Some(at) => Reach::to(&config, &at, None),
            None => Reach { socket: self.value("socket"), ..Reach::to(&config, "", None) },
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let server = Server::at(&reach).ok()?;
        let asked = async { tokio::time::timeout(PATIENCE, server.read(path)).await };
        runtime.block_on(asked).ok()?.ok()
    }

    fn value<T: Clone + Send + Sync + 'static>(&self, argument: &str) -> Option<T> {
        self.matches.try_get_one(argument).ok()?.cloned()
    }
}
