//! The state machine behind each check.
//!
//! Pure: a result and the time go in, the next state comes out. Knows neither what was checked
//! nor why a check failed.

use std::num::NonZeroU32;
use std::time::SystemTime;

use super::verdict::Verdict;

/// How many results in a row change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// Failures in a row that turn up into down.
    pub fall: NonZeroU32,
    /// Successes in a row that turn down into up.
    pub rise: NonZeroU32,
}

/// What is known of a target, and how far it is on the way to another verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The verdict in force.
    pub verdict: Verdict,
    /// When it became the verdict.
    pub since: SystemTime,
    /// The last results in a row that speak against the verdict.
    pub contrary: u32,
}

impl State {
    /// The state before the first check.
    pub fn unknown(now: SystemTime) -> State {
        State { verdict: Verdict::Unknown, since: now, contrary: 0 }
    }

    /// The state after one more result.
    ///
    /// The first result of a target of which nothing is known decides at once, in either
    /// direction: a region that is dead when the server starts must not be served for
    /// `fall x interval`.
    #[must_use]
    pub fn next(self, success: bool, thresholds: Thresholds, now: SystemTime) -> State {
        let (agrees, needed) = match self.verdict {
            Verdict::Unknown => (false, 1),
            Verdict::Up => (success, thresholds.fall.get()),
            Verdict::Down => (!success, thresholds.rise.get()),
        };
        if agrees {
            return State { contrary: 0, ..self };
        }
        let contrary = self.contrary.saturating_add(1);
        if contrary < needed {
            return State { contrary, ..self };
        }
        let verdict = if success { Verdict::Up } else { Verdict::Down };
        State { verdict, since: now, contrary: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn thresholds(fall: u32, rise: u32) -> Thresholds {
        Thresholds { fall: NonZeroU32::new(fall).unwrap(), rise: NonZeroU32::new(rise).unwrap() }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// The verdicts after each of the results, one a second.
    fn verdicts(t: Thresholds, start: State, results: &[bool]) -> Vec<Verdict> {
        let mut state = start;
        let mut seen = Vec::new();
        for (second, success) in results.iter().enumerate() {
            state = state.next(*success, t, at(second as u64 + 1));
            seen.push(state.verdict);
        }
        seen
    }

    fn started(verdict: Verdict) -> State {
        State { verdict, ..State::unknown(at(0)) }
    }

    use Verdict::{Down, Up};

    #[test]
    fn the_first_result_of_an_unknown_target_decides_at_once() {
        assert_eq!(verdicts(thresholds(3, 2), State::unknown(at(0)), &[true]), [Up]);
        assert_eq!(verdicts(thresholds(3, 2), State::unknown(at(0)), &[false]), [Down]);
    }

    #[test]
    fn fall_failures_in_a_row_turn_up_into_down() {
        let seen = verdicts(thresholds(3, 2), started(Up), &[false, false, false]);
        assert_eq!(seen, [Up, Up, Down]);
    }

    #[test]
    fn rise_successes_in_a_row_turn_down_into_up() {
        let seen = verdicts(thresholds(3, 2), started(Down), &[true, false, true, true]);
        assert_eq!(seen, [Down, Down, Down, Up]);
    }

    #[test]
    fn one_success_starts_the_count_of_failures_anew() {
        let seen = verdicts(thresholds(2, 1), started(Up), &[false, true, false, false]);
        assert_eq!(seen, [Up, Up, Up, Down]);
    }

    #[test]
    fn since_is_the_time_of_the_change_and_stays() {
        let t = thresholds(1, 1);
        let down = started(Up).next(false, t, at(5));
        assert_eq!((down.verdict, down.since), (Down, at(5)));
        assert_eq!(down.next(false, t, at(6)).since, at(5));
    }

    proptest! {
        #[test]
        fn a_target_failing_every_other_check_never_changes(
            fall in 2u32..6, rise in 2u32..6, up: bool, checks in 0usize..200,
        ) {
            let start = if up { Up } else { Down };
            let results: Vec<bool> = (0..checks).map(|n| n % 2 == 0).collect();
            let seen = verdicts(thresholds(fall, rise), started(start), &results);
            prop_assert!(seen.iter().all(|v| *v == start));
        }

        #[test]
        fn the_verdict_is_what_counting_back_over_all_results_says(
            fall in 1u32..5, rise in 1u32..5,
            results in proptest::collection::vec(any::<bool>(), 1..100),
        ) {
            let seen = verdicts(thresholds(fall, rise), State::unknown(at(0)), &results);
            let mut expected = if results[0] { Up } else { Down };
            for (n, verdict) in seen.iter().enumerate() {
                let back = results[..=n].iter().rev();
                let run = |value| back.clone().take_while(|r| **r == value).count() as u32;
                if expected == Up && run(false) >= fall {
                    expected = Down;
                } else if expected == Down && run(true) >= rise && n > 0 {
                    expected = Up;
                }
                prop_assert_eq!(*verdict, expected);
            }
        }

        #[test]
        fn what_stays_the_same_long_enough_is_believed(
            fall in 1u32..5, rise in 1u32..5, up: bool,
            results in proptest::collection::vec(any::<bool>(), 0..50), last: bool,
        ) {
            let mut all = results;
            all.extend(std::iter::repeat_n(last, 5));
            let start = started(if up { Up } else { Down });
            let seen = verdicts(thresholds(fall, rise), start, &all);
            prop_assert_eq!(seen.last(), Some(&if last { Up } else { Down }));
        }
    }
}
