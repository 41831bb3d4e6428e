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
    /// What the outcome of a check counts as.
    pub fn finding(&self, outcome: &Result<Timing, Failure>) -> Finding {
        match outcome {
            Err(_) => Finding::Failure,
            Ok(timing) if self.strain(timing).is_some() => Finding::Strained,
            Ok(_) => Finding::Success,
        }
    }

    /// What is left of the weight of a target that is warned of or not, in percent.
    pub fn left(&self, is_warned: bool) -> u8 {
        self.warn.filter(|_| is_warned).map_or(100, |warn| warn.weight)
    }

    /// What was strained about a check that succeeded.
    pub fn strain(&self, timing: &Timing) -> Option<Strain> {
        let bound = self.warn?.latency;
        (timing.total > bound).then_some(Strain { took: timing.total, bound })
    }
}

/// When a target is warned of, and what that does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warn {
    /// A check that took longer was strained.
    pub latency: Duration,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strain {
    /// How long it took.
    pub took: Duration,
    /// How long it should have taken at most.
    pub bound: Duration,
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Strain { took, bound } = self;
        write!(f, "took {} ms, should take {} ms at most", took.as_millis(), bound.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_strained_when_it_took_longer_than_the_bound() {
        let timing = |ms| Timing {
            connect: Duration::ZERO,
            first_byte: None,
            server: None,
            total: Duration::from_millis(ms),
        };
        let warn = Warn { latency: Duration::from_millis(300), weight: 50 };
        let rules = Rules { warn: Some(warn), ..Rules::default() };
        assert_eq!(rules.finding(&Ok(timing(300))), Finding::Success);
        assert_eq!(rules.finding(&Ok(timing(301))), Finding::Strained);
        assert_eq!(rules.finding(&Err(Failure::Refused)), Finding::Failure);
        assert_eq!(Rules::default().finding(&Ok(timing(301))), Finding::Success);
        let strain = rules.strain(&timing(412)).unwrap();
        assert_eq!(strain.to_string(), "took 412 ms, should take 300 ms at most");
    }
}
