//! Addresses of host names: looked up before a generation is in force, and followed from then on.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Facts, ReloadError, Reloader, apart};
use crate::server::build::Generation;
use crate::server::changes;
use crate::server::hosts::{Hosts, Table};

/// Looks up the host names of a generation, each once.
pub(in crate::server) async fn look_up(hosts: &Hosts, generation: &Generation) {
    if let Some(blueprint) = &generation.blueprint {
        hosts.begin(blueprint.names(), &generation.resolver);
        let late = hosts.first_round().await;
        if late > 0 {
            tracing::warn!("{late} host names had no answer in the first round");
        }
    }
}

/// Puts other addresses of host names in force as they are found, until told to stop.
pub(in crate::server) async fn follow_hosts(
    reloader: Arc<Reloader>,
    mut tables: watch::Receiver<Arc<Table>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            // `false` came before; only `true`, or the sender's end, comes after.
            _ = stop.changed() => return,
            changed = tables.changed() => if changed.is_err() {
                return;
            },
        }
        if let Err(error) = reloader.readdress().await {
            tracing::error!(%error, "new addresses of host names are not in force");
        }
    }
}

impl Reloader {
    /// Puts other addresses of host names in force, if there are any: a generation of the same
    /// files with other members. What they are to the checks goes on for those that stay.
    async fn readdress(&self) -> Result<(), ReloadError> {
        let mut current = self.current.lock().await;
        let table = self.hosts.table();
        let Some(blueprint) = current.blueprint.clone() else { return Ok(()) };
        let is_same = |name| current.table.addresses(name) == table.addresses(name);
        if blueprint.names().iter().all(is_same) {
            return Ok(());
        }
        let (steering, found) = (current.facts.steering.clone(), table.clone());
        let filled = apart(move || {
            let (steering, checks) = blueprint.fill(&steering, &found);
            (Arc::new(steering), checks)
        });
        let (steering, checks) = filled.await?;
        let number = current.last + 1;
        let facts = Facts { number, steering, checks, ..current.facts.clone() };
        let places = current.places.clone();
        let old = self.put_in_force(&mut current, facts, places).await?;
        current.table = table;
        tracing::info!("generation {number} is in force: host names have other addresses");
        for difference in changes::between(old.side(), current.facts.side()) {
            tracing::info!("generation {number}, {difference}");
        }
        Ok(())
    }
}
