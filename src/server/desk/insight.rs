//! What is explained over DNS: the state that was published last, whole and its own.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::{Desk, Places};
use crate::admin::message::millis;
use crate::admin::{Overrides, Question};
use crate::engine::{Explain, Snapshot};
use crate::health::{Check, Record};
use crate::server::explain::{self, StateFacts};
use crate::server::hosts::Table;
use crate::steering::control::Control;
use crate::wire::{Name, Type};

/// A copy of what the control task knew when it published answers: workers read it without it.
#[derive(Debug)]
struct Known {
    /// Weak, because the snapshot leads here.
    snapshot: Weak<Snapshot>,
    control: Control,
    places: Arc<Places>,
    checks: Vec<Check>,
    records: Vec<Option<Record>>,
    hosts: Arc<Table>,
    overrides: Overrides,
    generation: u64,
}

impl Desk {
    /// Lets those who may ask over DNS hear of what is answered now.
    pub(super) fn publish_insight(&self) {
        let Some(insight) = &self.snapshot.settings.insight else { return };
        let mut overrides = Overrides::default();
        self.overrides.list().iter().for_each(|word| overrides.insert(word.clone()));
        insight.publish(Box::new(Known {
            snapshot: Arc::downgrade(&self.snapshot),
            control: self.control.clone(),
            places: self.places.clone(),
            checks: self.checks.clone(),
            records: self.known().iter().map(|known| known.record).collect(),
            hosts: self.hosts.borrow().clone(),
            overrides,
            generation: self.generation,
        }));
    }
}

impl Explain for Known {
    fn explain(&self, name: &Name, address: IpAddr, length: u8) -> Vec<String> {
        let Some(snapshot) = self.snapshot.upgrade() else { return Vec::new() };
        let (now, generation) = (SystemTime::now(), Some(self.generation));
        let state = StateFacts { of: "server", generation, at: millis(now), ..Default::default() };
        let scene = explain::Scene {
            snapshot: &snapshot,
            control: &self.control,
            databases: &self.places.databases,
            networks: &self.places.networks,
            checks: &self.checks,
            records: &self.records,
            failures: &[],
            hosts: &self.hosts,
            overrides: &self.overrides,
            state: &state,
            is_traced: true,
            now,
        };
        let question = Question { name: name.clone(), rtype: Type::A, address, length };
        explain::brief(scene, &question)
    }
}
