//! Shares: how large a part of the clients a pool keeps while it is in transition.
//!
//! The clients of a record are 256 equal parts, told apart by a hash of the record's name and the
//! client's network (steering.md, "Drain, ramp, overflow"). A pool keeps the first parts up to
//! its share, so that a client moves once while a share falls and once while it rises, and all
//! servers agree on who moves.

use std::fmt;

/// A part of a pool's clients, in steps of 1/256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// None of them.
    pub const NONE: Share = Share(0);
    /// All of them.
    pub const FULL: Share = Share(256);

    /// The step nearest to a ratio; one below 0.0 or above 1.0 is taken as that.
    pub fn of_ratio(ratio: f64) -> Share {
        Share((ratio.clamp(0.0, 1.0) * 256.0).round() as u16)
    }

    /// So many of the 256 parts; more are all.
    pub fn of_bound(parts: u16) -> Share {
        Share(parts.min(256))
    }

    /// From 0.0 to 1.0.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 256.0
    }

    /// Whether it is everybody.
    pub fn is_full(self) -> bool {
        self == Share::FULL
    }

    /// Whether clients of this part, as [`portion`](crate::steering::spread::portion) has it,
    /// belong to it.
    pub fn holds(self, portion: u8) -> bool {
        u16::from(portion) < self.0
    }

    /// The first part that does not belong to it, 0 to 256.
    pub fn bound(self) -> u16 {
        self.0
    }
}

impl Default for Share {
    fn default() -> Share {
        Share::FULL
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} %", self.ratio() * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_the_first_parts_and_is_rounded_to_a_step() {
        assert!(Share::FULL.holds(255) && !Share::NONE.holds(0));
        let half = Share::of_ratio(0.5);
        assert!(half.holds(127) && !half.holds(128));
        assert_eq!(Share::of_ratio(7.0), Share::FULL);
        assert_eq!(Share::of_ratio(f64::NAN), Share::NONE);
        assert_eq!(Share::of_ratio(0.1).to_string(), "10 %");
    }
}
