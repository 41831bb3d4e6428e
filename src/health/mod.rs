//! Health: checks of members, the state machine behind each, and the table of verdicts.
//!
//! Knows nothing of pools, policies or messages: a check has a target and a monitor, and its
//! verdict goes to whoever listens.

pub mod verdict;

pub use verdict::{CheckId, Verdict};
