//! What steered names answered, and the scopes that were told: one tally for each thread, over all
//! its transports.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{counters, one_more};
use crate::engine::{Noted, Scoped};
use crate::steering::label::{self, LABELS, Label};

/// The counts of one thread.
#[derive(Debug)]
pub(in crate::transport) struct AnswerTally {
    labels: [AtomicU64; LABELS],
    scopes: [AtomicU64; Scoped::COUNT],
}

impl Default for AnswerTally {
    fn default() -> AnswerTally {
        AnswerTally { labels: counters(), scopes: counters() }
    }
}

impl AnswerTally {
    /// Counts an answer; only ever called by the one thread it belongs to.
    #[inline(always)]
    pub(in crate::transport) fn count(&self, noted: Noted) {
        if !noted.is_plain() {
            // What is not steered, and what has no scope, have their places too.
            one_more(&self.labels[noted.label()]);
            one_more(&self.scopes[noted.scope().index()]);
        }
    }
}

/// What was answered with steered names and with scopes, over all transports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerCounts {
    /// Answers by what they are counted as, those that occurred.
    pub labels: Vec<(Label, u64)>,
    /// Replies to queries with a subnet of IPv4, by scope from 0 on.
    pub scopes_v4: Vec<u64>,
    /// The same of IPv6.
    pub scopes_v6: Vec<u64>,
}

impl AnswerCounts {
    /// The sum of tallies.
    pub(in crate::transport) fn sum(tallies: &[&AnswerTally]) -> AnswerCounts {
        let of_label = |index: usize| {
            tallies.iter().map(|tally| tally.labels[index].load(Relaxed)).sum::<u64>()
        };
        let of_scope = |scoped: Scoped| {
            tallies.iter().map(|tally| tally.scopes[scoped.index()].load(Relaxed)).sum()
        };
        // A label is known before it is counted.
        let labels = label::known().into_iter().enumerate().skip(1);
        AnswerCounts {
            labels: labels
                .map(|(index, label)| (label, of_label(index)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            scopes_v4: (0..=32).map(|scope| of_scope(Scoped::new(1, scope))).collect(),
            scopes_v6: (0..=128).map(|scope| of_scope(Scoped::new(2, scope))).collect(),
        }
    }
}
