//! Where everything that happens is told: the log, the history, and whoever listens.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::admin::message::{Fallback, Reload, WebhookStatus};
use crate::admin::{Entry, History};
use crate::health::Verdict;
use crate::server::event::Event;
use crate::server::webhook::{self, Hooks, ledger::Ledger};

/// Where the log has what operators changed, so that it can be told apart.
const AUDIT: &str = "meridian::audit";

/// Shared by all who have something to tell.
#[derive(Debug)]
pub(super) struct Journal {
    history: Arc<History>,
    events: mpsc::Sender<Event>,
    outbox: Outbox,
    files: Mutex<Files>,
}

/// What is known of the files behind the answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    /// The last reload.
    pub(super) reload: Option<Reload>,
    /// What is in force instead of what stands on disk.
    pub(super) fallback: Option<Fallback>,
    /// Why the generation in force is not kept, if it is not.
    pub(super) unkept: Option<String>,
}

/// The webhooks, and how far they are.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) hooks: watch::Receiver<Hooks>,
    pub(super) ledger: Arc<Ledger>,
}

impl Journal {
    pub(super) fn new(
        history: Arc<History>,
        events: mpsc::Sender<Event>,
        outbox: Outbox,
    ) -> Journal {
        Journal { history, events, outbox, files: Mutex::default() }
    }

    /// Tells an event everywhere.
    pub(super) fn tell(&self, event: Event) {
        match &event {
            // What somebody did, in one place of the log.
            Event::Reload { error: None, .. } | Event::Report { verdict: Verdict::Up, .. } => {
                tracing::info!(target: AUDIT, "{event}");
            }
            Event::Override { .. }
            | Event::Resume { .. }
            | Event::Report { .. }
            | Event::Reload { .. }
            | Event::Rollback { .. } => {
                tracing::warn!(target: AUDIT, "{event}");
            }
            Event::Panic { begun: true, .. } => tracing::error!("{event}"),
            Event::Verdict { verdict: Verdict::Down, .. }
            | Event::Hold { .. }
            | Event::Warning { begun: true, .. }
            | Event::Pool { is_up: false, .. }
            | Event::Held { held: Some(_), .. }
            | Event::Maintenance { .. } => tracing::warn!("{event}"),
            _ => tracing::info!("{event}"),
        }
        self.history.push(Entry::from(&event));
        // A listener that does not keep up misses events; the history has them all.
        let _ = self.events.try_send(event);
    }

    /// Remembers what became of a reload, and tells it and why it was asked for.
    pub(super) fn tell_reload(&self, reload: Reload, reason: Option<String>) {
        let (generation, who) = (reload.generation, reload.who.clone());
        let error = reload.error.clone();
        self.note(|files| files.reload = Some(reload));
        self.tell(Event::Reload { generation, who, reason, error });
    }

    /// What is known of the files.
    pub(super) fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Corrects what is known of them.
    pub(super) fn note(&self, correct: impl FnOnce(&mut Files)) {
        correct(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How far the webhooks are.
    pub(super) fn webhooks(&self) -> Vec<WebhookStatus> {
        webhook::status(&self.outbox.hooks.borrow(), &self.history, &self.outbox.ledger)
    }

    /// What is not kept on disk of what is told, and why.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        [self.history.problem(), self.outbox.ledger.problem()].into_iter().flatten()
    }

    /// What is told, to read.
    pub(super) fn history(&self) -> &Arc<History> {
        &self.history
    }
}
