//! Members by host name: their addresses, looked up in the background again and again.
//!
//! ```text
//! begin(names) ─► due ─► ask (UDP, TCP) ─► Entry::next ─► Table ─► whoever watches it
//!                  ▲                            │
//!                  └──── time to live, bounded ─┘
//! ```
//!
//! Knows names and addresses; what a change of addresses means for answers is
//! [`reload`](super::reload)'s business.

pub mod answer;
pub mod ask;
pub mod store;
pub mod table;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;

use crate::config;
use crate::wire::Name;
use table::{Ages, Entry, Found};

pub use table::{Resolution, Table};

/// Names looked up at the same time, at most.
const AT_ONCE: usize = 32;

/// Time between two writings of the file, at least; at the end it is written in any case.
const SAVE_PACE: Duration = Duration::from_secs(10);

/// The longest that [`Hosts::first_round`] waits.
const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Time between two looks at what is due.
const PACE: Duration = Duration::from_millis(250);

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who is asked, in this order; empty: the system's resolvers.
    pub servers: Vec<SocketAddr>,
    /// How long what is found is believed.
    pub ages: Ages,
}

/// The host names that are looked up, and what they stand for; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Hosts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Locked for moments only, never across a wait.
    state: Mutex<State>,
    /// What is believed now.
    table: watch::Sender<Arc<Table>>,
    /// Told of every finished look-up.
    looked_up: Notify,
    /// Told of names that are due.
    begun: Notify,
    directory: Option<PathBuf>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    entries: BTreeMap<Name, Entry>,
    /// Names that have not been looked up yet.
    awaited: HashSet<Name>,
    /// What the file of the last run says.
    known: Table,
}

impl Settings {
    /// What the file says.
    pub fn of(resolver: &config::Resolver) -> Settings {
        let config::Resolver { servers, stale, refresh_min, refresh_max } = resolver;
        let (stale, refresh_min, refresh_max) = (*stale, *refresh_min, *refresh_max);
        Settings { servers: servers.clone(), ages: Ages { stale, refresh_min, refresh_max } }
    }
}

impl Hosts {
    /// No names yet. `directory` is where addresses are kept across restarts.
    pub fn new(settings: Settings, directory: Option<&Path>) -> Hosts {
        let state = State {
            settings,
            entries: BTreeMap::new(),
            awaited: HashSet::new(),
            known: directory.map(store::load).unwrap_or_default(),
        };
        Hosts {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                table: watch::Sender::new(Arc::default()),
                looked_up: Notify::new(),
                begun: Notify::new(),
                directory: directory.map(Path::to_owned),
            }),
        }
    }

    /// Begins to look up those of `names` that are not under way yet.
    pub fn begin(&self, names: &[Name], settings: &Settings) {
        let now = SystemTime::now();
        let mut state = self.shared.state();
        state.settings = settings.clone();
        for name in names {
            if !state.entries.contains_key(name) {
                let known = state.known.of.get(name).cloned();
                state.entries.insert(name.clone(), Entry::new(known, now));
                state.awaited.insert(name.clone());
            }
        }
        drop(state);
        self.shared.begun.notify_one();
    }

    /// Ends all look-ups but those of `names`.
    pub fn keep(&self, names: &[Name]) {
        let mut state = self.shared.state();
        state.entries.retain(|name, _| names.contains(name));
        state.awaited.retain(|name| names.contains(name));
        drop(state);
        self.shared.publish();
    }

    /// Waits until every name has been looked up once; at most 5 s. How many have not.
    pub async fn first_round(&self) -> usize {
        let all = async {
            loop {
                let looked_up = self.shared.looked_up.notified();
                if self.shared.state().awaited.is_empty() {
                    return;
                }
                looked_up.await;
            }
        };
        // Late is late: the number tells.
        let _ = tokio::time::timeout(FIRST_ROUND, all).await;
        self.shared.publish();
        self.shared.state().awaited.len()
    }

    /// What is believed now.
    pub fn table(&self) -> Arc<Table> {
        self.shared.table.borrow().clone()
    }

    /// What is believed, as it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Table>> {
        self.shared.table.subscribe()
    }

    /// Looks names up until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        let mut is_saved = true;
        let mut saved: Option<Instant> = None;
        loop {
            let is_idle = self.shared.state().entries.is_empty();
            tokio::select! {
                // `false` came before; only `true`, or the sender's end, comes after.
                _ = stop.changed() => break,
                _ = pace.tick(), if !is_idle => {}
                () = self.shared.begun.notified() => {}
                Some(done) = under_way.join_next() => {
                    // An error would be a panic; such a name stays as it is.
                    if let Ok((name, found, reason)) = done {
                        self.take(&name, &found, reason);
                    }
                }
            }
            for name in self.due(AT_ONCE - under_way.len().min(AT_ONCE)) {
                let mut servers = self.shared.state().settings.servers.clone();
                under_way.spawn(async move {
                    if servers.is_empty() {
                        servers = spawn_blocking(ask::system_servers).await.unwrap_or_default();
                    }
                    let (found, reason) = ask::look_up(&name, &servers).await;
                    (name, found, reason)
                });
            }
            is_saved &= !self.shared.publish();
            if !is_saved && saved.is_none_or(|saved| saved.elapsed() >= SAVE_PACE) {
                self.save().await;
                (is_saved, saved) = (true, Some(Instant::now()));
            }
        }
        self.save().await;
    }

    /// Takes out some names that are due.
    fn due(&self, most: usize) -> Vec<Name> {
        let now = SystemTime::now();
        let mut state = self.shared.state();
        let is_due = |entry: &Entry| entry.due.is_some_and(|due| due <= now);
        let due = state.entries.iter_mut().filter(|(_, entry)| is_due(entry)).take(most);
        due.map(|(name, entry)| {
            *entry = entry.clone().asked();
            name.clone()
        })
        .collect()
    }

    fn take(&self, name: &Name, found: &Found, reason: Option<String>) {
        let now = SystemTime::now();
        let mut state = self.shared.state();
        let ages = state.settings.ages;
        // It may have been ended meanwhile.
        if let Some(entry) = state.entries.get_mut(name) {
            let next = entry.clone().next(found, &ages, now);
            let (before, failures) = (entry.failures, next.failures);
            *entry = next;
            // The first failure and the first success after some are news, the others are not.
            match (before, failures) {
                (0, 1..) => {
                    let reason = reason.unwrap_or_else(|| "it has no address".to_owned());
                    tracing::warn!("{name} could not be looked up: {reason}");
                }
                (1.., 0) => tracing::info!("{name} can be looked up again"),
                _ => {}
            }
        }
        state.awaited.remove(name);
        drop(state);
        self.shared.looked_up.notify_waiters();
    }

    async fn save(&self) {
        let Some(directory) = self.shared.directory.clone() else { return };
        let table = self.table();
        if table.of.is_empty() {
            return;
        }
        let saved = spawn_blocking(move || store::save(&directory, &table)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "the addresses of host names were not written");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what is believed now, if that is something else than before.
    fn publish(&self) -> bool {
        let now = SystemTime::now();
        let table = {
            let state = self.state();
            let ages = &state.settings.ages;
            let entries = state.entries.iter();
            let known = |(name, entry): (&Name, &Entry)| {
                Some((name.clone(), entry.believed(ages, now)?.clone()))
            };
            Table { of: entries.filter_map(known).collect() }
        };
        self.table.send_if_modified(|before| {
            let is_new = **before != table;
            if is_new {
                *before = Arc::new(table);
            }
            is_new
        })
    }
}
