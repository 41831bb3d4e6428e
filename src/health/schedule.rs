//! When each check is due.
//!
//! Pure: time is passed in. A check is either waiting for its time or in flight, never both, so
//! a probe that takes longer than its interval neither overlaps itself nor piles up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::{Duration, Instant};

use super::jitter::Jitter;
use super::verdict::CheckId;

/// The checks that wait, by the time they are due.
#[derive(Debug)]
pub struct Schedule {
    waiting: BinaryHeap<Reverse<(Instant, CheckId)>>,
    jitter: Jitter,
    /// Those whose first check is behind them.
    begun: HashSet<CheckId>,
}

impl Schedule {
    /// Without checks.
    pub fn new(jitter: Jitter) -> Schedule {
        Schedule { waiting: BinaryHeap::new(), jitter, begun: HashSet::new() }
    }

    /// Adds a check that is due then.
    pub fn add(&mut self, check: CheckId, due: Instant) {
        self.waiting.push(Reverse((due, check)));
    }

    /// Takes checks out, whether they wait or are in flight.
    pub fn remove(&mut self, checks: &HashSet<CheckId>) {
        self.waiting.retain(|Reverse((_, check))| !checks.contains(check));
        self.begun.retain(|check| !checks.contains(check));
    }

    /// Makes a check due `now` if it waits; one in flight is not asked twice.
    pub fn hasten(&mut self, check: CheckId, now: Instant) {
        let before = self.waiting.len();
        self.waiting.retain(|Reverse((_, other))| *other != check);
        if self.waiting.len() < before {
            self.waiting.push(Reverse((now, check)));
        }
    }

    /// When the next check is due; `None` while all are in flight.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the check that has been due longest, if one is.
    pub fn take_due(&mut self, now: Instant) -> Option<CheckId> {
        if self.next_due()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse((_, check))| check)
    }

    /// Puts back a check that was taken at `started` and is finished `now`.
    ///
    /// It is due one step after its start. If that time is gone already, the steps missed are
    /// left out: a target that answers slower than its interval is not asked back to back.
    pub fn put_back(&mut self, check: CheckId, started: Instant, interval: Duration, now: Instant) {
        let is_first = self.begun.insert(check);
        let delay = if is_first { self.jitter.first(interval) } else { self.jitter.step(interval) };
        let mut due = started + delay;
        if due <= now {
            let step = interval.max(Duration::from_millis(1));
            let missed = now.duration_since(due).as_nanos() / step.as_nanos() + 1;
            due += step.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX));
        }
        self.waiting.push(Reverse((due, check)));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::SystemTime;

    use super::super::rules::Rules;
    use super::super::state::{Finding, State, Thresholds};
    use super::super::verdict::Verdict;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs a schedule in virtual time, each probe taking `takes`; the starts of each check,
    /// counted from the beginning.
    fn starts(
        count: u32,
        interval: Duration,
        takes: impl Fn(CheckId) -> Duration,
        until: Duration,
    ) -> Vec<Vec<Duration>> {
        starts_within(usize::MAX, count, interval, takes, until)
    }

    /// The same with `room` for so many probes at a time.
    fn starts_within(
        room: usize,
        count: u32,
        interval: Duration,
        takes: impl Fn(CheckId) -> Duration,
        until: Duration,
    ) -> Vec<Vec<Duration>> {
        let begin = Instant::now();
        let mut schedule = Schedule::new(Jitter::new(1));
        (0..count).for_each(|check| schedule.add(CheckId(check), begin));
        let mut flying: BinaryHeap<Reverse<(Instant, CheckId, Instant)>> = BinaryHeap::new();
        let mut seen = vec![Vec::new(); count as usize];
        let mut now = begin;
        while now - begin < until {
            while flying.len() < room
                && let Some(check) = schedule.take_due(now)
            {
                seen[check.0 as usize].push(now - begin);
                flying.push(Reverse((now + takes(check), check, now)));
            }
            let landing = flying.peek().map(|Reverse((end, ..))| *end);
            let due = schedule.next_due().filter(|_| flying.len() < room);
            let next = [landing, due].into_iter().flatten().min();
            now = next.expect("a check is waiting or in flight");
            while flying.peek().is_some_and(|Reverse((end, ..))| *end <= now) {
                let Some(Reverse((end, check, started))) = flying.pop() else { break };
                schedule.put_back(check, started, interval, end);
            }
        }
        seen
    }

    #[test]
    fn every_check_is_due_at_once_and_then_spread_over_the_interval() {
        let seen = starts(1000, 10 * SECOND, |_| Duration::from_millis(5), 10 * SECOND);
        assert!(seen.iter().all(|s| s[0] == Duration::ZERO));
        for tenth in 0..10 {
            let within = |s: &&Vec<Duration>| s.get(1).is_some_and(|t| t.as_secs() == tenth);
            let count = seen.iter().filter(within).count();
            assert!((60..140).contains(&count), "{count} second checks in second {tenth}");
        }
    }

    #[test]
    fn a_check_runs_at_its_interval_and_up_to_a_tenth_more() {
        let seen = starts(1, 10 * SECOND, |_| Duration::from_millis(5), 1000 * SECOND);
        assert!(seen[0].len() > 90);
        for pair in seen[0][1..].windows(2) {
            let gap = pair[1] - pair[0];
            assert!((10 * SECOND..11 * SECOND).contains(&gap), "{gap:?}");
        }
    }

    #[test]
    fn a_check_that_waits_is_hastened_and_one_in_flight_is_not_asked_twice() {
        let now = Instant::now();
        let mut schedule = Schedule::new(Jitter::new(1));
        schedule.add(CheckId(0), now + 10 * SECOND);
        schedule.hasten(CheckId(0), now);
        assert_eq!(schedule.take_due(now), Some(CheckId(0)));
        schedule.hasten(CheckId(0), now);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn a_probe_longer_than_its_interval_leaves_steps_out_and_never_piles_up() {
        let takes = Duration::from_millis(2500);
        let seen = starts(1, SECOND, |_| takes, 300 * SECOND);
        for pair in seen[0].windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap > takes && gap <= takes + SECOND, "{gap:?}");
        }
    }

    #[test]
    fn where_there_is_room_for_few_all_come_to_their_turn_equally_often() {
        // Five times as much to do as there is room for, some of it twice as long.
        let takes = |check: CheckId| SECOND * (1 + check.0 % 2) / 2;
        let seen = starts_within(15, 100, SECOND, takes, 300 * SECOND);
        let rounds: Vec<usize> = seen.iter().map(Vec::len).collect();
        let (least, most) = (rounds.iter().min().unwrap(), rounds.iter().max().unwrap());
        assert!(*least > 50 && *most <= least + least / 10, "{least} to {most}");
    }

    #[test]
    fn slow_targets_do_not_delay_the_others() {
        let slow = |check: CheckId| if check.0 < 100 { 5 * SECOND } else { SECOND / 100 };
        let seen = starts(1000, SECOND, slow, 60 * SECOND);
        for quick in &seen[100..] {
            assert!((55..=62).contains(&quick.len()), "{}", quick.len());
        }
    }

    #[test]
    fn a_target_that_stops_is_down_within_fall_intervals_and_up_again_within_rise() {
        let thresholds =
            Thresholds { fall: NonZeroU32::new(2).unwrap(), rise: NonZeroU32::new(3).unwrap() };
        let (stops, starts_again) = (20 * SECOND, 40 * SECOND);
        for check in starts(200, SECOND, |_| Duration::from_millis(1), 60 * SECOND) {
            let mut state = State::unknown(SystemTime::UNIX_EPOCH);
            let mut changes = Vec::new();
            for time in check {
                let success = !(stops..starts_again).contains(&time);
                let finding = if success { Finding::Success } else { Finding::Failure };
                let now = SystemTime::UNIX_EPOCH + time;
                let next = state.next(finding, thresholds, &Rules::default(), now);
                if next.verdict != state.verdict {
                    changes.push((next.verdict, time));
                }
                state = next;
            }
            let [(Verdict::Up, first), (Verdict::Down, down), (Verdict::Up, up)] = changes[..]
            else {
                panic!("{changes:?}");
            };
            assert_eq!(first, Duration::ZERO);
            assert!(down - stops <= SECOND.mul_f64(2.2), "down after {:?}", down - stops);
            assert!(up - starts_again <= SECOND.mul_f64(3.3), "up after {:?}", up - starts_again);
        }
    }
}
