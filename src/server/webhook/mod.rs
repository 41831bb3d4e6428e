//! Webhooks: what happens is posted to HTTP servers, in order, until they have it.
//!
//! ```text
//! Journal ─► History (memory, events.jsonl) ─► courier of each hook ─► POST
//!                                                 └─► Ledger (webhooks.json): how far it is
//! ```
//!
//! Nobody who tells an event waits for a hook: couriers read the history at their own pace.
//! An event is told once it is on disk, so that no other one gets its number after a crash.

pub mod backoff;
pub mod hook;
pub mod ledger;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use crate::admin::History;
use crate::admin::message::WebhookStatus;

pub use hook::Hook;

use backoff::Backoff;
use hook::Refusal;
use ledger::{Counts, Ledger};

/// The hooks in force.
#[derive(Debug, Clone)]
pub(super) struct Hooks {
    pub(super) list: Vec<Arc<Hook>>,
    /// The last event that those who are new among them are not told of.
    pub(super) from: u64,
}

/// Tells hooks of what happens until `stop` changes or nobody names hooks any more.
pub(super) async fn run(
    mut hooks: watch::Receiver<Hooks>,
    history: Arc<History>,
    ledger: Arc<Ledger>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let Hooks { list, from } = hooks.borrow_and_update().clone();
        ledger.begin(list.iter().map(|hook| &*hook.name), from);
        // Before anything is told: one that takes nothing must not be new after a restart.
        store(&ledger).await;
        let mut couriers = JoinSet::new();
        for hook in list {
            let courier =
                Courier { hook, history: Arc::clone(&history), ledger: Arc::clone(&ledger) };
            couriers.spawn(courier.run());
        }
        let is_over = tokio::select! {
            changed = hooks.changed() => changed.is_err(),
            // `false` came before; only `true`, or the sender's end, comes after.
            _ = stop.changed() => true,
        };
        couriers.shutdown().await;
        if is_over {
            break;
        }
    }
    store(&ledger).await;
}

/// How far hooks are, for whoever asks.
pub(super) fn status(hooks: &Hooks, history: &History, ledger: &Ledger) -> Vec<WebhookStatus> {
    let of_hook = |hook: &Arc<Hook>| {
        let progress = ledger.progress(&hook.name);
        let waiting = history.count(progress.done, |entry| hook.wants(&entry.kind));
        let (problem, since) = progress.problem.unzip();
        let Counts { sent, failed, lost } = progress.counts;
        WebhookStatus { name: hook.name.clone(), waiting, problem, since, sent, failed, lost }
    };
    hooks.list.iter().map(of_hook).collect()
}

/// Brings events to one hook.
struct Courier {
    hook: Arc<Hook>,
    history: Arc<History>,
    ledger: Arc<Ledger>,
}

impl Courier {
    async fn run(self) {
        let name = &self.hook.name;
        let mut kept = self.history.watch_kept();
        loop {
            let last = *kept.borrow_and_update();
            let done = self.ledger.progress(name).done;
            let lost = self.history.lost_since(done);
            if lost > 0 {
                tracing::error!(
                    "webhook {name}: {lost} events are gone from the history before it took them"
                );
                self.ledger.lose(name, lost);
            }
            let done = done + lost;
            let wanted = |kind: &str| self.hook.wants(kind);
            match self.history.next(done, last, |entry| wanted(&entry.kind)) {
                Some(entry) => {
                    self.deliver(entry.number, &serde_json::to_vec(&entry).unwrap_or_default())
                        .await;
                }
                None => {
                    self.ledger.advance(name, last.max(done));
                    store(&self.ledger).await;
                    if kept.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Tries until the hook has it.
    async fn deliver(&self, number: u64, body: &[u8]) {
        let name = &self.hook.name;
        let mut backoff = Backoff::default();
        while let Err(Refusal { why, wish }) = self.hook.post(body).await {
            if self.ledger.fail(name, why.clone(), SystemTime::now()) {
                tracing::warn!("webhook {name} does not take events: {why}; they wait");
            }
            backoff = backoff.failed();
            tokio::time::sleep(backoff.wait(fraction(), wish)).await;
        }
        let was_failing = self.ledger.progress(name).problem.is_some();
        if self.ledger.took(name, number) {
            store(&self.ledger).await;
        }
        if was_failing {
            tracing::info!("webhook {name} takes events again");
        }
    }
}

/// Writes the ledger where nothing waits for a disk.
async fn store(ledger: &Arc<Ledger>) {
    let ledger = Arc::clone(ledger);
    // An error would be a panic; the next writing makes up for it.
    let _ = spawn_blocking(move || ledger.store()).await;
}

/// A random number in `0.0..1.0`.
fn fraction() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}
