//! `meridian serve`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::arguments::Serve;
use super::{descriptors, logging, report};
use crate::admin::message::utc;
use crate::admin::{self, History, OpenError, Reread};
use crate::config::{self, Config, Limits};
use crate::server::{
    self, Account, Event, First, Lineage, ReloadError, Reloaded, Server, Watch, When, privileges,
    systemd,
};
use crate::transport::{Bound, Passed, stream};

pub(super) fn run(arguments: &Serve) -> anyhow::Result<ExitCode> {
    let passed = Passed::from_environment();
    let path = &arguments.config.config;
    let first = match server::first(path, arguments.strict, !arguments.listen.is_empty()) {
        Ok(first) => first,
        Err(mistakes) => {
            report::print(&mistakes);
            return Ok(ExitCode::from(super::FAILED));
        }
    };
    report::print(&first.mistakes);
    let First { config, generation, lineage, passed_over, .. } = first;
    report::print(&generation.lints);
    logging::start(config.log.level, config.log.format);
    for (number, mistakes) in &passed_over {
        report::print(mistakes);
        tracing::error!("generation {number} was kept and cannot be used any more");
    }
    if let Some(fallback) = lineage.fallback() {
        let (number, since) = (fallback.generation, utc(fallback.at));
        tracing::error!(
            "the files have mistakes: serving generation {number} instead, kept since {since}; \
             repair the files and reload"
        );
    }
    let listen =
        if arguments.listen.is_empty() { &config.server.listen } else { &arguments.listen };
    match descriptors::raise() {
        Ok(most) if most < config.limits.tcp_connections as u64 => tracing::warn!(
            "the system allows {most} open files, fewer than `tcp_connections`: raise its limit \
             (systemd: LimitNOFILE=)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
    let account = config.server.user.as_deref().map(Account::find).transpose()?;
    let mut bound = Bound::take(passed, listen, config.server.workers)?;
    if let Some(encrypted) = &generation.encrypted {
        bound.bind_encrypted(encrypted)?;
    }
    for idle in bound.let_go() {
        tracing::error!("{idle}");
    }
    let admin = open_admin(&config, account.as_ref())?;
    if let Some(account) = account {
        become_user(&account, &config, &lineage)?;
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let hangups = hangups()?;
        let zones = report::plural(generation.snapshot.zones.zones().count(), "zone");
        let (events, heard) = mpsc::channel::<Event>(1);
        // The log tells everything there is to tell.
        drop(heard);
        let state = Some(config.server.state.as_path());
        let history = Arc::new(History::open(state));
        let admin = admin.start(Arc::clone(&history), config.admin.token_file.clone())?;
        let limits = limits(&config.limits);
        let start = Server::start(generation, lineage, bound, limits, state, history, events);
        let mut server = tokio::select! {
            server = start => server?,
            () = signals.stop() => {
                tracing::info!("stopped before the first round of checks was over");
                return Ok(());
            }
        };
        if let Some(socket) = admin.socket() {
            tracing::info!("control: {}", socket.display());
        }
        if let Some(address) = admin.address() {
            tracing::info!("metrics and control: http://{address}/");
        }
        server.open(admin, Some(arguments.config.config.clone()));
        for address in server.addresses() {
            tracing::info!("answering for {zones} on {address}, UDP and TCP");
        }
        for (protocol, address) in server.encrypted() {
            tracing::info!("answering for {zones} on {address}, {protocol}");
        }
        systemd::ready(&format!("answering for {zones}"));
        let watchdog = tokio::spawn(systemd::watchdog(server.pulse()));
        let watch = config.server.watch.then(|| server.watch());
        reload_until_stop(&server, path, hangups, watch, &mut signals).await;
        tracing::info!("stopping");
        // Gone before the end is told: it is the last to be told.
        watchdog.abort();
        let _ = watchdog.await;
        systemd::stopping();
        server.stop().await;
        anyhow::Ok(())
    })?;
    // A name look-up of a check may still hang in a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Reloads at each SIGHUP and at each change that `watch` sees, until a signal asks for the end.
async fn reload_until_stop(
    server: &Server,
    path: &Path,
    mut hangups: Signal,
    mut watch: Option<Watch>,
    signals: &mut Signals,
) {
    loop {
        let (who, when) = tokio::select! {
            _ = hangups.recv() => ("SIGHUP", When::Asked),
            () = change(&mut watch) => ("a change of files", When::Changed),
            () = signals.stop() => return,
        };
        let reload = async {
            tracing::info!("reloading {} for {who}", path.display());
            let order = Reread { who: who.to_owned(), reason: None };
            tell(server.reload(path, order, when).await);
        };
        tokio::select! {
            () = reload => {}
            () = signals.stop() => return,
        }
    }
}

/// Waits for a change of files, for ever when nothing watches them.
async fn change(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Opens the control socket and the address of metrics. A socket that cannot be made for another
/// reason than that one is in use does not keep the server from answering. The state directory and
/// the socket belong to the user that the server becomes.
fn open_admin(config: &Config, account: Option<&Account>) -> anyhow::Result<admin::Bound> {
    let directories = [Some(config.server.state.as_path()), socket_directory(config)];
    if let Some(account) = account {
        for directory in directories.into_iter().flatten() {
            account.make_directory(directory)?;
        }
    }
    let admin = bind_admin(config)?;
    if let (Some(account), Some(socket)) = (account, admin.socket()) {
        account.own(socket)?;
    }
    Ok(admin)
}

fn socket_directory(config: &Config) -> Option<&Path> {
    config.admin.socket.as_deref()?.parent().filter(|path| !path.as_os_str().is_empty())
}

fn bind_admin(config: &Config) -> Result<admin::Bound, OpenError> {
    let config::Admin { socket, listen, .. } = &config.admin;
    match admin::Bound::bind(socket.as_deref(), *listen) {
        Err(error @ OpenError::Socket { .. }) => {
            tracing::error!("{error}; `meridian ctl` will not reach this server there");
            admin::Bound::bind(None, *listen)
        }
        other => other,
    }
}

/// Gives up the powers of root, and says what will not work without them.
fn become_user(account: &Account, config: &Config, lineage: &Lineage) -> anyhow::Result<()> {
    account.assume()?;
    let user = account.name();
    tracing::info!("going on as the user {user}");
    for path in lineage.unreadable() {
        tracing::warn!(
            "the user {user} cannot read {}: a reload will fail; let it read the file, or a group \
             of its",
            path.display()
        );
    }
    let state = &config.server.state;
    if !privileges::may_write(state) {
        tracing::warn!(
            "the user {user} cannot write in {}: nothing survives a restart; \
             `chown -R {user} {}` gives it the directory",
            state.display(),
            state.display()
        );
    }
    Ok(())
}

/// Says what became of a reload, as `meridian check` would.
fn tell(outcome: Result<Option<Reloaded>, ReloadError>) {
    match outcome {
        Ok(None) => tracing::info!("nothing has changed"),
        Ok(Some(reloaded)) => report::print(&reloaded.lints),
        Err(error) => {
            if let ReloadError::Refused(diagnostics) = &error {
                report::print(diagnostics);
            }
            tracing::error!("not reloaded, everything stays as it was: {error}");
        }
    }
}

/// The signal that asks for a reload. Listened for before anything says that the server is there,
/// since it would end the process otherwise.
fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for signals")
}

/// What connections may use, as the transport takes it.
pub(super) fn limits(limits: &Limits) -> stream::Limits {
    stream::Limits {
        connections: limits.tcp_connections,
        per_client: limits.tcp_per_client,
        idle: limits.tcp_idle,
        lifetime: limits.tcp_lifetime,
    }
}

/// The runtime of the control plane and of streams.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("meridian-task")
        .build()
        .context("cannot start the runtime")
}

/// The signals that ask for an orderly stop: SIGINT and SIGTERM.
///
/// From [`Signals::listen`] on they no longer end the process on their own, so listen before
/// anything says that the server is there.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over. Must be called inside a tokio runtime.
    pub(super) fn listen() -> anyhow::Result<Signals> {
        let signal = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns at the next signal, or at once if one has come since they were taken over.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
