//! Labels of zones: what their answers are counted as, by small numbers.
//!
//! A number means the same zone as long as the process lives, whatever is reloaded: who counts
//! needs to know nothing of generations, and a zone that comes back goes on being the same count.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::wire::Name;

/// So many numbers there are; a power of two.
pub const ZONES: usize = 1 << 10;

/// The number of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ZoneLabel(u16);

impl ZoneLabel {
    /// That of what no zone has answered.
    pub const NONE: ZoneLabel = ZoneLabel(0);

    /// That of all zones that came when there were no numbers left.
    const OTHER: ZoneLabel = ZoneLabel(1);

    /// Below [`ZONES`].
    #[inline(always)]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number of the zone with this apex, in any case.
    pub fn of(apex: &Name) -> ZoneLabel {
        // Nothing is half done when a thread dies here.
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).label(apex, ZONES)
    }
}

/// The names of all zones so far, in lower case and with the final dot; the index is the number. The
/// first is that of none, the second that of all that found no number.
pub fn known() -> Vec<String> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).names.clone()
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(Known::new()));

struct Known {
    labels: HashMap<String, ZoneLabel, RandomState>,
    names: Vec<String>,
}

impl Known {
    fn new() -> Known {
        // In the order of `ZoneLabel::NONE` and `ZoneLabel::OTHER`.
        Known { labels: HashMap::default(), names: vec![String::new(), "other".to_owned()] }
    }

    fn label(&mut self, apex: &Name, most: usize) -> ZoneLabel {
        let name = apex.to_string().to_ascii_lowercase();
        if let Some(label) = self.labels.get(&name) {
            return *label;
        }
        if self.names.len() == most {
            return ZoneLabel::OTHER;
        }
        let label = ZoneLabel(self.names.len() as u16); // less than ZONES
        self.names.push(name.clone());
        self.labels.insert(name, label);
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_keeps_its_number_and_those_that_find_none_are_counted_together() {
        let mut known = Known::new();
        let mut label = |apex: &str| known.label(&apex.parse().unwrap(), 4).number();
        assert_eq!([label("a.example."), label("b.example."), label("A.Example.")], [2, 3, 2]);
        assert_eq!([label("c.example."), label("b.example.")], [ZoneLabel::OTHER.number(), 3]);
        assert_eq!(known.names[2..], ["a.example.", "b.example."]);
    }
}
