//! Whether the files have changed, as soon as they do.
//!
//! The system tells of changes in the directories that files are in, and contents are compared:
//! so it does not matter whether an editor writes a file in place or renames a new one over it, or
//! a link is moved, as Kubernetes mounts ConfigMaps; and touching a file is no change. Where the
//! system does not tell (network file systems, links further up), a look now and then finds it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::inputs::Inputs;

/// So long nothing may happen before a change counts as whole.
const QUIET: Duration = Duration::from_millis(300);

/// After so long it is looked at although there is no quiet.
const IMPATIENCE: Duration = Duration::from_secs(5);

/// Time between two looks that nothing gave a reason for.
const PACE: Duration = Duration::from_secs(10);

/// Watches the files that were last read from disk.
#[derive(Debug)]
pub struct Watch {
    inputs: watch::Receiver<Arc<Inputs>>,
    /// `None` when the system gives none.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    told: Arc<Notify>,
}

impl Watch {
    /// Watches what `inputs` has at each moment.
    pub(in crate::server) fn new(inputs: watch::Receiver<Arc<Inputs>>) -> Watch {
        let told = Arc::new(Notify::new());
        let teller = Arc::clone(&told);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // To look at files is no change, and it is done here.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                teller.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!("changes of files are seen late, by looking every 10 s: {error}");
            })
            .ok();
        Watch { inputs, watcher, watched: BTreeSet::new(), told }
    }

    /// Returns when files are otherwise than they were last read, and some time quiet. May be
    /// dropped and called again.
    pub async fn changed(&mut self) {
        loop {
            let inputs = Arc::clone(&self.inputs.borrow_and_update());
            // What changed before a directory was watched, nobody tells.
            if !self.follow(inputs.directories()) {
                tokio::select! {
                    () = self.told.notified() => self.quiet().await,
                    // Files were read: their directories may be others now.
                    Ok(()) = self.inputs.changed() => continue,
                    () = sleep(PACE) => {}
                }
            }
            // A file system may hang; nothing else is to wait for it.
            if spawn_blocking(move || inputs.have_changed()).await.unwrap_or(false) {
                return;
            }
        }
    }

    async fn quiet(&self) {
        let begin = Instant::now();
        while begin.elapsed() < IMPATIENCE && timeout(QUIET, self.told.notified()).await.is_ok() {}
    }

    /// Watches these directories and no others; whether any was not watched before.
    fn follow(&mut self, directories: BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.watched.difference(&directories) {
            // It may not be there any more, and is not watched then.
            let _ = watcher.unwatch(gone);
        }
        let mut has_new = false;
        let is_watched = |directory: &PathBuf| {
            let is_new = !self.watched.contains(directory)
                && watcher.watch(directory, RecursiveMode::NonRecursive).is_ok();
            has_new |= is_new;
            is_new || self.watched.contains(directory)
        };
        // One that is not there is tried again whenever files are looked at.
        self.watched = directories.into_iter().filter(is_watched).collect();
        has_new
    }
}
