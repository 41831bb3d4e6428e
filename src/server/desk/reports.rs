//! What others found and say through the control API, to monitors of kind push.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use tokio::sync::oneshot;

use crate::admin::Refusal;
use crate::admin::line::{self, Place};
use crate::admin::message::{Reportable, Reported, ReportedTarget};
use crate::health::{Check, CheckId, Failure, Identity, Kind, Report, Verdict};
use crate::server::event::Event;
use crate::steering::model::PoolId;

use super::Desk;
use super::orders::unknown;

/// What a report down says that says nothing.
const UNSAID: &str = "no reason given";

type Back = oneshot::Sender<Result<Reported, Refusal>>;

/// What was reported, until the checks have made something of it. By the roster's numbers.
#[derive(Debug)]
pub(super) struct Awaited {
    checks: Vec<CheckId>,
    /// Those that have not been heard of yet.
    left: HashSet<CheckId>,
    verdict: Reportable,
    back: Back,
}

impl Desk {
    /// Hands on what was reported. Whoever did hears when it counts.
    pub(super) fn report(&mut self, order: line::Report, back: Back) {
        let checks = match self.checks_reported(&order) {
            Ok(checks) => self.begun(&checks),
            Err(refusal) => return drop(back.send(Err(refusal))),
        };
        let line::Report { verdict, who, reason, .. } = order;
        let found = match verdict {
            Reportable::Up => Ok(()),
            Reportable::Down => Err(Failure::reported(reason.as_deref().unwrap_or(UNSAID))),
        };
        let mut awaited = Awaited { checks: Vec::new(), left: HashSet::new(), verdict, back };
        for (begun, check) in checks {
            // The same again and again is no news, and would drive what is out of the history.
            if self.is_news(begun, &found) {
                let (target, monitor) = self.named(check);
                let verdict = if found.is_ok() { Verdict::Up } else { Verdict::Down };
                let (who, reason) = (who.clone(), reason.clone());
                self.journal.tell(Event::Report { target, monitor, verdict, who, reason });
            }
            if self.roster.report(begun, found.clone()) {
                awaited.left.insert(begun);
                awaited.checks.push(begun);
            }
        }
        self.awaited.push(awaited);
    }

    fn is_news(&self, begun: CheckId, found: &Result<(), Failure>) -> bool {
        let before = self.outcomes.failure(begun);
        match found {
            Err(failure) => before != Some(&*failure.to_string()),
            Ok(()) => {
                let record = self.roster.record(begun);
                let was_up = record.is_some_and(|record| record.state.found == Verdict::Up);
                before.is_some() || !was_up
            }
        }
    }

    /// Notes that the checks have made something of what was reported.
    pub(super) fn hear(&mut self, report: &Report) {
        let heard = match report.outcome {
            Ok(_) => Reportable::Up,
            Err(Failure::Reported(_)) => Reportable::Down,
            Err(_) => return,
        };
        let same = self.awaited.iter_mut().filter(|awaited| awaited.verdict == heard);
        // Each report is heard of once, in the order they came.
        for awaited in same {
            if awaited.left.remove(&report.check) {
                return;
            }
        }
    }

    /// Waits no longer for checks that a new generation does not have.
    pub(super) fn await_only_what_is_checked(&mut self) {
        for awaited in &mut self.awaited {
            awaited.left.retain(|begun| self.numbers.contains_key(begun));
        }
    }

    /// Answers those whose reports are in force. Who asked may have gone; that is all right.
    pub(super) fn answer_reported(&mut self) {
        let done: Vec<_> = self.awaited.extract_if(.., |it| it.left.is_empty()).collect();
        let now = SystemTime::now();
        for Awaited { checks, back, .. } in done {
            let told = |begun: CheckId| {
                let check = *self.numbers.get(&begun)?;
                let (target, monitor) = self.named(check);
                let verdict = self.control.verdict(check).as_str().to_owned();
                let hold = self.holds.get(&begun).map(|hold| hold.told(now));
                Some(ReportedTarget { target, monitor, verdict, hold })
            };
            let targets = checks.into_iter().filter_map(told).collect();
            drop(back.send(Ok(Reported { targets })));
        }
    }

    /// The checks that a report is about.
    fn checks_reported(&self, order: &line::Report) -> Result<BTreeSet<CheckId>, Refusal> {
        let line::Report { monitor, place, .. } = order;
        let is_push = |check: &Check| matches!(check.monitor.kind, Kind::Push);
        let is_meant = |check: &Check| is_push(check) && check.monitor.name == *monitor;
        if !self.checks.iter().any(is_meant) {
            if self.checks.iter().any(|check| check.monitor.name == *monitor) {
                let text = format!(
                    "monitor `{monitor}` finds out by itself; reports are for those of kind push"
                );
                return Err(Refusal::Refused(text));
            }
            let known = self.checks.iter().filter(|check| is_push(check));
            let known = known.map(|check| &*check.monitor.name);
            return Err(unknown("monitor of kind push in use,", monitor, known));
        }
        let target = match place {
            Place::Member { pool, member } => {
                let pool = self.pool_wanted(pool)?;
                return self.checks_below(pool, Some(member), is_meant);
            }
            Place::Target(target) => target,
        };
        let checks = (0..).map(CheckId).zip(&self.checks);
        let targets: Vec<(CheckId, String)> = checks
            .filter(|(_, check)| is_meant(check))
            .map(|(number, check)| (number, check.target.to_string()))
            .collect();
        let in_brackets = format!("[{target}]");
        let is_it = |known: &str| known == target || known == in_brackets;
        if let Some((number, _)) = targets.iter().find(|(_, known)| is_it(known)) {
            return Ok(BTreeSet::from([*number]));
        }
        if let Some(pool) = self.pool_named(target) {
            return self.checks_below(pool, None, is_meant);
        }
        let pools = self.control.steering().model.pools.iter().map(|pool| &*pool.name);
        let known = targets.iter().map(|(_, target)| &**target).chain(pools);
        Err(unknown("target or pool", target, known))
    }

    /// Those checks of a pool's members that are meant, parts of composites among them.
    fn checks_below(
        &self,
        pool: PoolId,
        member: Option<&String>,
        is_meant: impl Fn(&Check) -> bool,
    ) -> Result<BTreeSet<CheckId>, Refusal> {
        let pool = self.control.steering().model.pool(pool);
        let is_named = |name: &str| member.is_none_or(|member| member == name);
        let members = || pool.members.iter().filter(|member| is_named(&member.name));
        if let (Some(member), None) = (member, members().next()) {
            let known = pool.members.iter().map(|member| &*member.name);
            return Err(unknown("member of that pool,", member, known));
        }
        let tops = members().filter_map(|member| member.check);
        let mut wanted: HashSet<Identity> =
            tops.map(|check| self.checks[check.0 as usize].identity()).collect();
        let mut found = BTreeSet::new();
        let checks: Vec<_> = (0..).map(CheckId).zip(&self.checks).collect();
        // Parts stand before the composites that go by them.
        for (number, check) in checks.into_iter().rev() {
            let is_one = is_meant(check);
            if (is_one || !check.parts().is_empty()) && wanted.contains(&check.identity()) {
                wanted.extend(check.parts().iter().cloned());
                if is_one {
                    found.insert(number);
                }
            }
        }
        if found.is_empty() {
            let text = format!("that monitor does not watch pool `{}`", pool.name);
            return Err(Refusal::Refused(text));
        }
        Ok(found)
    }
}
