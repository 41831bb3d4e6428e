//! Random draws and weighted rendezvous hashing: how shares become choices.
//!
//! The hash is part of the contract between servers: two servers with the same files send the
//! same client to the same target without talking to each other. It must not change between
//! versions or machines, so it uses integers and IEEE additions and multiplications only.

use std::net::IpAddr;

/// A hash of a text, the same everywhere: the seed of what the text names.
pub fn seed(text: &[u8]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ text.len() as u64;
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state ^ u64::from_le_bytes(word));
    }
    state
}

/// The finalizer of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What of a client's (unwrapped) address a spread by client looks at: the /24 or the /56.
pub fn client_key(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        // The top bit keeps the families apart.
        IpAddr::V6(address) => (address.to_bits() >> 72) as u64 | 1 << 63,
    }
}

/// One candidate of a weighted rendezvous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// [`seed`] of its name.
    pub seed: u64,
    /// Above 0.
    pub weight: u32,
}

/// Weighted rendezvous hashing (Schindelhauer, Schomaker: "Weighted distributed hash tables",
/// 2005): the candidate with the greatest `weight / -log2(hash)`, hash uniform in (0, 1). Each
/// wins a share of the keys in proportion to its weight, and when one goes only its keys move.
///
/// Returns an index; 0 when there is no candidate.
pub fn rendezvous(record: u64, client: u64, candidates: impl Iterator<Item = Candidate>) -> usize {
    let key = mix(record ^ client);
    let mut best = (f64::INFINITY, 0);
    for (index, candidate) in candidates.enumerate() {
        let cost = negative_log2(mix(key ^ candidate.seed)) / f64::from(candidate.weight);
        if cost < best.0 {
            best = (cost, index);
        }
    }
    best.1
}

/// `-log2((value + 1/2) / 2^64)`, to about 1e-9, from exact IEEE operations.
fn negative_log2(value: u64) -> f64 {
    let value = value | 1;
    let zeros = value.leading_zeros();
    // Mantissa in [1, 2), then log2 by the series of atanh around the middle of the interval.
    let mantissa = (value << zeros) as f64 / (1u64 << 63) as f64;
    let x = (mantissa - std::f64::consts::SQRT_2) / (mantissa + std::f64::consts::SQRT_2);
    let square = x * x;
    let mut sum = 0.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / odd;
    }
    let log2 = 0.5 + 2.0 * x * sum * std::f64::consts::LOG2_E;
    f64::from(zeros) + 1.0 - log2
}

/// Weights of which some have only a share left, in percent; whole numbers in the same proportions.
/// Where every one has all of itself they stay as they are.
pub fn lowered(weights: &[(u32, u8)]) -> Vec<u32> {
    if weights.iter().all(|(_, left)| *left == 100) {
        return weights.iter().map(|(weight, _)| *weight).collect();
    }
    let parts: Vec<u64> =
        weights.iter().map(|(w, left)| u64::from(*w) * u64::from(*left)).collect();
    let common = parts.iter().copied().fold(0, greatest_common_divisor).max(1);
    // Their sum must stay a u32: it is what draws are made from.
    let sum: u64 = parts.iter().map(|part| part / common).sum();
    let divisor = common * (sum / u64::from(u32::MAX / 2) + 1);
    parts.into_iter().map(|part| part.div_ceil(divisor) as u32).collect()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A small fast generator (wyrand): one for each thread, never for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator; equal seeds draw equal numbers.
    pub fn new(seed: u64) -> Random {
        Random(mix(seed))
    }

    /// The next 64 bits.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// A number below `bound`, which is above 0; every one equally likely to within 2^-32.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.draw() >> 32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_right() {
        for value in [1, 2, 3, 12345, 1 << 40, u64::MAX / 3, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let exact = 64.0 - ((value | 1) as f64).log2();
            assert!((negative_log2(value) - exact).abs() < 1e-8, "{value}");
        }
    }

    #[test]
    fn shares_follow_the_weights_and_only_a_lost_candidates_clients_move() {
        let candidates = [("a", 50), ("b", 30), ("c", 20)]
            .map(|(name, weight)| Candidate { seed: seed(name.as_bytes()), weight });
        let record = seed(b"www.example.com.");
        let mut won = [0u32; 3];
        for client in 0..100_000 {
            let first = rendezvous(record, client, candidates.into_iter());
            won[first] += 1;
            let without_b = rendezvous(record, client, [candidates[0], candidates[2]].into_iter());
            if first != 1 {
                assert_eq!(without_b, first / 2);
            }
        }
        for (won, share) in won.into_iter().zip([0.5, 0.3, 0.2]) {
            assert!((f64::from(won) / 1e5 - share).abs() < 0.01, "{won}");
        }
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(seed(b"www.example.com."), 14_067_262_733_512_021_753);
        let candidates =
            ["eu", "us", "ap"].map(|name| Candidate { seed: seed(name.as_bytes()), weight: 2 });
        let won: String = (0..32)
            .map(|client| char::from(b'0' + rendezvous(7, client, candidates.into_iter()) as u8))
            .collect();
        assert_eq!(won, "02212021120221212200001022111021");
    }

    #[test]
    fn lowered_weights_keep_their_proportions() {
        assert_eq!(lowered(&[(3, 100), (5, 100)]), [3, 5]);
        assert_eq!(lowered(&[(1, 50), (1, 100)]), [1, 2]);
        assert_eq!(lowered(&[(3, 37), (1, 100)]), [111, 100]);
        assert_eq!(lowered(&[(7, 0), (1, 100), (0, 100)]), [0, 1, 0]);
        assert_eq!(lowered(&[(0, 50), (0, 0)]), [0, 0]);
        let many = lowered(&[(1_000_000, 99); 1000]);
        assert_eq!(many, [1; 1000]);
        let mut many = vec![(1_000_000, 100); 1000];
        many[0] = (999_999, 37);
        let many = lowered(&many);
        assert!(many.iter().map(|w| u64::from(*w)).sum::<u64>() <= u64::from(u32::MAX));
        assert!((f64::from(many[0]) / f64::from(many[1]) - 0.37).abs() < 1e-5);
    }

    #[test]
    fn draws_are_even() {
        let mut random = Random::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..100_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
    }
}
