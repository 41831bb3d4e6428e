//! What is said of a member: its state, who says so, and what its checks tell.

use std::time::SystemTime;

use super::facts::{HostFacts, MemberFacts};
use super::gather::Case;
use crate::admin::message::Course;
use crate::health::{self, Check, CheckId, Kind};
use crate::steering::hints;
use crate::steering::model::PoolState;
use crate::steering::trace::MemberTrace;

/// What a check says of its target beyond up and down.
pub fn course(record: &health::Record, check: &Check, now: SystemTime) -> Course {
    let monitor = &check.monitor;
    let rules = &monitor.rules;
    let state = &record.state;
    let is_warned = state.is_warned && state.verdict.is_usable() && rules.warn.is_some();
    let left = |at: SystemTime| at.duration_since(now).unwrap_or_default().as_secs();
    let expiring = record
        .expiring
        .map(|at| format!("certificate expires in {}", health::failure::span(left(at))));
    let is_unread = monitor.load.is_some() && record.load.is_none();
    let unread = is_unread.then(|| "load not known: the log says why".to_owned());
    Course {
        load: record.load,
        hold: state.hold(rules, now).map(|hold| hold.told(now)),
        score: rules.damping.map(|_| state.score(rules, now)),
        weight_left: is_warned.then(|| rules.left(true)),
        warnings: expiring.into_iter().chain(unread).collect(),
    }
}

/// A member's state, and who says so.
struct Said<'a> {
    state: &'static str,
    by: String,
    /// How many seconds ago it was checked.
    age: Option<u64>,
    /// What its check knows, when that is what counts.
    record: Option<&'a health::Record>,
}

impl Case<'_> {
    /// The facts about a member of a pool.
    pub(super) fn member(&self, pool: &str, member: &MemberTrace) -> MemberFacts {
        let Said { state, by, age, record } = self.verdict(pool, member.check);
        let course = age.and(member.check).map(|check| self.course(check));
        let failure = record.and(member.check).and_then(|check| self.failure(check));
        let ago =
            |then: SystemTime| self.scene.now.duration_since(then).unwrap_or_default().as_secs();
        let mut course = course.unwrap_or_default();
        course.warnings.extend(self.hints_down(pool, &member.name));
        MemberFacts {
            name: member.name.clone(),
            rtype: member.rtype.clone(),
            host: self.host(pool, &member.name),
            state,
            by,
            failure,
            since_seconds_ago: record.map(|record| ago(record.state.since)),
            checked_seconds_ago: age,
            course,
            is_offered: member.is_offered,
        }
    }

    /// The host name of a pool's member.
    fn host(&self, pool: &str, member: &str) -> Option<HostFacts> {
        let pool = self.scene.control.steering().model.pool(self.pool(pool)?);
        let host = pool.hosts_of(member.parse().ok()?).next()?;
        let ago =
            |then: SystemTime| self.scene.now.duration_since(then).unwrap_or_default().as_secs();
        let found_seconds_ago = self.scene.hosts.of.get(&host.name).map(|known| ago(known.at));
        Some(HostFacts { name: host.name.to_string(), found_seconds_ago })
    }

    /// The hints of a pool's member that are left out.
    fn hints_down(&self, pool: &str, member: &str) -> Vec<String> {
        let Some(id) = self.pool(pool) else { return Vec::new() };
        let pool = self.scene.control.steering().model.pool(id);
        let standing = self.scene.control.standing(id);
        let member = pool.members.iter().find(|other| other.name == member);
        let down = member.map(|member| hints::down(pool, standing, member)).unwrap_or_default();
        down.iter().map(|address| format!("without the hint {address}, which is down")).collect()
    }

    fn course(&self, check: CheckId) -> Course {
        match &self.scene.records[check.0 as usize] {
            Some(record) => course(record, &self.scene.checks[check.0 as usize], self.scene.now),
            None => Course::default(),
        }
    }

    /// Why a target is down, as its last check had it.
    fn failure(&self, check: CheckId) -> Option<String> {
        let is_down = |record: &health::Record| !record.state.verdict.is_usable();
        self.scene.records[check.0 as usize].as_ref().filter(|record| is_down(record))?;
        self.scene.failures.get(check.0 as usize)?.map(str::to_owned)
    }

    /// The state of all members of a pool, when a person's word is stronger than the checks.
    fn word(&self, pool: &str) -> Option<Said<'_>> {
        let state = match self.scene.control.standing(self.pool(pool)?).state {
            PoolState::Up => "up",
            PoolState::Down => "down",
            // A drained pool has the state that its checks give it.
            PoolState::Auto | PoolState::Drain => return None,
        };
        let by = match self.scene.overrides.of(pool) {
            Some(said) if said.state.as_str() == state => said.to_string(),
            _ => "the pool's `state` in the file".to_owned(),
        };
        Some(Said { state, by, age: None, record: None })
    }

    /// A member's state, and who says so.
    fn verdict(&self, pool: &str, check: Option<CheckId>) -> Said<'_> {
        let said = |state, by: String| Said { state, by, age: None, record: None };
        if self.scene.state.down.iter().any(|name| name == pool) {
            return said("down", "supposed by --down".to_owned());
        }
        if let Some(word) = self.word(pool) {
            return word;
        }
        let Some(id) = check else {
            return said("up", "no monitor".to_owned());
        };
        let check = &self.scene.checks[id.0 as usize];
        let what = format!("monitor {} of {}", check.monitor.name, check.target);
        let Some(record) = &self.scene.records[id.0 as usize] else {
            return said("unknown", format!("{what}: not checked yet, counts as up"));
        };
        let ago =
            |then: SystemTime| self.scene.now.duration_since(then).unwrap_or_default().as_secs();
        let since = ago(record.state.since);
        let by = format!("{what}, for {since} s{}", self.parts(check));
        let (state, age) = (record.state.verdict.as_str(), record.at.map(ago));
        Said { state, by, age, record: Some(record) }
    }

    /// What a composite goes by, and how that is.
    fn parts(&self, check: &Check) -> String {
        let Kind::Composite(composite) = &check.monitor.kind else { return String::new() };
        let part = |part: &health::Identity| {
            let place = self.scene.checks.iter().position(|other| other.identity() == *part);
            let Some(place) = place else { return format!("{part} unknown") };
            let state = self.scene.records[place].as_ref().map(|record| record.state);
            let verdict = state.map(|state| state.verdict).unwrap_or_default();
            let rules = &self.scene.checks[place].monitor.rules;
            match state.and_then(|state| state.hold(rules, self.scene.now)) {
                Some(hold) => format!("{part} {verdict} ({})", hold.told(self.scene.now)),
                None => format!("{part} {verdict}"),
            }
        };
        let parts: Vec<String> = composite.parts.iter().map(part).collect();
        format!("; {} of {} parts needed: {}", composite.needed, parts.len(), parts.join(", "))
    }
}
