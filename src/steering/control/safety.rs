//! Safety rules: how many pools stay, and how fast clients may be moved away.
//!
//! Pure: the time comes in, and who spends is somebody else's business.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::steering::share::Share;

/// What no change may break, whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Safety {
    /// So many pools stay in use for each record; 0 is no rule.
    pub never_below: usize,
    /// How far the share of a pool may fall in which time; `None` is no rule.
    pub max_shift: Option<MaxShift>,
}

/// How far the share of a pool may fall in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxShift {
    /// Of all its clients, 1 to 99.
    pub percent: u8,
    /// In any time of this length.
    pub window: Duration,
}

/// Why a pool keeps clients that it would have lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Too few pools would be in use.
    NeverBelow {
        /// So many must be.
        least: usize,
        /// For this record so many would be.
        left: usize,
        /// Its owner name.
        record: String,
    },
    /// Its clients leave little by little.
    MaxShift(MaxShift),
}

impl Safety {
    /// Whether there is any rule.
    pub fn is_any(&self) -> bool {
        self.never_below > 0 || self.max_shift.is_some()
    }
}

impl MaxShift {
    /// The same in steps of a share: rounded down, 1 at least.
    fn points(self) -> u16 {
        (u16::from(self.percent) * Share::FULL.bound() / 100).max(1)
    }
}

impl Held {
    /// Whether the other one is by the same rule.
    pub(super) fn is_like(&self, other: &Held) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for MaxShift {
    /// As it is written in the file: `20%/5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (number, unit) = match seconds {
            seconds if seconds % 3600 == 0 => (seconds / 3600, 'h'),
            seconds if seconds % 60 == 0 => (seconds / 60, 'm'),
            seconds => (seconds, 's'),
        };
        write!(f, "{}%/{number}{unit}", self.percent)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::NeverBelow { least, left, record } => write!(
                f,
                "held in the answers by never_below = {least}: without it {left} would be in use \
                 for {record}"
            ),
            Held::MaxShift(shift) => {
                write!(f, "held back by max_shift = {shift}: its clients leave little by little")
            }
        }
    }
}

/// How far the share of one pool fell lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Falls(VecDeque<(SystemTime, u16)>);

impl Falls {
    /// The share that may be in force at `now` in place of `from`, when `to` is wanted: never
    /// lower than the rule lets it. Notes the fall.
    pub(super) fn next(
        &mut self,
        from: Share,
        to: Share,
        shift: Option<MaxShift>,
        now: SystemTime,
    ) -> Share {
        let Some(shift) = shift else {
            self.0.clear();
            return to;
        };
        // One in the future, after the clock was set back, counts as well.
        self.0.retain(|(at, _)| *at + shift.window > now);
        let wanted = from.bound().saturating_sub(to.bound());
        let spent: u16 = self.0.iter().map(|(_, points)| points).sum();
        let fall = wanted.min(shift.points().saturating_sub(spent));
        if fall > 0 {
            self.0.push_back((now, fall));
        }
        if wanted > fall { Share::of_bound(from.bound() - fall) } else { to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIFT: MaxShift = MaxShift { percent: 20, window: Duration::from_secs(300) };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_fall_is_cut_to_what_the_window_has_left_and_goes_on_when_it_has_moved() {
        let mut falls = Falls::default();
        let mut share = Share::FULL;
        let mut seen = Vec::new();
        for second in 1000..3000 {
            let next = falls.next(share, Share::NONE, Some(SHIFT), at(second));
            if next != share {
                seen.push((second, next.bound()));
            }
            share = next;
        }
        let steps = [(1000, 205), (1300, 154), (1600, 103), (1900, 52), (2200, 1), (2500, 0)];
        assert_eq!(seen, steps);
    }

    #[test]
    fn rising_is_free_and_gives_nothing_back() {
        let mut falls = Falls::default();
        let low = falls.next(Share::FULL, Share::NONE, Some(SHIFT), at(0));
        assert_eq!(falls.next(low, Share::FULL, Some(SHIFT), at(1)), Share::FULL);
        assert_eq!(falls.next(Share::FULL, Share::NONE, Some(SHIFT), at(2)), Share::FULL);
        assert_eq!(falls.next(Share::FULL, Share::NONE, None, at(3)), Share::NONE);
    }

    #[test]
    fn rules_are_told_as_they_are_written() {
        assert_eq!(SHIFT.to_string(), "20%/5m");
        let held = Held::NeverBelow { least: 2, left: 1, record: "www.example.com.".into() };
        assert_eq!(
            held.to_string(),
            "held in the answers by never_below = 2: without it 1 would be in use for \
             www.example.com."
        );
    }
}
