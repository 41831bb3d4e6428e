//! What is known of a checked target.

use std::fmt;

/// A check, by its number: in a generation an index into its list, in a checker the number it
/// was begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub u32);

/// What the checks say of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verdict {
    /// Not yet checked; counts as up.
    #[default]
    Unknown,
    /// The first check succeeded, or the last `rise` of a target that was down.
    Up,
    /// The first check failed, or the last `fall` of a target that was up.
    Down,
}

impl Verdict {
    /// Whether it may be given to clients.
    pub fn is_usable(self) -> bool {
        self != Verdict::Down
    }

    /// `unknown`, `up` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Up => "up",
            Verdict::Down => "down",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
