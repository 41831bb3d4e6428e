//! What an evaluation saw, in the order in which it decided.

use serde::Serialize;

use crate::health::CheckId;
use crate::steering::model::PoolState;
use crate::steering::way::Reason;

/// One target that was looked into.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its name in the file.
    pub name: String,
    /// `pool`, or the policy's kind.
    pub kind: &'static str,
    /// `file:line`.
    pub site: String,
    /// How it decided: the rule that matched, the estimate in force, the state of the pool.
    pub note: String,
    /// Where it does not answer: why what it prefers does not.
    pub why_not: Reason,
    /// A policy's targets in the order they were considered.
    pub considered: Vec<Considered>,
    /// A pool's members.
    pub members: Vec<MemberTrace>,
}

/// One target of a policy, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// What put it in this place: a rule, a weight, a distance, an estimate.
    pub by: String,
    /// What became of it.
    pub fate: Fate,
    /// The target.
    pub trace: Trace,
}

/// What became of a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The answer comes from it.
    Taken,
    /// It takes part by this share of the clients or queries, 0.0 to 1.0.
    Shares(f64),
    /// It would have been taken, but: why not.
    PassedOver(String),
    /// It stands behind the one that was taken.
    NotNeeded,
}

/// A member, as it was when the pool was looked into.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberTrace {
    /// Its name in the file.
    pub name: String,
    /// The type of its record, or `CNAME`.
    pub rtype: String,
    /// The check that watches it.
    pub check: Option<CheckId>,
    /// Whether it may stand in an answer to the question.
    pub is_offered: bool,
}

/// The word of a pool's state in the file.
pub fn state_word(state: PoolState) -> &'static str {
    match state {
        PoolState::Auto => "auto",
        PoolState::Up => "up",
        PoolState::Down => "down",
        PoolState::Drain => "drain",
    }
}
