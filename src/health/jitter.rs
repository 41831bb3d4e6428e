//! Random delays that keep checks from marching in step.

use std::time::Duration;

/// A share of the interval by which a check is late at most.
const SPREAD: f64 = 0.1;

/// A stream of random delays: the same seed, the same stream.
#[derive(Debug, Clone)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// A stream that begins at `seed`.
    pub fn new(seed: u64) -> Jitter {
        Jitter { state: seed }
    }

    /// The time from the first check of a target to the second: anywhere in the interval, so
    /// that checks that all began at once are spread from then on.
    pub fn first(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(self.fraction())
    }

    /// The time from one check to the next: the interval and up to 10 % more.
    pub fn step(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(1.0 + SPREAD * self.fraction())
    }

    /// A number in `0.0..1.0`, by splitmix64 (Steele, Lea and Flood, 2014).
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // 53 bits: what an f64 holds exactly.
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn a_step_is_the_interval_and_up_to_a_tenth_more() {
        let mut jitter = Jitter::new(7);
        let steps: Vec<Duration> = (0..10_000).map(|_| jitter.step(INTERVAL)).collect();
        assert!(steps.iter().all(|s| (INTERVAL..INTERVAL + INTERVAL / 10).contains(s)));
        let mean = steps.iter().sum::<Duration>() / 10_000;
        assert!(mean.abs_diff(INTERVAL.mul_f64(1.05)) < Duration::from_millis(20), "{mean:?}");
    }

    #[test]
    fn second_checks_are_spread_evenly_over_the_interval() {
        let mut jitter = Jitter::new(7);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[(jitter.first(INTERVAL).as_secs_f64()) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (900..1100).contains(n)), "{tenths:?}");
    }
}
