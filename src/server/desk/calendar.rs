//! Scheduled maintenance, as the control task tells of it.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::admin::message::{MaintenanceStatus, millis};
use crate::server::event::Event;
use crate::steering::control::{Phase, Window};
use crate::steering::model::PoolId;

use super::Desk;

/// What is planned, and how far it was when it was told last.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    windows: Vec<(PoolId, Window)>,
    told: HashMap<(String, Window), Phase>,
}

impl Desk {
    /// Plans maintenance in place of what was planned.
    pub(super) fn plan(&mut self, windows: Vec<(PoolId, Window)>) {
        self.control.plan(&windows, SystemTime::now());
        let told = std::mem::take(&mut self.calendar.told);
        self.calendar.windows = windows;
        // What is planned in other words is another thing.
        let known = |(pool, window): &(PoolId, Window)| {
            let key = (self.name_of(*pool), window.clone());
            told.get(&key).map(|phase| (key, *phase))
        };
        self.calendar.told = self.calendar.windows.iter().filter_map(known).collect();
    }

    /// Tells what has begun or ended since the last time.
    pub(super) fn tell_maintenance(&mut self) {
        let now = SystemTime::now();
        for (pool, window) in &self.calendar.windows {
            let (phase, pool) = (window.phase(now), self.name_of(*pool));
            let key = (pool.clone(), window.clone());
            let before = self.calendar.told.insert(key, phase);
            let is_news = match before {
                None => phase.is_active(),
                Some(before) => before != phase,
            };
            if is_news {
                let reason = window.reason.clone();
                // Planned again: this time is over.
                let phase = if phase == Phase::Planned { Phase::Over } else { phase };
                self.journal.tell(Event::Maintenance { pool, phase, reason });
            }
        }
    }

    /// What is planned and not over.
    pub(super) fn maintenance(&self) -> Vec<MaintenanceStatus> {
        let now = SystemTime::now();
        let windows = self.calendar.windows.iter();
        let left = windows.filter(|(_, window)| window.phase(now) != Phase::Over);
        left.map(|(pool, window)| {
            let (from, until) = window.times(now);
            MaintenanceStatus {
                pool: self.name_of(*pool),
                phase: window.phase(now).as_str().to_owned(),
                from: millis(from),
                until: millis(until),
                over_seconds: window.over.as_secs(),
                reason: window.reason.clone(),
            }
        })
        .collect()
    }

    fn name_of(&self, pool: PoolId) -> String {
        self.control.steering().model.pool(pool).name.clone()
    }
}
