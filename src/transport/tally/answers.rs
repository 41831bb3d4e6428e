//! What zones and steered names answered, and the scopes that were told: one tally for each thread,
//! over all its transports.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{counters, one_more};
use crate::engine::{Noted, Scoped, ZONE_RCODES};
use crate::steering::label::{self, LABELS, Label};
use crate::wire::Rcode;
use crate::zone::label::{self as zones, ZONES};

/// The counts of one thread.
#[derive(Debug)]
pub(in crate::transport) struct AnswerTally {
    zones: [AtomicU64; ZONES * ZONE_RCODES],
    labels: [AtomicU64; LABELS],
    scopes: [AtomicU64; Scoped::COUNT],
}

impl Default for AnswerTally {
    fn default() -> AnswerTally {
        AnswerTally { zones: counters(), labels: counters(), scopes: counters() }
    }
}

impl AnswerTally {
    /// Counts an answer by its zone.
    #[inline(always)]
    pub(super) fn count_zone(&self, noted: Noted) {
        one_more(&self.zones[noted.zone()]);
    }

    /// Counts an answer by label and scope. What is not steered, and what has no scope, have their
    /// places too.
    #[inline(always)]
    pub(super) fn count_steered(&self, noted: Noted) {
        one_more(&self.labels[noted.label()]);
        one_more(&self.scopes[noted.scope().index()]);
    }
}

/// What was answered by zones, with steered names and with scopes, over all transports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerCounts {
    /// Answers by the apex of the zone of the name asked for and by response code, those that
    /// occurred; codes that zones do not say are under `None`.
    pub zones: Vec<(String, Option<Rcode>, u64)>,
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
        let of_zone = |number: usize, rcode: usize| {
            let index = number * ZONE_RCODES + rcode;
            tallies.iter().map(|tally| tally.zones[index].load(Relaxed)).sum::<u64>()
        };
        let zones = zones::known().into_iter().enumerate().skip(1).flat_map(|(number, apex)| {
            let rcode = |rcode| (rcode < ZONE_RCODES - 1).then_some(Rcode(rcode as u16));
            (0..ZONE_RCODES).map(move |code| (apex.clone(), rcode(code), of_zone(number, code)))
        });
        // Zones and labels are known before they are counted.
        let labels = label::known().into_iter().enumerate().skip(1);
        AnswerCounts {
            zones: zones.filter(|(_, _, count)| *count > 0).collect(),
            labels: labels
                .map(|(index, label)| (label, of_label(index)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            scopes_v4: (0..=32).map(|scope| of_scope(Scoped::new(1, scope))).collect(),
            scopes_v6: (0..=128).map(|scope| of_scope(Scoped::new(2, scope))).collect(),
        }
    }
}
