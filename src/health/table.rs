//! What is checked and what is known of it, by number.
//!
//! Composites stand here beside the checks they go by, and follow them: see [`Table::follow`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::check::Check;
use super::checker::Report;
use super::failure::{Failure, Timing};
use super::monitor::Kind;
use super::state::State;
use super::store::Record;
use super::verdict::{CheckId, Verdict};

#[derive(Debug, Default)]
pub(super) struct Table {
    next: u32,
    pub(super) entries: BTreeMap<CheckId, Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) check: Check,
    pub(super) record: Record,
    /// Why it failed last; `None` when it is up, or when that is not known.
    why: Option<Failure>,
    /// What it goes by, when it is a composite. Their numbers are lower than its own.
    parts: Vec<CheckId>,
    /// The composites that go by it.
    wholes: Vec<CheckId>,
}

/// A composite takes no time of its own.
const NO_TIME: Timing =
    Timing { connect: Duration::ZERO, first_byte: None, server: None, total: Duration::ZERO };

impl Table {
    /// Adds a check; a composite goes by `parts`, which must be here already.
    pub(super) fn add(&mut self, check: Check, record: Record, parts: Vec<CheckId>) -> CheckId {
        let number = CheckId(self.next);
        self.next = self.next.checked_add(1).expect("four billion checks were never begun");
        for part in &parts {
            if let Some(part) = self.entries.get_mut(part) {
                part.wholes.push(number);
            }
        }
        let is_composite = !parts.is_empty();
        let entry = Entry { check, record, why: None, parts, wholes: Vec::new() };
        self.entries.insert(number, entry);
        if is_composite {
            self.settle(number);
        }
        number
    }

    /// Keeps the checks that `stays` says yes to.
    pub(super) fn retain(&mut self, stays: impl Fn(CheckId) -> bool) {
        self.entries.retain(|check, _| stays(*check));
        for entry in self.entries.values_mut() {
            entry.wholes.retain(|whole| stays(*whole));
        }
    }

    /// Notes why a check failed, and brings the composites up to date that go by it, directly or
    /// not. The reports of those for which anything changed.
    pub(super) fn follow(
        &mut self,
        part: CheckId,
        outcome: &Result<Timing, Failure>,
    ) -> Vec<Report> {
        let Some(entry) = self.entries.get_mut(&part) else { return Vec::new() };
        match outcome {
            Err(failure) if !failure.is_local() => entry.why = Some(failure.clone()),
            _ if entry.record.state.verdict == Verdict::Up => entry.why = None,
            _ => {}
        }
        let mut reports = Vec::new();
        let mut left: BTreeSet<CheckId> = entry.wholes.iter().copied().collect();
        // A part's number is lower than that of its composites, so all parts come before them.
        while let Some(whole) = left.pop_first() {
            let Some(entry) = self.entries.get(&whole) else { continue };
            left.extend(&entry.wholes);
            let before = (entry.record.state.verdict, entry.record.server_ms);
            self.settle(whole);
            reports.extend(
                self.report(whole, before.0)
                    .filter(|report| (report.verdict, report.server_ms) != before),
            );
        }
        reports
    }

    /// What is known of a composite, as a report after which its verdict was `before`.
    pub(super) fn report(&self, whole: CheckId, before: Verdict) -> Option<Report> {
        let Entry { record, why, .. } = self.entries.get(&whole)?;
        Some(Report {
            check: whole,
            verdict: record.state.verdict,
            changed: record.state.verdict != before,
            since: record.state.since,
            at: record.at?,
            outcome: why.clone().map_or(Ok(NO_TIME), Err),
            server_ms: record.server_ms,
        })
    }

    /// Brings one composite up to date.
    fn settle(&mut self, whole: CheckId) {
        let Some(entry) = self.entries.get(&whole) else { return };
        let Kind::Composite(composite) = &entry.check.monitor.kind else { return };
        let parts: Vec<&Entry> =
            entry.parts.iter().filter_map(|part| self.entries.get(part)).collect();
        let verdict = composite.verdict(parts.iter().map(|part| part.record.state.verdict));
        let why = (verdict == Verdict::Down).then(|| {
            let named = composite.parts.iter().zip(&parts);
            let down = named.filter(|(_, part)| part.record.state.verdict == Verdict::Down);
            composite.failure(down.map(|(identity, part)| (identity, part.why.as_ref())))
        });
        let at: Option<SystemTime> = parts.iter().filter_map(|part| part.record.at).max();
        // That of the first part that has one: the time that a deep check takes is not what
        // clients wait for, and so the file says which part it is.
        let server_ms = parts.iter().find_map(|part| part.record.server_ms);
        let Some(entry) = self.entries.get_mut(&whole) else { return };
        let state = &mut entry.record.state;
        if state.verdict != verdict {
            *state = State { verdict, since: at.unwrap_or(state.since), ..*state };
        }
        entry.record = Record { state: *state, at, server_ms };
        entry.why = why;
    }
}
