//! What can be typed after `meridian ctl`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use crate::admin::message::{Forced, Reportable};
use crate::cli::arguments::{Asked, moment, own_file};
use crate::cli::complete;
use crate::config;

#[derive(Debug, Args)]
pub(in crate::cli) struct Ctl {
    #[command(subcommand)]
    pub(in crate::cli) command: CtlCommand,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
}

/// How the server is reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reach {
    /// The server's configuration file, or the directory that it is in; it says where the control
    /// socket is.
    #[arg(long, short, value_name = "FILE", default_value = "config/meridian.toml", global = true,
        value_parser = own_file())]
    pub(in crate::cli) config: PathBuf,
    /// The server's control socket, instead of that in the configuration file.
    #[arg(long, value_name = "PATH", global = true)]
    pub(in crate::cli) socket: Option<PathBuf>,
    /// Reach it over HTTP instead: http://127.0.0.1:9153.
    #[arg(long, value_name = "URL", global = true, conflicts_with = "socket")]
    pub(in crate::cli) server: Option<String>,
    /// File with the bearer token that changes over HTTP need.
    #[arg(long, value_name = "FILE", global = true)]
    pub(in crate::cli) token_file: Option<PathBuf>,
}

impl Reach {
    /// How a server is reached that is given in one word: a control socket, a URL, or nothing for
    /// the one that the configuration file `config` is of.
    pub(in crate::cli) fn to(config: &Path, at: &str, token_file: Option<&Path>) -> Reach {
        let (config, token_file) = (config.to_owned(), token_file.map(Path::to_owned));
        let mut reach = Reach { config, socket: None, server: None, token_file };
        match at {
            "" => {}
            url if url.contains("://") => reach.server = Some(url.to_owned()),
            socket => reach.socket = Some(socket.into()),
        }
        reach
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CtlCommand {
    /// The server at a glance: generation, zones, pools, what is wrong.
    Status,
    /// Every pool and member: verdict, who says so, why, since when.
    Health {
        /// Only this pool.
        #[arg(add = ArgValueCandidates::new(complete::pools))]
        pool: Option<String>,
    },
    /// Take a pool out of the answers as long as anything else is up.
    Drain {
        /// The pool.
        #[arg(add = ArgValueCandidates::new(complete::pools))]
        pool: String,
        /// Let its clients leave evenly over so long: 10m, 1h.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        over: Option<Duration>,
        #[command(flatten)]
        order: Order,
    },
    /// Take back what was drained or forced: files and checks decide again.
    Restore {
        /// The pool.
        #[arg(add = ArgValueCandidates::new(complete::pools))]
        pool: String,
        /// Let its clients come back evenly over so long: 10m, 1h.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        over: Option<Duration>,
        /// Why; it is kept in the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put a pool up or down, or drain it, whatever files and checks say.
    Force {
        /// The pool.
        #[arg(add = ArgValueCandidates::new(complete::pools))]
        pool: String,
        /// The state.
        #[arg(value_parser = state, add = ArgValueCandidates::new(complete::states))]
        state: Forced,
        #[command(flatten)]
        order: Order,
    },
    /// Let members come back that are held down: by `manual_resume`, or by damping.
    ///
    /// They are checked at once, and are up with the next good check once they are found up.
    Resume {
        /// A pool, for all its members; or a member: its name, POOL/MEMBER, or what is checked.
        #[arg(value_name = "POOL|MEMBER", add = ArgValueCandidates::new(complete::members))]
        name: String,
        /// Why; it is kept in the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say what was found of a member or a pool, to a monitor of kind push.
    ///
    /// It counts at once and holds for the monitor's `ttl`. Prints what the monitor says now.
    Report {
        /// The monitor.
        #[arg(add = ArgValueCandidates::new(complete::monitors))]
        monitor: String,
        /// What is checked, as `health` names it; POOL/MEMBER; or a pool, for all its members.
        #[arg(add = ArgValueCandidates::new(complete::members))]
        target: String,
        /// What was found: up or down.
        #[arg(value_name = "up|down", value_parser = reportable,
            add = ArgValueCandidates::new(complete::verdicts))]
        verdict: Reportable,
        /// Why; `health` and the history show it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Read all files anew, as SIGHUP does. Prints what is wrong with them.
    Reload {
        /// Why; it is kept in the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put a kept generation in force again, until the files are read anew: by a reload, or by a
    /// restart.
    Rollback {
        /// Its number; the one before that in force when it is not said.
        #[arg(add = ArgValueCandidates::new(complete::generations))]
        generation: Option<u64>,
        /// Why; it is kept in the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Which generations are kept, to be put in force again.
    Generations,
    /// Say which answer a client gets from the running server, and every reason for it.
    Explain {
        #[command(flatten)]
        asked: Asked,
        /// With the state that it was in then: 2026-12-01T22:00:00Z, or so long ago: 30m.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<SystemTime>,
    },
    /// What happened: verdicts, holds, warnings, pools, shares, panics, overrides, reports,
    /// reloads.
    Events {
        /// Only what happened so long ago at most: 30m, 2h, 7d.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        since: Option<Duration>,
        /// So many at most, the newest.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on with what happens, until interrupted.
        #[arg(long, short)]
        follow: bool,
    },
}

/// What belongs to an order about a pool.
#[derive(Debug, Args)]
pub(in crate::cli) struct Order {
    /// Why; `health`, `explain` and the history show it.
    #[arg(long)]
    pub(in crate::cli) reason: Option<String>,
    /// End by itself after so long: 30m, 2h, 7d.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) expires: Option<Duration>,
    /// Even when the pool is the last that is up for some record.
    #[arg(long)]
    pub(in crate::cli) force: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration::parse(text)
        .ok_or_else(|| "write a number and a unit, such as 90s, 30m, 2h or 7d".to_owned())
}

fn reportable(text: &str) -> Result<Reportable, String> {
    match text {
        "up" => Ok(Reportable::Up),
        "down" => Ok(Reportable::Down),
        _ => Err("a report says `up` or `down`".to_owned()),
    }
}

fn state(text: &str) -> Result<Forced, String> {
    match text {
        "up" => Ok(Forced::Up),
        "down" => Ok(Forced::Down),
        "drain" => Ok(Forced::Drain),
        _ => Err("a pool can be put `up`, `down` or `drain`".to_owned()),
    }
}
