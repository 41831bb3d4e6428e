//! Scheduled maintenance: pools that are empty for a time, by the clock.
//!
//! Nothing is remembered: where a pool stands follows from the files and the time, after a restart
//! as before it.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Control, Override, Slope};
use crate::steering::model::PoolId;
use crate::steering::share::Share;

/// The shortest time to live of answers before clients leave.
const LEAST_TTL: u64 = 5;

/// From one time of a weekly maintenance to the next.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A time in which a pool is given to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// From when on it is empty.
    pub from: SystemTime,
    /// When its clients begin to come back.
    pub until: SystemTime,
    /// How long they take to leave before, and to come back after.
    pub over: Duration,
    /// Whether it comes again every week; what is said of its times is of the first.
    pub is_weekly: bool,
    /// Why.
    pub reason: Option<String>,
}

/// How far a maintenance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// It is to come.
    Planned,
    /// Clients leave.
    Leaving,
    /// The pool is empty.
    Away,
    /// Clients come back.
    Returning,
    /// It is over.
    Over,
}

impl Phase {
    /// `planned`, `leaving`, `away`, `returning` or `over`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Planned => "planned",
            Phase::Leaving => "leaving",
            Phase::Away => "away",
            Phase::Returning => "returning",
            Phase::Over => "over",
        }
    }

    /// Whether the pool has less than all its clients.
    pub fn is_active(self) -> bool {
        matches!(self, Phase::Leaving | Phase::Away | Phase::Returning)
    }
}

impl Window {
    /// From when to when the pool is empty: the time that is not over, or the last.
    pub fn times(&self, now: SystemTime) -> (SystemTime, SystemTime) {
        let gone = now.duration_since(self.until + self.over).ok().filter(|_| self.is_weekly);
        let weeks = gone.map_or(0, |gone| gone.as_secs() / WEEK.as_secs() + 1);
        let later = Duration::from_secs(weeks * WEEK.as_secs());
        (self.from + later, self.until + later)
    }

    /// How far it is. What comes again every week is planned as soon as it is over.
    pub fn phase(&self, now: SystemTime) -> Phase {
        let (from, until) = self.times(now);
        if now >= until + self.over {
            Phase::Over
        } else if now >= until {
            Phase::Returning
        } else if now >= from {
            Phase::Away
        } else if now >= from - self.over {
            Phase::Leaving
        } else {
            Phase::Planned
        }
    }

    /// The share that it leaves the pool.
    pub fn share(&self, now: SystemTime) -> Share {
        let (from, until) = self.times(now);
        let slope = |from, since| Slope { from, since, over: self.over };
        match self.phase(now) {
            Phase::Planned | Phase::Over => Share::FULL,
            Phase::Leaving => slope(Share::FULL, from - self.over).at(Share::NONE, now),
            Phase::Away => Share::NONE,
            Phase::Returning => slope(Share::NONE, until).at(Share::FULL, now),
        }
    }

    /// How long answers that lead to the pool may be kept, in seconds: no longer than clients have
    /// until it is empty, if that is to come.
    pub fn ttl(&self, ttl: u32, now: SystemTime) -> u32 {
        match self.times(now).0.duration_since(now) {
            Ok(left) if !left.is_zero() => {
                let left = u32::try_from(left.as_secs().max(LEAST_TTL)).unwrap_or(u32::MAX);
                ttl.min(left)
            }
            _ => ttl,
        }
    }
}

impl fmt::Display for Window {
    /// `maintenance: new kernels`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("maintenance")?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Control {
    /// Plans maintenance in place of what was planned, from `now` on.
    pub fn plan(&mut self, windows: &[(PoolId, Window)], now: SystemTime) {
        let mut by_pool = vec![Vec::new(); self.steering.model.pools.len()];
        for (pool, window) in windows {
            by_pool[pool.0 as usize].push(window.clone());
        }
        // Every answer asks for them.
        self.transitions.windows = if windows.is_empty() { Vec::new() } else { by_pool };
        self.transitions.now = self.transitions.now.max(now);
        for pool in (0..self.steering.model.pools.len() as u32).map(PoolId) {
            self.restand(pool);
            self.touched.extend(&self.steering.bindings_of_pool[pool.0 as usize]);
        }
    }

    /// The maintenance that takes clients from a pool now, with how far it is.
    pub fn maintenance(&self, pool: PoolId) -> Option<(&Window, Phase)> {
        let now = self.transitions.now;
        let windows = self.transitions.windows_of(pool).iter();
        windows.map(|window| (window, window.phase(now))).find(|(_, phase)| phase.is_active())
    }

    /// Whether it is planned that a pool has no clients, and they are on their way out or gone.
    pub(super) fn is_planned_out(&self, pool: PoolId) -> bool {
        let is_forced = matches!(self.transitions.overrides.get(&pool), Some(Override::Forced(_)));
        let phase = self.maintenance(pool).map(|(_, phase)| phase);
        !is_forced && matches!(phase, Some(Phase::Leaving | Phase::Away))
    }

    /// The pools that maintenance moves between two moments.
    pub(super) fn in_maintenance(&self, was: SystemTime, now: SystemTime) -> Vec<PoolId> {
        let moves = |window: &Window| {
            window.phase(was).is_active()
                || window.phase(now).is_active()
                || window.phase(was) != window.phase(now)
        };
        let pools = (0..).map(PoolId).zip(&self.transitions.windows);
        pools.filter(|(_, windows)| windows.iter().any(moves)).map(|(pool, _)| pool).collect()
    }

    /// Lets answers be kept shorter before a pool is to be empty.
    pub(super) fn shorten(&mut self) {
        let (now, steering) = (self.transitions.now, self.steering.clone());
        for pool in (0..self.transitions.windows.len() as u32).map(PoolId) {
            let longest = steering.ttl_of_pool[pool.0 as usize];
            let is_near = |window: &Window| {
                let (from, _) = window.times(now);
                from.duration_since(now).is_ok_and(|left| left <= longest)
            };
            if self.transitions.windows_of(pool).iter().any(is_near) {
                self.touched.extend(&steering.bindings_of_pool[pool.0 as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn window(from: u64, until: u64, over: Duration) -> Window {
        Window { from: at(from), until: at(until), over, is_weekly: false, reason: None }
    }

    #[test]
    fn it_is_empty_from_the_first_moment_to_the_last_and_goes_there_evenly() {
        let over = Duration::from_secs(100);
        let window = window(1000, 2000, over);
        let share = |second| window.share(at(second)).ratio();
        assert_eq!([share(0), share(900), share(950), share(1000)], [1.0, 1.0, 0.5, 0.0]);
        assert_eq!([share(1999), share(2000), share(2050), share(2100)], [0.0, 0.0, 0.5, 1.0]);
        let phases = [899, 900, 1000, 2000, 2100].map(|second| window.phase(at(second)).as_str());
        assert_eq!(phases, ["planned", "leaving", "away", "returning", "over"]);
        let at_once = Window { over: Duration::ZERO, ..window };
        assert_eq!(at_once.share(at(999)), Share::FULL);
        assert_eq!([1000, 1999].map(|second| at_once.share(at(second))), [Share::NONE; 2]);
        assert_eq!(at_once.share(at(2000)), Share::FULL);
    }

    #[test]
    fn no_answer_is_kept_longer_than_clients_have_to_leave() {
        let over = Duration::from_secs(100);
        let window = window(1000, 2000, over);
        let ttl = |second| window.ttl(30, at(second));
        assert_eq!([ttl(0), ttl(970), ttl(980), ttl(999), ttl(1000)], [30, 30, 20, 5, 30]);
    }

    #[test]
    fn what_comes_again_every_week_is_the_same_a_week_and_forty_years_later() {
        let over = Duration::from_secs(100);
        let weekly = Window { is_weekly: true, ..window(1000, 2000, over) };
        let once = Window { is_weekly: false, ..weekly.clone() };
        for weeks in [0, 1, 2087] {
            let later = weeks * WEEK.as_secs();
            for second in [0, 899, 950, 1000, 1500, 2000, 2050, 2099] {
                let (then, now) = (at(second), at(later + second));
                assert_eq!(weekly.phase(now), once.phase(then), "{second} s, {weeks} weeks later");
                assert_eq!(weekly.share(now), once.share(then));
                assert_eq!(weekly.ttl(300, now), once.ttl(300, then));
            }
            assert_eq!(weekly.phase(at(later + 2100)), Phase::Planned);
            let next = later + WEEK.as_secs();
            assert_eq!(weekly.times(at(later + 2100)), (at(next + 1000), at(next + 2000)));
            assert_eq!(weekly.ttl(300, at(next + 980)), 20);
        }
    }
}
