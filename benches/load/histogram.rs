//! Times in buckets: 64 for each power of two, so a quantile is off by 1.6 % at most.

use std::time::Duration;

const BITS: u32 = 6;

/// How often each time was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, time: Duration) {
        let bucket = bucket(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.total += 1;
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (one, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *one += more;
        }
        self.total += other.total;
    }

    /// The time that a share of all, 0 to 1, did not exceed; in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return highest(bucket) as f64 / 1000.0;
            }
        }
        f64::NAN
    }
}

/// The bucket of a time: its value where that is small, else its highest 7 bits and how many
/// follow.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(BITS + 1);
    ((u64::from(shift) << BITS) + (value >> shift)) as usize
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let shift = (bucket >> BITS).saturating_sub(1) as u32;
    let first = (bucket as u64) - (u64::from(shift) << BITS);
    (first << shift) | ((1 << shift) - 1)
}
