//! Kept generations: what is in force is kept, and what was kept is listed and put in force again.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Current, Reloader, When, apart, defect, no_files};
use crate::admin::Refusal;
use crate::admin::line::Rollback;
use crate::admin::message::{Fallback, KeptGeneration, RolledBack, millis};
use crate::server::event::Event;
use crate::server::generations::{Inputs, Kept};
use crate::server::systemd::Reloading;

impl Reloader {
    /// Puts a kept generation in force.
    pub(in crate::server) async fn roll_back(
        &self,
        path: Option<&Path>,
        order: Rollback,
    ) -> Result<RolledBack, Refusal> {
        let (Some(path), Some(archive)) = (path, self.archive.clone()) else {
            return Err(no_files());
        };
        let mut current = self.current.lock().await;
        let reloading = Reloading::begin();
        let list = apart(move || archive.list()).await.map_err(defect)?;
        let in_force = self.kept_as(&current);
        let kept = match order.generation {
            Some(number) => list.iter().find(|kept| kept.number == number),
            None => list.iter().rev().find(|kept| kept.number < in_force),
        };
        let kept = kept.cloned().ok_or_else(|| unknown(order.generation, in_force, &list))?;
        let inputs = Arc::new(Inputs::kept(kept.clone()));
        let done = self.follow(&mut current, path, &inputs, When::Asked).await;
        let done = done.map_err(|error| Refusal::Mistakes(error.text()))?;
        let (generation, of, at, who) = (current.files, kept.number, kept.at, order.who);
        let fallback = Fallback { generation: of, at, who: who.clone() };
        self.journal.note(|files| files.fallback = Some(fallback));
        self.journal.tell(Event::Rollback { generation, of, who, reason: order.reason });
        self.keep(&current).await;
        reloading.end(generation, true);
        let on_disk = Arc::clone(&self.on_disk.borrow());
        let differing = apart(move || on_disk.differences(&kept)).await.map_err(defect)?;
        let waiting = done.map(|done| done.waiting).unwrap_or_default();
        Ok(RolledBack {
            generation,
            of,
            at,
            differing: differing.iter().map(|path| path.display().to_string()).collect(),
            waiting: waiting.into_iter().map(str::to_owned).collect(),
        })
    }

    /// What is kept, the oldest first.
    pub(in crate::server) async fn generations(&self) -> Vec<KeptGeneration> {
        let Some(archive) = self.archive.clone() else { return Vec::new() };
        let current = self.current.lock().await;
        let in_force = self.kept_as(&current);
        drop(current);
        let list = apart(move || archive.list()).await.unwrap_or_default();
        let shown = |kept: Kept| KeptGeneration {
            generation: kept.number,
            at: kept.at,
            files: kept.file_count(),
            octets: kept.octets(),
            in_force: kept.number == in_force,
        };
        list.into_iter().map(shown).collect()
    }

    /// The number under which the generation in force was kept first.
    pub(super) fn kept_as(&self, current: &Current) -> u64 {
        self.journal.files().fallback.map_or(current.files, |fallback| fallback.generation)
    }

    /// Keeps the generation that the server started with.
    pub(in crate::server) async fn keep_first(&self) {
        let current = self.current.lock().await;
        self.keep(&current).await;
    }

    /// Keeps the generation in force. When that fails everything else goes on.
    pub(super) async fn keep(&self, current: &Current) {
        let Some(archive) = self.archive.clone() else { return };
        let (number, inputs) = (current.files, Arc::clone(&current.inputs));
        let now = millis(SystemTime::now());
        let unkept = match apart(move || archive.keep(number, now, &inputs)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let unkept = unkept.map(|why| format!("generation {number} is not kept: {why}"));
        if let Some(why) = &unkept {
            tracing::warn!("{why}; a start on broken files would find an older one, or none");
        }
        self.journal.note(|files| files.unkept = unkept);
    }
}

/// That there is no such generation, and which there are.
fn unknown(wanted: Option<u64>, in_force: u64, list: &[Kept]) -> Refusal {
    let what = match wanted {
        Some(number) => format!("no generation {number} is kept"),
        None => format!("nothing older than generation {in_force} is kept"),
    };
    let numbers: Vec<String> = list.iter().map(|kept| kept.number.to_string()).collect();
    Refusal::Unknown(match &numbers[..] {
        [] => what,
        numbers => format!("{what}; there are: {}", numbers.join(", ")),
    })
}
