//! What is checked and what is known of it, by number.
//!
//! Composites stand here beside the checks they go by, and follow them: see [`Table::follow`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

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

impl Entry {
    /// Whether somebody else reports to it.
    pub(super) fn is_push(&self) -> bool {
        matches!(self.check.monitor.kind, Kind::Push)
    }
}

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
            let before = entry.record;
            self.settle(whole);
            let is_news = |report: &Report| {
                let now = (report.verdict, report.is_warned);
                let then = (before.state.verdict, before.state.is_warned);
                let measured = (report.server_ms, report.load, report.expiring);
                now != then || measured != (before.server_ms, before.load, before.expiring)
            };
            reports.extend(self.report(whole, before.state.verdict).filter(is_news));
        }
        reports
    }

    /// Lets a check that is held down come back, or all that a composite goes by. Those that were
    /// held; `None` when there is no such check.
    pub(super) fn resume(&mut self, check: CheckId, now: SystemTime) -> Option<Vec<CheckId>> {
        let mut held = Vec::new();
        let mut left = BTreeSet::from([self.entries.contains_key(&check).then_some(check)?]);
        while let Some(check) = left.pop_last() {
            let Some(entry) = self.entries.get_mut(&check) else { continue };
            left.extend(&entry.parts);
            if entry.record.state.is_held() {
                held.push(check);
            }
            entry.record.state = entry.record.state.resumed(now);
        }
        Some(held)
    }

    /// What is known of a composite, as a report after which its verdict was `before`.
    pub(super) fn report(&self, whole: CheckId, before: Verdict) -> Option<Report> {
        let Entry { record, why, parts, .. } = self.entries.get(&whole)?;
        let parts = parts.iter().filter_map(|part| self.entries.get(part));
        Some(Report {
            check: whole,
            verdict: record.state.verdict,
            changed: record.state.verdict != before,
            since: record.state.since,
            at: record.at?,
            outcome: why.clone().map_or(Ok(Timing::NONE), Err),
            hold: None,
            score: 0.0,
            is_warned: record.state.is_warned,
            server_ms: record.server_ms,
            load: record.load,
            expiring: record.expiring,
            // It changes when one of its parts does.
            change_within: parts
                .filter_map(|part| part.check.monitor.change_within(&part.record.state))
                .min(),
        })
    }

    /// Brings one composite up to date.
    fn settle(&mut self, whole: CheckId) {
        let Some(entry) = self.entries.get(&whole) else { return };
        let Kind::Composite(composite) = &entry.check.monitor.kind else { return };
        let parts: Vec<&Entry> =
            entry.parts.iter().filter_map(|part| self.entries.get(part)).collect();
        let records = || parts.iter().map(|part| &part.record);
        let verdict = composite.verdict(records().map(|part| part.state.verdict));
        let at: Option<SystemTime> = records().filter_map(|part| part.at).max();
        let since = match entry.record.state {
            State { verdict: before, since, .. } if before == verdict => since,
            State { since, .. } => at.unwrap_or(since),
        };
        // Where it would not be up without those parts that are warned of, so is the whole.
        let unwarned = records().map(|part| match part.state.is_warned {
            true => Verdict::Down,
            false => part.state.verdict,
        });
        let is_warned = verdict == Verdict::Up && composite.verdict(unwarned) != Verdict::Up;
        let why = (verdict == Verdict::Down).then(|| {
            let named = composite.parts.iter().zip(&parts);
            let down = named.filter(|(_, part)| part.record.state.verdict == Verdict::Down);
            composite
                .failure(down.map(|(identity, part)| (identity, part.reason(at.unwrap_or(since)))))
        });
        let record = Record {
            state: State { is_warned, ..State::settled(verdict, since) },
            at,
            // Those of the first part that has one: the time that a deep check takes is not what
            // clients wait for, and so the file says which part it is.
            server_ms: records().find_map(|part| part.server_ms),
            load: records().find_map(|part| part.load),
            expiring: records().filter_map(|part| part.expiring).min(),
        };
        let Some(entry) = self.entries.get_mut(&whole) else { return };
        entry.record = record;
        entry.why = why;
    }
}

impl Entry {
    /// Why it is down, if that is known.
    fn reason(&self, now: SystemTime) -> Option<String> {
        let state = &self.record.state;
        let hold = || state.hold(&self.check.monitor.rules, now).map(|hold| hold.told(now));
        match state.found {
            Verdict::Up => hold(),
            _ => self.why.as_ref().map(ToString::to_string),
        }
    }
}
