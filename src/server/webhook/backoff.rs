//! How long a hook is left alone after it failed.

use std::time::Duration;

/// Before the first further attempt, at most.
const FIRST: Duration = Duration::from_secs(1);

/// Before any, at most.
const LONGEST: Duration = Duration::from_secs(300);

/// A hook that says when it is to be asked again is left alone for so long at most.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After one failure more.
    #[must_use]
    pub fn failed(self) -> Backoff {
        Backoff { failures: self.failures.saturating_add(1) }
    }

    /// How long to wait now: up to 1 s after the first failure, twice that after each further one,
    /// up to 5 minutes. `random` is from 0.0 to 1.0: half of the time is left to it, so that
    /// servers that failed together do not come back together. No less than the hook's `wish`, if
    /// that is an hour or less.
    pub fn wait(self, random: f64, wish: Option<Duration>) -> Duration {
        let doubled = 2u32.checked_pow(self.failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = FIRST.saturating_mul(doubled).min(LONGEST);
        let own = longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        own.max(wish.unwrap_or_default().min(LONGEST_WISH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_half_of_each_is_chance() {
        let mut backoff = Backoff::default();
        let mut longest = Vec::new();
        for _ in 0..100 {
            backoff = backoff.failed();
            assert_eq!(backoff.wait(0.0, None) * 2, backoff.wait(1.0, None));
            longest.push(backoff.wait(1.0, None).as_secs());
        }
        assert_eq!(longest[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(longest[99], 300);
    }

    #[test]
    fn a_hook_that_wants_to_be_left_alone_is_for_an_hour_at_most_and_no_less_than_usual() {
        let backoff = Backoff::default().failed().failed();
        let wait = |wish: u64| backoff.wait(1.0, Some(Duration::from_secs(wish))).as_secs();
        assert_eq!([wait(0), wait(1), wait(60), wait(86_400)], [2, 2, 60, 3600]);
    }
}
