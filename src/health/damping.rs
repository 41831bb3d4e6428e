//! Flap damping: who flips often must stay good longer (after RFC 2439, route flap damping).
//!
//! Pure: time is passed in. Knows a score and its thresholds, neither verdicts nor checks.

use std::time::{Duration, SystemTime};

/// The settings of damping (RFC 2439 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Damping {
    /// In this time a score falls by half.
    pub half_life: Duration,
    /// From this score on a target is held down. Each fall adds 1, so 1.0 holds after every one.
    pub suppress: f64,
    /// Below this score a target is held down no longer; lower than `suppress`.
    pub reuse: f64,
    /// A target that has become good for ever is held down so long at most.
    pub max_hold: Duration,
}

impl Default for Damping {
    /// One fall holds a target down for 6 min 36 s: well over 5 minutes, so that however it flaps,
    /// no target goes down, comes back and goes down again within that time.
    fn default() -> Damping {
        Damping {
            half_life: Duration::from_secs(300),
            suppress: 1.0,
            reuse: 0.4,
            max_hold: Duration::from_secs(1200),
        }
    }
}

impl Damping {
    /// The highest score: from there it falls to `reuse` in `max_hold` (RFC 2439 section 4.2,
    /// "ceiling").
    pub fn ceiling(&self) -> f64 {
        self.reuse * (self.max_hold.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }

    /// How long a score takes to fall to `reuse`.
    fn hold(&self, score: f64) -> Duration {
        let halvings = (score / self.reuse).log2().max(0.0);
        self.half_life.mul_f64(halvings.min(self.max_hold.as_secs_f64()))
    }
}

/// How often a target fell lately: 1 for each time, fading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// What it was, 0 or more.
    pub value: f64,
    /// When it was that.
    pub at: SystemTime,
}

impl Score {
    /// The score of a target that never fell.
    pub fn zero(now: SystemTime) -> Score {
        Score { value: 0.0, at: now }
    }

    /// What it is now.
    pub fn now(&self, damping: &Damping, now: SystemTime) -> f64 {
        // A clock that was set back makes no score grow.
        let passed = now.duration_since(self.at).unwrap_or_default();
        self.value * (-passed.as_secs_f64() / damping.half_life.as_secs_f64()).exp2()
    }

    /// The score after one more fall.
    #[must_use]
    pub fn fallen(&self, damping: &Damping, now: SystemTime) -> Score {
        let value = (self.now(damping, now) + 1.0).min(damping.ceiling());
        Score { value, at: now }
    }

    /// When it will have fallen to `reuse`, if nothing is added to it.
    pub fn reusable_at(&self, damping: &Damping) -> SystemTime {
        self.at.checked_add(damping.hold(self.value)).unwrap_or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_score_halves_in_its_half_life() {
        let damping = Damping::default();
        let score = Score::zero(at(0)).fallen(&damping, at(0));
        for (second, expected) in [(0, 1.0), (300, 0.5), (600, 0.25), (3000, 1.0 / 1024.0)] {
            assert!((score.now(&damping, at(second)) - expected).abs() < 1e-9);
        }
        let again = score.fallen(&damping, at(300));
        assert!((again.value - 1.5).abs() < 1e-9);
    }

    #[test]
    fn it_says_when_it_will_have_fallen_to_reuse() {
        let damping = Damping::default();
        let score = Score::zero(at(0)).fallen(&damping, at(0));
        let until = score.reusable_at(&damping);
        let held = until.duration_since(at(0)).unwrap().as_secs_f64();
        assert!((396.0..397.0).contains(&held), "{held}");
        assert!((score.now(&damping, until) - damping.reuse).abs() < 1e-6);
        assert_eq!(Score::zero(at(7)).reusable_at(&damping), at(7));
    }

    #[test]
    fn however_often_it_falls_it_is_reusable_in_time() {
        let damping = Damping::default();
        let mut score = Score::zero(at(0));
        for second in 0..1000 {
            score = score.fallen(&damping, at(second));
        }
        let held = score.reusable_at(&damping).duration_since(at(999)).unwrap();
        assert!(held.abs_diff(damping.max_hold) < Duration::from_millis(10), "{held:?}");
    }

    #[test]
    fn a_clock_that_was_set_does_no_harm() {
        let damping = Damping::default();
        let score = Score::zero(at(1000)).fallen(&damping, at(1000));
        assert_eq!(score.now(&damping, at(0)), 1.0);
        assert_eq!(score.now(&damping, at(u32::MAX.into())), 0.0);
    }
}
