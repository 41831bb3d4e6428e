//! `meridian serve`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::arguments::Serve;
use super::{descriptors, logging, report};
use crate::admin::{self, History, OpenError, Reread};
use crate::config::{self, Config, Limits};
use crate::server::{Event, Fixed, ReloadError, Reloaded, Server};
use crate::transport::{Bound, stream};

pub(super) fn run(arguments: &Serve) -> anyhow::Result<ExitCode> {
    let Some((config, generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    report::print(&generation.lints);
    logging::start(config.log.level, config.log.format);
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
    let mut bound = Bound::bind(listen, config.server.workers)?;
    if let Some(encrypted) = &generation.encrypted {
        bound.bind_encrypted(encrypted)?;
    }
    let admin = open_admin(&config)?;
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
        let fixed = Fixed::of(&config, !arguments.listen.is_empty());
        let start = Server::start(generation, fixed, bound, limits, state, history, events);
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
        reload_until_stop(&server, &arguments.config.config, hangups, &mut signals).await;
        tracing::info!("stopping");
        server.stop().await;
        anyhow::Ok(())
    })?;
    // A name look-up of a check may still hang in a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Reloads at each SIGHUP, until a signal asks for the end.
async fn reload_until_stop(
    server: &Server,
    path: &Path,
    mut hangups: Signal,
    signals: &mut Signals,
) {
    loop {
        let reload = async {
            hangups.recv().await;
            tracing::info!("reloading {}", path.display());
            let order = Reread { who: "SIGHUP".to_owned(), reason: None };
            tell(server.reload(path, order).await);
        };
        tokio::select! {
            () = reload => {}
            () = signals.stop() => return,
        }
    }
}

/// Opens the control socket and the address of metrics. A socket that cannot be made for another
/// reason than that one is in use does not keep the server from answering.
fn open_admin(config: &Config) -> Result<admin::Bound, OpenError> {
    let config::Admin { socket, listen, .. } = &config.admin;
    match admin::Bound::bind(socket.as_deref(), *listen) {
        Err(error @ OpenError::Socket { .. }) => {
            tracing::error!("{error}; `meridian ctl` will not reach this server there");
            admin::Bound::bind(None, *listen)
        }
        other => other,
    }
}

/// Says what became of a reload, as `meridian check` would.
fn tell(outcome: Result<Reloaded, ReloadError>) {
    match outcome {
        Ok(reloaded) => report::print(&reloaded.lints),
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
