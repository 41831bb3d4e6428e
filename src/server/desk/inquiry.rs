//! What the control task answers to whoever asks through the control API.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::admin::message::{
    Course, DatabaseStatus, Explained, Health, HeldPool, MemberHealth, NAMED, PolicyShares,
    PoolCounts, PoolHealth, PoolShare, Status, Zone, millis,
};
use crate::admin::{Inquiry, Override, Refusal, Request};
use crate::health::{self, CheckId};
use crate::server::explain::{self, StateFacts};
use crate::steering::census::Outlet;
use crate::steering::control::Control;
use crate::steering::model::{Member, PolicyId, Pool, PoolId, PoolState};
use crate::steering::standing::Resort;

use super::Desk;

impl Desk {
    /// Answers one request. Whoever asked may have gone; that is all right.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Status(back) => drop(back.send(self.status())),
            Request::Health(back) => drop(back.send(self.health())),
            Request::Explain(inquiry, back) => drop(back.send(self.explain(inquiry))),
            Request::World(name, back) => self.world(&name, back),
            Request::Change(change, back) => {
                let changed = self.change(change);
                // In force before anybody is told so.
                self.publish();
                drop(back.send(changed));
            }
            Request::Resume(order, back) => drop(back.send(self.resume(order))),
            Request::Report(order, back) => self.report(order, back),
            Request::Reload(_, back) => drop(back.send(Err(Refusal::Away))),
            Request::Rollback(_, back) => drop(back.send(Err(Refusal::Away))),
            Request::Generations(back) => drop(back),
            Request::Files(back) => drop(back),
            Request::Part(_, back) => drop(back),
        }
    }

    /// `up`, `down` or `drain`.
    pub(super) fn state_of(&self, pool: PoolId) -> &'static str {
        let standing = self.control.standing(pool);
        if standing.is_up(Resort::Healthy) {
            "up"
        } else if standing.is_up(Resort::Drained) {
            "drain"
        } else {
            "down"
        }
    }

    fn status(&self) -> Status {
        let now = SystemTime::now();
        let model = &self.control.steering().model;
        let mut pools = PoolCounts::default();
        for pool in (0..model.pools.len() as u32).map(PoolId) {
            match self.state_of(pool) {
                "up" => pools.up += 1,
                "drain" => pools.drain += 1,
                _ => pools.down += 1,
            }
        }
        let zones = &self.snapshot.zones;
        let overrides = self.overrides.problem().map(str::to_owned);
        let files = self.journal.files();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation: self.generation,
            started: millis(self.started),
            uptime_seconds: now.duration_since(self.started).unwrap_or_default().as_secs(),
            zone_count: zones.zones().count(),
            zones: zones
                .zones()
                .take(NAMED)
                .map(|zone| Zone { name: zone.apex().to_string(), serial: zone.serial() })
                .collect(),
            record_count: model.records.len(),
            records: model.records.iter().take(NAMED).map(|r| r.owner.to_string()).collect(),
            pools,
            panics: self
                .control
                .panics()
                .map(|record| model.records[record.0 as usize].owner.to_string())
                .collect(),
            overrides: self.overrides.list().to_vec(),
            held: self.held(),
            maintenance: self.maintenance(),
            reload: files.reload,
            fallback: files.fallback,
            webhooks: self.journal.webhooks(),
            databases: self
                .places
                .databases
                .iter()
                .map(|database| DatabaseStatus {
                    name: database.info().name.clone(),
                    built: database.info().built * 1000,
                })
                .collect(),
            warnings: overrides
                .into_iter()
                .chain(self.journal.problems())
                .chain(files.unkept)
                .collect(),
        }
    }

    fn held(&self) -> Vec<HeldPool> {
        let pools = (0..).map(PoolId).zip(&self.control.steering().model.pools);
        let held = |(id, pool): (PoolId, &Pool)| {
            let why = self.control.held(id)?.to_string();
            Some(HeldPool { pool: pool.name.clone(), why, share: self.control.kept(id).ratio() })
        };
        pools.filter_map(held).collect()
    }

    fn health(&self) -> Health {
        let known = self.known();
        let now = SystemTime::now();
        let words: HashMap<&str, &Override> =
            self.overrides.list().iter().map(|word| (&*word.pool, word)).collect();
        let pools = (0..).map(PoolId).zip(&self.control.steering().model.pools);
        let of_pool = |(id, pool): (PoolId, &Pool)| {
            let overridden = words.get(&*pool.name).map(|word| (*word).clone());
            let planned = self.control.maintenance(id).map(|(window, _)| window.to_string());
            let decided_by = match (&overridden, pool.state) {
                (Some(said), _) => format!("operator: {said}"),
                (None, PoolState::Auto | PoolState::Up) if planned.is_some() => {
                    planned.unwrap_or_default()
                }
                (None, PoolState::Auto) => "checks".to_owned(),
                (None, _) => format!("the pool's `state` in the file ({})", pool.site),
            };
            PoolHealth {
                name: pool.name.clone(),
                state: self.state_of(id).to_owned(),
                decided_by,
                healthy: self.control.standing(id).healthy,
                share: self.control.kept(id).ratio(),
                load: self.control.load(id),
                held: self.control.held(id).map(ToString::to_string),
                overridden,
                members: pool.members.iter().map(|m| self.member(m, &known, now)).collect(),
            }
        };
        let model = &self.control.steering().model;
        let of_policy = |(policy, shares): (PolicyId, Vec<(Outlet, f64)>)| PolicyShares {
            name: model.policy(policy).name.clone(),
            pools: shares
                .into_iter()
                .map(|(outlet, share)| PoolShare { pool: outlet.name(model).to_owned(), share })
                .collect(),
        };
        Health {
            pools: pools.map(of_pool).collect(),
            policies: self.control.expected().into_iter().map(of_policy).collect(),
        }
    }

    fn member(&self, member: &Member, known: &[KnownCheck<'_>], now: SystemTime) -> MemberHealth {
        let Some(id) = member.check else {
            return MemberHealth {
                name: member.name.clone(),
                verdict: "up".to_owned(),
                decided_by: "no monitor".to_owned(),
                monitor: None,
                target: None,
                reason: None,
                since: None,
                checked: None,
                server_ms: None,
                took_ms: None,
                course: Course::default(),
            };
        };
        let check = &self.checks[id.0 as usize];
        let KnownCheck { record, failure, took } = known[id.0 as usize];
        MemberHealth {
            name: member.name.clone(),
            verdict: self.control.verdict(id).as_str().to_owned(),
            decided_by: format!("monitor {} of {}", check.monitor.name, check.target),
            monitor: Some(check.monitor.name.clone()),
            target: Some(check.target.to_string()),
            reason: failure.map(str::to_owned),
            since: record.map(|record| millis(record.state.since)),
            checked: record.and_then(|record| record.at).map(millis),
            server_ms: record.and_then(|record| record.server_ms),
            took_ms: took.map(|took| took.as_secs_f64() * 1000.0),
            course: record.map(|record| explain::course(&record, check, now)).unwrap_or_default(),
        }
    }

    fn explain(&self, inquiry: Inquiry) -> Result<Explained, Refusal> {
        let Inquiry { question, down, is_traced, .. } = inquiry;
        let known = self.known();
        let records: Vec<_> = known.iter().map(|known| known.record).collect();
        let failures: Vec<_> = known.iter().map(|known| known.failure).collect();
        let (hosts, now) = (self.hosts.borrow().clone(), SystemTime::now());
        let supposed = if down.is_empty() { None } else { Some(self.suppose(&down, now)?) };
        let (generation, at) = (Some(self.generation), millis(now));
        let state = StateFacts { of: "server", generation, at, down, remarks: Vec::new() };
        let scene = explain::Scene {
            snapshot: &self.snapshot,
            control: supposed.as_ref().unwrap_or(&self.control),
            databases: &self.places.databases,
            networks: &self.places.networks,
            checks: &self.checks,
            records: &records,
            failures: &failures,
            hosts: &hosts,
            overrides: &self.overrides,
            state: &state,
            is_traced,
            now,
        };
        explain::explained(scene, &question)
    }

    /// What would be answered if these pools were down.
    fn suppose(&self, down: &[String], now: SystemTime) -> Result<Control, Refusal> {
        let pools = down.iter().map(|name| self.pool_wanted(name));
        let pools = pools.collect::<Result<Vec<PoolId>, Refusal>>()?;
        let mut control = self.control.clone();
        for pool in pools {
            control.force(pool, Some(PoolState::Down));
        }
        control.guard(now);
        control.settle();
        Ok(control)
    }

    /// What is known of each check of the generation.
    pub(super) fn known(&self) -> Vec<KnownCheck<'_>> {
        let mut known = vec![KnownCheck::default(); self.checks.len()];
        for (begun, CheckId(check)) in &self.numbers {
            known[*check as usize] = KnownCheck {
                record: self.roster.record(*begun),
                failure: self.outcomes.failure(*begun),
                took: self.outcomes.took(*begun),
            };
        }
        known
    }
}

/// What is known of a check.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownCheck<'a> {
    pub(super) record: Option<health::Record>,
    /// Why it failed the last time, if it did.
    failure: Option<&'a str>,
    /// How long the last check that succeeded took.
    took: Option<Duration>,
}
