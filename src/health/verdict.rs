//! What is known of a checked target.

/// A check: an index into the list the checker was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub u32);

/// What the checks say of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verdict {
    /// Not yet checked; counts as up.
    #[default]
    Unknown,
    /// The last `rise` checks, or all since the start, succeeded.
    Up,
    /// `fall` checks in a row failed.
    Down,
}

impl Verdict {
    /// Whether it may be given to clients.
    pub fn is_usable(self) -> bool {
        self != Verdict::Down
    }
}
