//! How long answers took: a histogram of one thread and one transport.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{add, counters};

/// The first bound in nanoseconds; each is twice the one before.
const FIRST: u64 = 1000;

/// How many bounds there are: up to 1.05 s.
const BOUNDS: usize = 21;

/// The counts of one thread and one transport.
#[derive(Debug)]
pub(super) struct Times {
    buckets: [AtomicU64; BOUNDS + 1],
    nanos: AtomicU64,
}

impl Default for Times {
    fn default() -> Times {
        Times { buckets: counters(), nanos: AtomicU64::new(0) }
    }
}

impl Times {
    /// Counts answers that took so long each.
    pub(super) fn count(&self, took: Duration, answers: u64) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&self.buckets[bucket(nanos)], answers);
        add(&self.nanos, nanos.saturating_mul(answers));
    }
}

/// The first bound that is not less.
fn bucket(nanos: u64) -> usize {
    let times = nanos.div_ceil(FIRST).max(1);
    ((u64::BITS - (times - 1).leading_zeros()) as usize).min(BOUNDS)
}

/// How long answers took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeCounts {
    /// The longest time of each bucket, in nanoseconds, and the answers in it.
    pub buckets: Vec<(u64, u64)>,
    /// The answers that took longer.
    pub longer: u64,
    /// The sum of all times in nanoseconds.
    pub nanos: u64,
}

impl TimeCounts {
    /// The sum of tallies.
    pub(super) fn sum(tallies: &[&Times]) -> TimeCounts {
        let of =
            |index: usize| tallies.iter().map(|times| times.buckets[index].load(Relaxed)).sum();
        TimeCounts {
            buckets: (0..BOUNDS).map(|index| (FIRST << index, of(index))).collect(),
            longer: of(BOUNDS),
            nanos: tallies.iter().map(|times| times.nanos.load(Relaxed)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_is_long_enough() {
        let times = [0, 1000, 1001, 2000, 2001, 4000, 1_048_576_000, 1_048_576_001, u64::MAX];
        assert_eq!(times.map(bucket), [0, 0, 1, 1, 2, 2, 20, 21, 21]);
        let times = Times::default();
        times.count(Duration::from_nanos(1500), 3);
        times.count(Duration::from_secs(2), 1);
        let sum = TimeCounts::sum(&[&times, &Times::default()]);
        assert_eq!(sum.buckets[1], (2000, 3));
        assert_eq!((sum.longer, sum.nanos), (1, 2_000_004_500));
        assert_eq!(sum.buckets.iter().map(|(_, count)| count).sum::<u64>(), 3);
    }
}
