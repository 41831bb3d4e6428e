//! Explaining with the state of an earlier time: the generation that was in force, as far as it
//! is kept, with what the history has of checks and orders.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Facts, Places, Reloader, apart, defect, read};
use crate::admin::message::{Explained, millis, time, utc};
use crate::admin::{Inquiry, Override, Overrides, Refusal};
use crate::health::{Check, CheckId, Record, Roster, State, Verdict};
use crate::server::desk::in_force;
use crate::server::explain::{self, StateFacts};
use crate::server::generations::{Inputs, Kept};
use crate::server::hindsight::Hindsight;
use crate::server::hosts::Table;
use crate::steering::control::Control;
use crate::steering::model::{Kind, Model, PoolId, PoolState};

/// What a question about the past is answered from.
struct Scenery {
    facts: Facts,
    places: Arc<Places>,
    /// What the checks know today, by [`CheckId`].
    records: Vec<Option<Record>>,
    table: Arc<Table>,
    remarks: Vec<String>,
}

impl Reloader {
    /// Which answer a client got at a time, and why. `words` are the operator's words in force
    /// today; `path` is the server's own file.
    pub(in crate::server) async fn explain_past(
        &self,
        path: Option<&Path>,
        inquiry: Inquiry,
        at: SystemTime,
        words: Vec<Override>,
    ) -> Result<Explained, Refusal> {
        if at > SystemTime::now() {
            return Err(Refusal::Invalid(format!("{} is yet to come", utc(millis(at)))));
        }
        let entries = self.journal.history().list(0, 0, usize::MAX);
        let back = Hindsight::new(&entries, millis(at)).map_err(Refusal::Unknown)?;
        let scenery = self.scenery(path, back.generation(), millis(at)).await?;
        let work = move || {
            let back = Hindsight::new(&entries, millis(at)).map_err(Refusal::Unknown)?;
            scenery.explain(back, &inquiry, at, &words)
        };
        apart(work).await.map_err(defect)?
    }

    /// The generation that was in force at a time: that of today, or what is kept of another.
    async fn scenery(
        &self,
        path: Option<&Path>,
        told: Option<(u64, u64)>,
        at: u64,
    ) -> Result<Scenery, Refusal> {
        let current = self.current.lock().await;
        let (files, kept_as) = (current.files, self.kept_as(&current));
        let (facts, places) = (current.facts.clone(), Arc::clone(&current.places));
        let numbers = current.numbers.clone();
        drop(current);
        let today = Scenery {
            records: records(&self.roster, &numbers),
            places,
            table: self.hosts.table(),
            remarks: Vec::new(),
            facts,
        };
        let archive = self.archive.clone();
        let list = apart(move || archive.map(|archive| archive.list()).unwrap_or_default());
        let list = list.await.map_err(defect)?;
        let kept = list.iter().filter(|kept| kept.at <= at).max_by_key(|kept| kept.at);
        let then = match (told, kept) {
            (Some((number, since)), Some(kept)) if since > kept.at => Some(number),
            (_, Some(kept)) => Some(kept.number),
            (told, None) => told.map(|(number, _)| number),
        };
        let number = today.facts.number;
        let Some(then) = then else {
            let remark =
                format!("which generation was in force is not known: this is with {number}");
            return Ok(Scenery { remarks: vec![remark], ..today });
        };
        if then == files || then == kept_as {
            return Ok(today);
        }
        let found = list.into_iter().find(|kept| kept.number == then);
        let why = match (found, path) {
            (Some(kept), Some(path)) => match self.rebuilt(kept, path, &today).await? {
                Ok(scenery) => return Ok(scenery),
                Err(why) => format!("what is kept of it cannot be used: {why}"),
            },
            _ => "it is not kept".to_owned(),
        };
        let remark =
            format!("generation {then} was in force, and {why}; this is with {number} instead");
        Ok(Scenery { remarks: vec![remark], ..today })
    }

    /// A kept generation, built again beside the one in force.
    async fn rebuilt(
        &self,
        kept: Kept,
        path: &Path,
        today: &Scenery,
    ) -> Result<Result<Scenery, String>, Refusal> {
        let (fixed, path, number) = (self.fixed.clone(), path.to_owned(), kept.number);
        let (snapshot, table) = (today.facts.snapshot.clone(), Arc::clone(&today.table));
        let known: Vec<_> = today.facts.checks.iter().map(Check::identity).collect();
        let records = today.records.clone();
        let work = move || {
            let built = read(path, &Inputs::kept(kept), number, &fixed, &snapshot);
            let (mut generation, _) = built.map_err(|error| error.text())?;
            let facts = Facts::of(&generation, &table);
            let record = |check: &Check| {
                let place = known.iter().position(|known| *known == check.identity())?;
                records[place]
            };
            let records = facts.checks.iter().map(record).collect();
            let places = Arc::new(Places::of(&mut generation));
            Ok(Scenery { facts, places, records, table, remarks: Vec::new() })
        };
        apart(work).await.map_err(defect)
    }
}

impl Scenery {
    fn explain(
        mut self,
        back: Hindsight<'_>,
        inquiry: &Inquiry,
        at: SystemTime,
        words: &[Override],
    ) -> Result<Explained, Refusal> {
        let model = &self.facts.steering.model;
        let moment = millis(at);
        let mut overrides = Overrides::default();
        for pool in &model.pools {
            let now = words.iter().find(|word| word.pool == pool.name);
            if let Some(word) = back.word(&pool.name, now, moment) {
                overrides.insert(word);
            }
            self.remarks.extend(back.in_between(&pool.name));
        }
        self.remarks.extend(not_recorded(model));
        let control = self.control(back, &overrides, &inquiry.down, at)?;
        let records: Vec<Option<Record>> = self
            .facts
            .checks
            .iter()
            .zip(&self.records)
            .map(|(check, now)| known(&back, check, now.as_ref(), moment))
            .collect();
        let state = StateFacts {
            of: "history",
            generation: Some(self.facts.number),
            at: moment,
            down: inquiry.down.clone(),
            remarks: self.remarks,
        };
        let scene = explain::Scene {
            snapshot: &self.facts.snapshot,
            control: &control,
            databases: &self.places.databases,
            networks: &self.places.networks,
            checks: &self.facts.checks,
            records: &records,
            failures: &[],
            hosts: &self.table,
            overrides: &overrides,
            state: &state,
            is_traced: inquiry.is_traced,
            now: at,
        };
        explain::explained(scene, &inquiry.question)
    }

    /// The control of the generation, as it was.
    fn control(
        &self,
        back: Hindsight<'_>,
        overrides: &Overrides,
        down: &[String],
        at: SystemTime,
    ) -> Result<Control, Refusal> {
        let checks = || (0..).map(CheckId).zip(self.facts.checks.iter().zip(&self.records));
        let verdict = |(id, (check, now)): (CheckId, (&Check, &Option<Record>))| {
            let record = known(&back, check, now.as_ref(), millis(at))?;
            Some((id, record.state.verdict))
        };
        let mut control = Control::new(self.facts.steering.clone(), checks().filter_map(verdict));
        for (id, (_, record)) in checks() {
            let Some(record) = record else { continue };
            if let Some(ms) = record.server_ms {
                control.set_server_ms(id, f64::from(ms));
            }
            control.set_load(id, record.load.unwrap_or(f32::NAN));
        }
        control.evaluate_choices();
        control.plan(&self.facts.maintenance, at);
        let pools = (0..).map(PoolId).zip(&self.facts.steering.model.pools);
        for (id, pool) in pools {
            if let Some(word) = overrides.of(&pool.name) {
                control.take_up(id, in_force(word));
            }
        }
        for name in down {
            let pools = &self.facts.steering.model.pools;
            let place = pools.iter().position(|pool| pool.name == *name);
            let place =
                place.ok_or_else(|| Refusal::Unknown(format!("there was no pool `{name}`")))?;
            control.force(PoolId(place as u32), Some(PoolState::Down));
        }
        control.tick(at);
        control.settle();
        Ok(control)
    }
}

fn records(roster: &Roster, numbers: &[CheckId]) -> Vec<Option<Record>> {
    numbers.iter().map(|number| roster.record(*number)).collect()
}

/// What a check knew at a time; `None` where nothing is known of it.
fn known(back: &Hindsight<'_>, check: &Check, now: Option<&Record>, at: u64) -> Option<Record> {
    let state = now.map(|record| record.state);
    let target = check.target.to_string();
    let state: State = back.verdict(&target, &check.monitor.name, state, at);
    let mut record = now.copied().unwrap_or_else(|| Record::unknown(time(at)));
    record.state = state;
    // When it had been checked last is not recorded.
    record.at = record.at.filter(|checked| millis(*checked) <= at);
    (state.verdict != Verdict::Unknown).then_some(record)
}

/// What stands in for what no history has.
fn not_recorded(model: &Model) -> Option<String> {
    let is_moving = |kind: &Kind| matches!(kind, Kind::Latency { .. } | Kind::Load { .. });
    let mut what = Vec::new();
    if model.policies.iter().any(|policy| is_moving(&policy.kind)) {
        what.push("choices of latency and load policies");
    }
    if model.pools.iter().any(|pool| !pool.hosts.is_empty()) {
        what.push("addresses of host names");
    }
    (!what.is_empty())
        .then(|| format!("not recorded, and so as they are today: {}", what.join(", ")))
}
