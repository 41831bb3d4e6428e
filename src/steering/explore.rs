//! Exploring: which clients of a latency policy are sent to another target than the best, so that
//! targets to which nobody would go are measured too.
//!
//! Of the 256 equal parts of a record's clients (see [`share`](super::share)) a policy takes a few,
//! others in every hour. Which ones follows from its name and the hour, so all servers agree, and
//! the answers of an hour are worked out once. Knows parts and turns, and neither targets nor
//! whether they are up.

use std::time::{Duration, SystemTime};

use crate::steering::share::Share;
use crate::steering::spread;

/// Those who explore are sent to so many targets at a time, at most: each is a further answer of
/// every class of clients.
const GROUPS: u16 = 4;

/// So long the same clients explore.
const PERIOD: Duration = Duration::from_secs(3600);

/// An hour in which the same clients explore, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour(u64);

/// The clients of one policy that explore in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explorers {
    hour: Hour,
    first: u8,
    /// At most 256.
    count: u16,
}

impl Hour {
    /// The hour of a moment.
    pub fn of(now: SystemTime) -> Hour {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Hour(since.as_secs() / PERIOD.as_secs())
    }
}

impl Explorers {
    /// Those of a policy of this name with this share.
    pub fn new(policy: &str, share: Share, hour: Hour) -> Explorers {
        let first = (spread::mix(spread::seed(policy.as_bytes()) ^ hour.0) >> 56) as u8;
        Explorers { hour, first, count: share.bound() }
    }

    /// Whose turn it is among the other targets, counted on and on, for clients of this part;
    /// `None` when they do not explore.
    pub fn turn(self, portion: u8) -> Option<usize> {
        let place = u16::from(portion.wrapping_sub(self.first));
        let group = (place < self.count).then(|| place * self.count.min(GROUPS) / self.count)?;
        Some(usize::from(group).wrapping_add(self.hour.0 as usize))
    }

    /// The bounds between parts that are not answered alike.
    pub fn bounds(self) -> impl Iterator<Item = u16> {
        let is_bound = move |part: &u8| self.turn(*part) != self.turn(*part - 1);
        (1..=255).filter(is_bound).map(u16::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: u64) -> Hour {
        Hour::of(SystemTime::UNIX_EPOCH + PERIOD * number as u32)
    }

    fn parts(explorers: Explorers) -> Vec<u8> {
        (0..=255).filter(|portion| explorers.turn(*portion).is_some()).collect()
    }

    #[test]
    fn as_many_parts_explore_as_the_share_says_and_others_in_another_hour() {
        let of = |number| Explorers::new("fast", Share::of_bound(3), hour(number));
        let all: std::collections::BTreeSet<Vec<u8>> =
            (0..48).map(|number| parts(of(number))).collect();
        assert!(all.iter().all(|parts| parts.len() == 3));
        assert!(all.len() > 30, "{all:?}");
        assert_eq!(of(7), of(7));
        let nobody = Explorers::new("fast", Share::NONE, hour(1));
        assert!(parts(nobody).is_empty());
    }

    #[test]
    fn turns_go_on_from_part_to_part_and_from_hour_to_hour() {
        let turns = |number: u64| -> Vec<usize> {
            let explorers = Explorers::new("fast", Share::of_bound(3), hour(number));
            let mut turns: Vec<usize> =
                parts(explorers).into_iter().filter_map(|part| explorers.turn(part)).collect();
            turns.sort_unstable();
            turns
        };
        assert_eq!(turns(5), [5, 6, 7]);
        assert_eq!(turns(6), [6, 7, 8]);
    }

    #[test]
    fn however_many_explore_they_go_to_few_targets_at_a_time_and_equally_many_to_each() {
        let explorers = Explorers::new("fast", Share::of_bound(24), hour(5));
        let mut turns = [0; 4];
        for portion in parts(explorers) {
            turns[explorers.turn(portion).unwrap() - 5] += 1;
        }
        assert_eq!(turns, [6; 4]);
        // The ends, the bounds between four groups, and perhaps the end of all parts.
        assert!((4..=6).contains(&explorers.bounds().count()));
    }
}
