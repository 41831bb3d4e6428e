//! What a monitor says of its checks beyond how many count: back-off, damping, warnings, resume.
//!
//! Settings, and the one judgement that needs them: whether a check that succeeded was strained.

use std::fmt;
use std::time::Duration;

use super::damping::Damping;
use super::failure::{Failure, Timing};
use super::state::Finding;

/// How a verdict follows the checks beyond `fall` and `rise`. By default nothing more is asked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rules {
    /// The longest interval between checks of a target that stays down: it doubles until then.
    /// `None`: the interval stays the same.
    pub backoff: Option<Duration>,
    /// Whether, and how, a target that flips is held down.
    pub damping: Option<Damping>,
    /// Whether a target that went down stays down until a person resumes it.
    pub manual_resume: bool,
    /// When a check that succeeds counts as strained.
    pub warn: Option<Warn>,
}

impl Rules {
    /// What the outcome of a check counts as, with the target's load where it is known.
    pub fn finding(&self, outcome: &Result<Timing, Failure>, load: Option<f32>) -> Finding {
        match outcome {
            Err(_) => Finding::Failure,
            Ok(timing) if self.strain(timing, load).is_some() => Finding::Strained,
            Ok(_) => Finding::Success,
        }
    }

    /// What is left of the weight of a target that is warned of or not, in percent.
    pub fn left(&self, is_warned: bool) -> u8 {
        self.warn.filter(|_| is_warned).map_or(100, |warn| warn.weight)
    }

    /// What was strained about a check that succeeded: the time it took, else the load after it.
    pub fn strain(&self, timing: &Timing, load: Option<f32>) -> Option<Strain> {
        let Warn { latency, load: most, .. } = self.warn?;
        let slow = latency.filter(|bound| timing.total > *bound);
        let busy = || load.zip(most).filter(|(load, bound)| load > bound);
        slow.map(|bound| Strain::Slow { took: timing.total, bound })
            .or_else(|| busy().map(|(load, bound)| Strain::Busy { load, bound }))
    }
}

/// When a target is warned of, and what that does to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warn {
    /// A check that took longer was strained.
    pub latency: Option<Duration>,
    /// A check was strained after which the load is higher: 0.0 to 1.0.
    pub load: Option<f32>,
    /// What is left of its weight, in percent: 0 to 100.
    pub weight: u8,
}

impl Warn {
    /// The one of two that leaves less.
    #[must_use]
    pub fn lower(self, other: Warn) -> Warn {
        if other.weight < self.weight { other } else { self }
    }
}

/// A check that succeeded, and not as well as it should.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strain {
    /// It took too long.
    Slow {
        /// How long it took.
        took: Duration,
        /// How long it should have taken at most.
        bound: Duration,
    },
    /// The target is too busy.
    Busy {
        /// Its load, smoothed.
        load: f32,
        /// How high it should be at most.
        bound: f32,
    },
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strain::Slow { took, bound } => {
                let (took, bound) = (took.as_millis(), bound.as_millis());
                write!(f, "took {took} ms, should take {bound} ms at most")
            }
            Strain::Busy { load, bound } => {
                write!(f, "load {load:.2}, should be {bound:.2} at most")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_strained_when_it_took_longer_or_the_load_is_higher_than_the_bound() {
        let timing = |ms| Timing {
            connect: Duration::ZERO,
            first_byte: None,
            server: None,
            total: Duration::from_millis(ms),
        };
        let warn = Warn { latency: Some(Duration::from_millis(300)), load: Some(0.8), weight: 50 };
        let rules = Rules { warn: Some(warn), ..Rules::default() };
        let finding = |ms, load| rules.finding(&Ok(timing(ms)), load);
        assert_eq!(finding(300, None), Finding::Success);
        assert_eq!(finding(301, None), Finding::Strained);
        assert_eq!(finding(300, Some(0.8)), Finding::Success);
        assert_eq!(finding(300, Some(0.81)), Finding::Strained);
        assert_eq!(rules.finding(&Err(Failure::Refused), Some(0.9)), Finding::Failure);
        assert_eq!(Rules::default().finding(&Ok(timing(301)), Some(1.0)), Finding::Success);
        let strain = |ms, load| rules.strain(&timing(ms), load).unwrap().to_string();
        assert_eq!(strain(412, Some(0.9)), "took 412 ms, should take 300 ms at most");
        assert_eq!(strain(100, Some(0.914)), "load 0.91, should be 0.80 at most");
    }
}
