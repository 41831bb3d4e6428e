//! `meridian serve`.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::arguments::Serve;
use super::{logging, report};
use crate::config::Limits;
use crate::server::{Event, Server};
use crate::transport::{Bound, stream};

pub(super) fn run(arguments: &Serve) -> anyhow::Result<ExitCode> {
    let Some((config, generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    logging::start(config.log.level, config.log.format);
    let listen =
        if arguments.listen.is_empty() { &config.server.listen } else { &arguments.listen };
    let mut bound = Bound::bind(listen, config.server.workers)?;
    if let Some(encrypted) = &generation.encrypted {
        bound.bind_encrypted(encrypted)?;
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let zones = generation.snapshot.zones.zones().count();
        let (events, heard) = mpsc::channel::<Event>(1);
        // The log tells everything there is to tell.
        drop(heard);
        let state = Some(config.server.state.as_path());
        let server =
            Server::start(&generation, bound, limits(&config.limits), state, events).await?;
        // Whoever explains reads the files anew; serving needs neither databases nor atlas.
        drop(generation);
        for address in server.addresses() {
            tracing::info!("answering for {zones} zones on {address}, UDP and TCP");
        }
        for (protocol, address) in server.encrypted() {
            tracing::info!("answering for {zones} zones on {address}, {protocol}");
        }
        wait_for_signal().await?;
        tracing::info!("stopping");
        server.stop().await;
        anyhow::Ok(())
    })?;
    // A name look-up of a check may still hang in a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// What streams may use, as the transport takes it.
pub(super) fn limits(limits: &Limits) -> stream::Limits {
    stream::Limits {
        connections: limits.tcp_connections,
        per_client: limits.tcp_per_client,
        idle: limits.tcp_idle,
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

/// Returns at SIGINT or SIGTERM.
pub(super) async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
