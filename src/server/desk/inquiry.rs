//! What the control task answers to whoever asks through the control API.

use std::time::SystemTime;

use crate::admin::message::{
    Changed, DatabaseStatus, Explained, Health, MemberHealth, PoolCounts, PoolHealth, Status,
    ZONES_NAMED, Zone, millis,
};
use crate::admin::{Change, Override, OverrideState, Question, Refusal, Request};
use crate::config::suggest;
use crate::health::{self, CheckId};
use crate::server::event::Event;
use crate::server::explain;
use crate::steering::model::{Member, PoolId, PoolState};
use crate::steering::standing::Resort;

use super::Desk;

/// Names of records that a refusal or a status lists.
const NAMED: usize = 100;

impl Desk {
    /// Answers one request. Whoever asked may have gone; that is all right.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Status(back) => drop(back.send(self.status())),
            Request::Health(back) => drop(back.send(self.health())),
            Request::Explain(question, back) => drop(back.send(self.explain(&question))),
            Request::Change(change, back) => {
                let changed = self.change(change);
                // In force before anybody is told so.
                self.publish();
                drop(back.send(changed));
            }
            Request::Reload(_, back) => drop(back.send(Err(Refusal::Away))),
        }
    }

    /// Takes back what is over.
    pub(super) fn expire(&mut self) {
        for over in self.overrides.expire(SystemTime::now()) {
            if let Some(pool) = self.pool_named(&over.pool) {
                self.control.force(pool, None);
            }
            self.journal.tell(Event::Override {
                pool: over.pool,
                state: None,
                who: "its expiry".to_owned(),
                reason: over.reason,
            });
        }
    }

    /// Puts the operator's word in force for every pool that there is.
    pub(super) fn enforce(&mut self) {
        for known in self.overrides.list() {
            if let Some(pool) = self.pool_named(&known.pool) {
                self.control.force(pool, Some(pool_state(known.state)));
            }
        }
    }

    fn pool_named(&self, name: &str) -> Option<PoolId> {
        let pools = &self.control.steering().model.pools;
        (0..).map(PoolId).zip(pools).find(|(_, pool)| pool.name == name).map(|(id, _)| id)
    }

    fn change(&mut self, change: Change) -> Result<Changed, Refusal> {
        let Change { pool: name, state, who, reason, until, anyway } = change;
        let Some(pool) = self.pool_named(&name) else {
            let pools = self.control.steering().model.pools.iter().map(|pool| &*pool.name);
            return Err(Refusal::Unknown(match suggest::nearest(&name, pools) {
                Some(near) => format!("there is no pool `{name}`; did you mean `{near}`?"),
                None => format!("there is no pool `{name}`"),
            }));
        };
        if matches!(state, Some(OverrideState::Drain | OverrideState::Down)) && !anyway {
            self.leaves_something(pool)?;
        }
        let is_news = match state {
            Some(state) => {
                let since = millis(SystemTime::now());
                let (pool, who, reason) = (name.clone(), who.clone(), reason.clone());
                let until = until.map(millis);
                self.overrides.insert(Override { pool, state, who, reason, since, until });
                true
            }
            None => self.overrides.remove(&name).is_some(),
        };
        self.control.force(pool, state.map(pool_state));
        if is_news {
            self.journal.tell(Event::Override { pool: name.clone(), state, who, reason });
        }
        Ok(Changed {
            overridden: self.overrides.of(&name).cloned(),
            state: self.state_of(pool).to_owned(),
            warning: self.overrides.problem().map(str::to_owned),
            pool: name,
        })
    }

    /// Whether clients of every record that leads to `pool` have another pool that is up.
    fn leaves_something(&self, pool: PoolId) -> Result<(), Refusal> {
        let is_up = |pool: PoolId| self.control.standing(pool).is_up(Resort::Healthy);
        if !is_up(pool) {
            return Ok(());
        }
        let model = &self.control.steering().model;
        let is_last = |record: &&crate::steering::model::Record| {
            let pools = model.pools_under(record.target);
            pools.contains(&pool) && !pools.iter().any(|other| *other != pool && is_up(*other))
        };
        let left: Vec<String> =
            model.records.iter().filter(is_last).take(NAMED).map(|r| r.owner.to_string()).collect();
        let Some(first) = left.first() else { return Ok(()) };
        let more = match left.len() {
            1 => String::new(),
            NAMED => format!(" and {} or more others", NAMED - 1),
            all => format!(" and {} more", all - 1),
        };
        Err(Refusal::Refused(format!(
            "`{}` is the last pool that is up for {first}{more}; with --force it is done all the \
             same",
            model.pool(pool).name
        )))
    }

    /// `up`, `down` or `drain`.
    fn state_of(&self, pool: PoolId) -> &'static str {
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
        let problems =
            [self.overrides.problem().map(str::to_owned), self.journal.history().problem()];
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation: self.generation,
            started: millis(self.started),
            uptime_seconds: now.duration_since(self.started).unwrap_or_default().as_secs(),
            zone_count: zones.zones().count(),
            zones: zones
                .zones()
                .take(ZONES_NAMED)
                .map(|zone| Zone { name: zone.apex().to_string(), serial: zone.serial() })
                .collect(),
            record_count: model.records.len(),
            pools,
            panics: self
                .control
                .panics()
                .map(|record| model.records[record.0 as usize].owner.to_string())
                .collect(),
            overrides: self.overrides.list().to_vec(),
            reload: self.journal.reload(),
            databases: self
                .places
                .databases
                .iter()
                .map(|database| DatabaseStatus {
                    name: database.info().name.clone(),
                    built: database.info().built * 1000,
                })
                .collect(),
            warnings: problems.into_iter().flatten().collect(),
        }
    }

    fn health(&self) -> Health {
        let records = self.records();
        let pools = (0..).map(PoolId).zip(&self.control.steering().model.pools);
        let of_pool = |(id, pool): (PoolId, &crate::steering::model::Pool)| {
            let overridden = self.overrides.of(&pool.name).cloned();
            let decided_by = match (&overridden, pool.state) {
                (Some(said), _) => format!("operator: {said}"),
                (None, PoolState::Auto) => "checks".to_owned(),
                (None, _) => format!("the pool's `state` in the file ({})", pool.site),
            };
            PoolHealth {
                name: pool.name.clone(),
                state: self.state_of(id).to_owned(),
                decided_by,
                healthy: self.control.standing(id).healthy,
                overridden,
                members: pool.members.iter().map(|m| self.member(m, &records)).collect(),
            }
        };
        Health { pools: pools.map(of_pool).collect() }
    }

    fn member(&self, member: &Member, records: &[Option<health::Record>]) -> MemberHealth {
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
            };
        };
        let check = &self.checks[id.0 as usize];
        let record = records[id.0 as usize];
        MemberHealth {
            name: member.name.clone(),
            verdict: self.control.verdict(id).as_str().to_owned(),
            decided_by: format!("monitor {} of {}", check.monitor.name, check.target),
            monitor: Some(check.monitor.name.clone()),
            target: Some(check.target.to_string()),
            reason: self.reason(id).map(str::to_owned),
            since: record.map(|record| millis(record.state.since)),
            checked: record.and_then(|record| record.at).map(millis),
            server_ms: record.and_then(|record| record.server_ms),
        }
    }

    fn explain(&self, question: &Question) -> Result<Explained, Refusal> {
        let records = self.records();
        let scene = explain::Scene {
            snapshot: &self.snapshot,
            control: &self.control,
            databases: &self.places.databases,
            networks: &self.places.networks,
            checks: &self.checks,
            records: &records,
            overrides: &self.overrides,
            supposed_down: &[],
            now: SystemTime::now(),
        };
        let invalid = |error: anyhow::Error| Refusal::Invalid(format!("{error:#}"));
        let facts = explain::gather(scene, question).map_err(invalid)?;
        let mut text = Vec::new();
        let written = explain::write(&facts, &mut text).map_err(anyhow::Error::from);
        let json = serde_json::to_value(&facts).map_err(anyhow::Error::from);
        let (exists, facts) = (facts.exists, written.and(json).map_err(invalid)?);
        Ok(Explained { exists, facts, text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// What is known of each check of the generation.
    fn records(&self) -> Vec<Option<health::Record>> {
        let mut records = vec![None; self.checks.len()];
        for (begun, CheckId(check)) in &self.numbers {
            records[*check as usize] = self.roster.record(*begun);
        }
        records
    }

    /// Why a check's last result was a failure.
    fn reason(&self, check: CheckId) -> Option<&str> {
        let begun = self.numbers.iter().find(|(_, known)| **known == check).map(|(b, _)| b)?;
        self.failures.get(begun).map(String::as_str)
    }
}

fn pool_state(state: OverrideState) -> PoolState {
    match state {
        OverrideState::Up => PoolState::Up,
        OverrideState::Down => PoolState::Down,
        OverrideState::Drain => PoolState::Drain,
    }
}
