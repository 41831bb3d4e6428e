//! Labels of zones: what their answers are counted as, by small numbers.
//!
//! A number means the same zone as long as the process lives, whatever is reloaded: who counts
//! needs to know nothing of generations, and a zone that comes back goes on being the same count.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::numbers::Numbers;
use crate::wire::Name;

/// So many numbers there are; a power of two.
pub const ZONES: usize = 1 << 10;

/// The number of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ZoneLabel(u16);

impl ZoneLabel {
    /// That of what no zone has answered.
    pub const NONE: ZoneLabel = ZoneLabel(Numbers::<String>::NONE);

    /// Below [`ZONES`].
    #[inline(always)]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number of the zone with this apex, in any case.
    pub fn of(apex: &Name) -> ZoneLabel {
        ZoneLabel(numbers().number(apex.to_string().to_ascii_lowercase()))
    }
}

/// The names of all zones so far, in lower case and with the final dot; the index is the number. The
/// first is that of none, the second that of all that found no number.
pub fn known() -> Vec<String> {
    numbers().list().to_vec()
}

static KNOWN: LazyLock<Mutex<Numbers<String>>> =
    LazyLock::new(|| Mutex::new(Numbers::new(String::new(), "other".to_owned(), ZONES)));

fn numbers() -> MutexGuard<'static, Numbers<String>> {
    // Nothing is half done when a thread dies here.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_one_number_in_any_case() {
        let label = |apex: &str| ZoneLabel::of(&apex.parse().unwrap());
        let number = usize::from(label("a.example.").number());
        assert_eq!(label("A.Example."), label("a.example."));
        assert_ne!(label("b.example."), label("a.example."));
        assert_eq!(known()[number], "a.example.");
    }
}
