//! The state machine behind each check.
//!
//! Pure: a result and the time go in, the next state comes out. Knows neither what was checked
//! nor why a check failed.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use super::damping::Score;
use super::rules::Rules;
use super::verdict::Verdict;

/// How many results in a row change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// Failures in a row that turn up into down.
    pub fall: NonZeroU32,
    /// Successes in a row that turn down into up.
    pub rise: NonZeroU32,
}

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// All was well.
    Success,
    /// A success, and not as good as it should be.
    Strained,
    /// It was not.
    Failure,
}

/// What is known of a target, and how far it is on the way to another verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// The verdict in force.
    pub verdict: Verdict,
    /// When it became the verdict.
    pub since: SystemTime,
    /// What `fall` and `rise` alone make of the results. Differs from the verdict only while a
    /// target that answers again is held down.
    pub found: Verdict,
    /// The last results in a row that speak against `found`.
    pub contrary: u32,
    /// The last failures in a row since it was found down, that one not counted.
    pub misses: u32,
    /// How often it fell lately.
    pub score: Score,
    /// Whether its score holds it down.
    pub is_suppressed: bool,
    /// Whether it is held down until a person resumes it.
    pub awaits_resume: bool,
    /// Whether it is warned of. Says nothing of up and down.
    pub is_warned: bool,
    /// The last results in a row that speak against `is_warned`.
    pub unlike: u32,
}

/// Why a target stays down although its checks may succeed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hold {
    /// A person must say that it may come back.
    AwaitsResume,
    /// It fell too often.
    Damped {
        /// Its score now.
        score: f64,
        /// When the score will have faded enough, if it does not fall again. The check after
        /// that brings it back.
        until: SystemTime,
    },
}

impl State {
    /// The state before the first check.
    pub fn unknown(now: SystemTime) -> State {
        State::settled(Verdict::Unknown, now)
    }

    /// The state of a target that has been so for a while, with nothing else to say of it.
    pub fn settled(verdict: Verdict, since: SystemTime) -> State {
        State {
            verdict,
            since,
            found: verdict,
            contrary: 0,
            misses: 0,
            score: Score::zero(since),
            is_suppressed: false,
            awaits_resume: false,
            is_warned: false,
            unlike: 0,
        }
    }

    /// The state after one more result.
    ///
    /// The first result of a target of which nothing is known decides at once, in either
    /// direction: a region that is dead when the server starts must not be served for
    /// `fall x interval`.
    #[must_use]
    pub fn next(
        self,
        finding: Finding,
        thresholds: Thresholds,
        rules: &Rules,
        now: SystemTime,
    ) -> State {
        let mut next = self.counted(finding, thresholds, rules).warned(finding, thresholds, rules);
        // What was never seen up has not gone down: a server may be started before its regions.
        let fell = (self.found, next.found) == (Verdict::Up, Verdict::Down);
        let (score, is_suppressed) = self.damped(fell, rules, now);
        next.score = score;
        next.is_suppressed = is_suppressed;
        next.awaits_resume = rules.manual_resume && (self.awaits_resume || fell);
        // What held it may have faded away meanwhile, but a failure brings nobody back.
        let stays_down =
            next.is_held() || (self.verdict == Verdict::Down && finding == Finding::Failure);
        next.verdict =
            if stays_down && next.found == Verdict::Up { Verdict::Down } else { next.found };
        if next.verdict != self.verdict {
            next.since = now;
        }
        next
    }

    /// The state after a person said that the target may come back: nothing holds it down any
    /// more, and the next good check of a target found up brings it back.
    #[must_use]
    pub fn resumed(self, now: SystemTime) -> State {
        State { awaits_resume: false, is_suppressed: false, score: Score::zero(now), ..self }
    }

    /// Whether something holds the target down, or would if its checks succeeded.
    pub fn is_held(&self) -> bool {
        self.awaits_resume || self.is_suppressed
    }

    /// What holds the target down, the strongest first.
    pub fn hold(&self, rules: &Rules, now: SystemTime) -> Option<Hold> {
        if self.awaits_resume && rules.manual_resume {
            return Some(Hold::AwaitsResume);
        }
        let damping = rules.damping.as_ref().filter(|_| self.is_suppressed)?;
        let score = self.score(rules, now);
        Some(Hold::Damped { score, until: self.score.reusable_at(damping) })
    }

    /// How often it fell lately: 1 for each time, fading. 0 without damping.
    pub fn score(&self, rules: &Rules, now: SystemTime) -> f64 {
        rules.damping.as_ref().map_or(0.0, |damping| self.score.now(damping, now))
    }

    /// The time from the start of the last check to the start of the next: `interval`, twice as
    /// much after each further failure of a target that is down, up to the rules' bound.
    pub fn pace(&self, interval: Duration, rules: &Rules) -> Duration {
        let Some(longest) = rules.backoff else { return interval };
        let grown = interval.saturating_mul(2u32.saturating_pow(self.misses));
        grown.min(longest).max(interval)
    }

    /// How soon the verdict may change: `interval` times the results that it still takes, if all
    /// speak against it as the last did. `None` while none does, and while something holds a target
    /// down that may answer again.
    pub fn change_within(
        &self,
        interval: Duration,
        thresholds: Thresholds,
        rules: &Rules,
    ) -> Option<Duration> {
        let is_held = self.found == Verdict::Down && self.is_held();
        if self.contrary == 0 || self.found != self.verdict || is_held {
            return None;
        }
        let missing = needed(self.found, thresholds, rules).saturating_sub(self.contrary);
        Some(interval.saturating_mul(missing))
    }

    /// Counts what speaks for another verdict.
    fn counted(self, finding: Finding, thresholds: Thresholds, rules: &Rules) -> State {
        let success = finding != Finding::Failure;
        let misses = match (success, self.found) {
            (false, Verdict::Down) => self.misses.saturating_add(1),
            _ => 0,
        };
        let agrees = match self.found {
            Verdict::Unknown => false,
            Verdict::Up => success,
            Verdict::Down => !success,
        };
        if agrees {
            return State { contrary: 0, misses, ..self };
        }
        let contrary = self.contrary.saturating_add(1);
        if contrary < needed(self.found, thresholds, rules) {
            return State { contrary, misses, ..self };
        }
        let found = if success { Verdict::Up } else { Verdict::Down };
        State { found, contrary: 0, misses, ..self }
    }

    /// Counts what speaks for or against a warning. A failure speaks of up and down alone.
    fn warned(self, finding: Finding, thresholds: Thresholds, rules: &Rules) -> State {
        if rules.warn.is_none() {
            return State { is_warned: false, unlike: 0, ..self };
        }
        let is_strained = match finding {
            Finding::Failure => return self,
            Finding::Strained => true,
            Finding::Success => false,
        };
        if is_strained == self.is_warned {
            return State { unlike: 0, ..self };
        }
        let needed = if is_strained { thresholds.fall } else { thresholds.rise };
        let unlike = self.unlike.saturating_add(1);
        if unlike < needed.get() {
            return State { unlike, ..self };
        }
        State { is_warned: is_strained, unlike: 0, ..self }
    }

    /// The score, and whether it holds the target down.
    fn damped(&self, fell: bool, rules: &Rules, now: SystemTime) -> (Score, bool) {
        let Some(damping) = &rules.damping else { return (Score::zero(now), false) };
        let score = if fell { self.score.fallen(damping, now) } else { self.score };
        let value = score.now(damping, now);
        let is_suppressed =
            value >= damping.suppress || (self.is_suppressed && value >= damping.reuse);
        (score, is_suppressed)
    }
}

/// How many results in a row speak for another verdict than what was found.
fn needed(found: Verdict, thresholds: Thresholds, rules: &Rules) -> u32 {
    // Where flips are unwanted, one good check among bad ones brings nobody back.
    let rise = if rules.damping.is_some() { 2 } else { 1 };
    match found {
        Verdict::Unknown => 1,
        Verdict::Up => thresholds.fall.get(),
        Verdict::Down => thresholds.rise.get().max(rise),
    }
}

impl Hold {
    /// Whether two are of one kind, whatever their numbers.
    pub fn is_like(&self, other: &Hold) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// In words, with the time left as seen `now`.
    pub fn told(&self, now: SystemTime) -> String {
        match self {
            Hold::AwaitsResume => "awaits resume".to_owned(),
            Hold::Damped { score, until } => {
                let left = until.duration_since(now).unwrap_or_default();
                let seconds = left.as_secs_f64().ceil();
                format!("damped with a score of {score:.1}, for {seconds:.0} s if it stays good")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damping::Damping;
    use super::super::rules::Warn;
    use super::*;

    fn thresholds(fall: u32, rise: u32) -> Thresholds {
        Thresholds { fall: NonZeroU32::new(fall).unwrap(), rise: NonZeroU32::new(rise).unwrap() }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn found(success: bool) -> Finding {
        if success { Finding::Success } else { Finding::Failure }
    }

    /// The verdicts after each of the results, one a second.
    fn verdicts(t: Thresholds, start: State, results: &[bool]) -> Vec<Verdict> {
        let mut state = start;
        let mut seen = Vec::new();
        for (second, success) in results.iter().enumerate() {
            state = state.next(found(*success), t, &Rules::default(), at(second as u64 + 1));
            seen.push(state.verdict);
        }
        seen
    }

    fn started(verdict: Verdict) -> State {
        State::settled(verdict, at(0))
    }

    use Verdict::{Down, Up};

    const DAMPED: fn() -> Rules =
        || Rules { damping: Some(Damping::default()), ..Rules::default() };

    /// When the verdict changed, and to what; the first result of an unknown target is none.
    fn changes(
        start: State,
        t: Thresholds,
        rules: &Rules,
        results: impl IntoIterator<Item = (SystemTime, Finding)>,
    ) -> Vec<(SystemTime, Verdict)> {
        let mut state = start;
        let mut changes = Vec::new();
        for (time, finding) in results {
            let next = state.next(finding, t, rules, time);
            if next.verdict != state.verdict && state.verdict != Verdict::Unknown {
                changes.push((time, next.verdict));
            }
            state = next;
        }
        changes
    }

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
    fn a_change_is_as_near_as_the_results_that_it_still_takes() {
        let (second, rules) = (Duration::from_secs(1), Rules::default());
        let near = |state: &State| state.change_within(10 * second, thresholds(3, 2), &rules);
        let next = |state: State, finding| state.next(finding, thresholds(3, 2), &rules, at(0));
        let mut state = State::settled(Verdict::Up, at(0));
        let mut seen = vec![near(&state)];
        for finding in [Finding::Failure, Finding::Failure, Finding::Failure, Finding::Success] {
            state = next(state, finding);
            seen.push(near(&state));
        }
        assert_eq!(seen, [None, Some(20 * second), Some(10 * second), None, Some(10 * second)]);
        let held = State { awaits_resume: true, ..state };
        assert_eq!(near(&held), None);
        assert_eq!(near(&next(State::settled(Verdict::Up, at(0)), Finding::Success)), None);
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
        let failed =
            |state: State, second| state.next(Finding::Failure, t, &Rules::default(), at(second));
        let down = failed(started(Up), 5);
        assert_eq!((down.verdict, down.since), (Down, at(5)));
        assert_eq!(failed(down, 6).since, at(5));
    }

    #[test]
    fn a_target_that_fell_once_is_held_down_until_its_score_has_faded() {
        let (t, rules) = (thresholds(1, 1), DAMPED());
        let mut state = started(Up).next(Finding::Failure, t, &rules, at(10));
        assert_eq!(state.verdict, Down);
        state = state.next(Finding::Success, t, &rules, at(15));
        for second in (20..=400).step_by(10) {
            state = state.next(Finding::Success, t, &rules, at(second));
            assert_eq!((state.verdict, state.found), (Down, Up), "{second} s");
        }
        let Some(Hold::Damped { score, until }) = state.hold(&rules, at(400)) else {
            panic!("{state:?}");
        };
        assert!((0.4..0.41).contains(&score), "{score}");
        assert!((at(406)..at(407)).contains(&until), "{until:?}");
        state = state.next(Finding::Success, t, &rules, at(410));
        assert_eq!((state.verdict, state.since, state.hold(&rules, at(410))), (Up, at(410), None));
    }

    #[test]
    fn the_first_fall_passes_where_two_are_needed() {
        let damping = Damping { suppress: 1.5, ..Damping::default() };
        let (t, rules) = (thresholds(1, 1), Rules { damping: Some(damping), ..Rules::default() });
        let results = [(10, false), (20, true), (30, true), (40, false), (50, true), (60, true)];
        let results = results.map(|(second, success)| (at(second), found(success)));
        let changed = changes(started(Up), t, &rules, results);
        assert_eq!(changed, [(at(10), Down), (at(30), Up), (at(40), Down)]);
    }

    #[test]
    fn a_dead_target_is_asked_less_and_less_often_until_it_answers_once() {
        let rules = Rules { backoff: Some(Duration::from_secs(60)), ..Rules::default() };
        let t = thresholds(2, 2);
        let mut state = started(Up);
        let mut paces = Vec::new();
        for success in [false, false, false, false, false, false, true, false, true, true, false] {
            state = state.next(found(success), t, &rules, at(1));
            paces.push(state.pace(Duration::from_secs(10), &rules).as_secs());
        }
        assert_eq!(paces, [10, 10, 20, 40, 60, 60, 10, 20, 10, 10, 10]);
        let long = State { misses: u32::MAX, ..state };
        assert_eq!(long.pace(Duration::from_secs(10), &rules).as_secs(), 60);
        assert_eq!(long.pace(Duration::from_secs(90), &rules).as_secs(), 90);
        assert_eq!(long.pace(Duration::from_secs(10), &Rules::default()).as_secs(), 10);
    }

    #[test]
    fn a_target_that_went_down_waits_for_a_person_and_then_for_a_good_check() {
        let rules = Rules { manual_resume: true, ..Rules::default() };
        let t = thresholds(1, 1);
        let mut state = started(Up).next(Finding::Failure, t, &rules, at(1));
        for second in 2..1000 {
            state = state.next(Finding::Success, t, &rules, at(second));
        }
        assert_eq!((state.verdict, state.since), (Down, at(1)));
        assert_eq!(state.hold(&rules, at(1000)), Some(Hold::AwaitsResume));
        let failing = state.resumed(at(1000)).next(Finding::Failure, t, &rules, at(1001));
        assert_eq!(failing.verdict, Down);
        let resumed = state.resumed(at(1000)).next(Finding::Success, t, &rules, at(1001));
        assert_eq!((resumed.verdict, resumed.hold(&rules, at(1001))), (Up, None));
    }

    #[test]
    fn a_target_that_was_never_seen_up_is_not_held_down() {
        let rules = Rules { manual_resume: true, ..DAMPED() };
        let t = thresholds(1, 1);
        let down = State::unknown(at(0)).next(Finding::Failure, t, &rules, at(1));
        let again = down.next(Finding::Success, t, &rules, at(2));
        assert_eq!(again.next(Finding::Success, t, &rules, at(3)).verdict, Up);
    }

    #[test]
    fn what_is_no_longer_asked_for_holds_nobody_down() {
        let t = thresholds(1, 1);
        let rules = Rules { manual_resume: true, ..DAMPED() };
        let held = started(Up).next(Finding::Failure, t, &rules, at(1));
        assert!(held.awaits_resume && held.is_suppressed);
        assert_eq!(held.next(Finding::Success, t, &Rules::default(), at(2)).verdict, Up);
    }

    #[test]
    fn a_target_is_warned_of_after_fall_strained_checks_and_no_more_after_rise_good_ones() {
        use Finding::{Failure, Strained, Success};
        let warn = Warn { latency: Some(Duration::from_millis(300)), load: None, weight: 50 };
        let rules = Rules { warn: Some(warn), ..Rules::default() };
        let mut state = started(Up);
        let mut seen = Vec::new();
        let results = [
            (Strained, false),
            (Success, false),
            (Strained, false),
            (Strained, false),
            (Failure, false),
            (Strained, true),
            (Success, true),
            (Strained, true),
            (Success, true),
            (Success, false),
        ];
        for (finding, _) in results {
            state = state.next(finding, thresholds(3, 2), &rules, at(1));
            assert_eq!(state.verdict, Up);
            seen.push(state.is_warned);
        }
        assert_eq!(seen, results.map(|(_, warned)| warned));
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

        #[test]
        fn with_damping_a_target_failing_every_other_check_changes_once_in_five_minutes_at_most(
            fall in 1u32..4, rise in 1u32..4, first: bool,
            start in prop::sample::select(vec![Verdict::Unknown, Up, Down]),
            interval in 1u64..600, lateness in prop::collection::vec(0.0..0.1f64, 300),
        ) {
            let mut time = 0.0;
            let results = lateness.into_iter().enumerate().map(|(number, late)| {
                time += interval as f64 * (1.0 + late);
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(time);
                (time, found((number % 2 == 0) == first))
            });
            let changed =
                changes(started(start), thresholds(fall, rise), &DAMPED(), results);
            for pair in changed.windows(2) {
                let apart = pair[1].0.duration_since(pair[0].0).unwrap();
                prop_assert!(apart >= Duration::from_secs(300), "{changed:?}");
            }
        }

        #[test]
        fn damping_takes_a_target_down_no_later_and_brings_it_back_no_earlier_than_the_hold(
            fall in 1u32..4, rise in 2u32..4,
            results in prop::collection::vec((1u64..60, any::<bool>()), 1..300),
        ) {
            let t = thresholds(fall, rise);
            let (mut damped, mut plain) = (started(Up), started(Up));
            let mut now = 0;
            for (step, success) in results {
                now += step;
                let before = damped;
                damped = damped.next(found(success), t, &DAMPED(), at(now));
                plain = plain.next(found(success), t, &Rules::default(), at(now));
                prop_assert_eq!(damped.found, plain.verdict);
                prop_assert!(plain.verdict == Up || damped.verdict == Down);
                if (before.verdict, damped.verdict) == (Down, Up) {
                    prop_assert!(at(now) >= before.since + Duration::from_secs(396));
                }
            }
            // However it was before: once it stays good it comes back.
            for _ in 0..(1200 / 10 + 6) {
                now += 10;
                damped = damped.next(Finding::Success, t, &DAMPED(), at(now));
            }
            prop_assert_eq!(damped.verdict, Up);
        }
    }
}
