//! Ways: where an answer sends its client, and why there.
//!
//! The reason is that of the outermost policy of the tree that does not take what it prefers. It
//! says why not that, and not why the one that is taken comes next.

use crate::steering::census::Outlet;

/// Why an answer sends its client where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It is what the policy prefers, and it is up. Of a weighted choice each target that takes
    /// part is preferred.
    FirstChoice,
    /// What was preferred is down by its checks, at least for this type.
    Failover,
    /// The operator took out what was preferred, or put in what its checks say is down: by order
    /// or with `state`.
    Override,
    /// What was preferred is drained, or on its way there or back: by order, with `state`, or for
    /// a maintenance.
    Drain,
    /// What was preferred reports too much load for all of its clients.
    Overflow,
    /// What was preferred came back up, and takes its clients back slowly.
    Ramp,
    /// The client measures another target than the one that is preferred.
    Explore,
    /// Only pools are up that are drained, or keep a share that this client is not in.
    Resort,
    /// Nothing is up: `on_all_down` answers.
    Panic,
    /// No pool is named: there is nothing of the type, or `none` was chosen.
    NoData,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 10] = [
        Reason::FirstChoice,
        Reason::Failover,
        Reason::Override,
        Reason::Drain,
        Reason::Overflow,
        Reason::Ramp,
        Reason::Explore,
        Reason::Resort,
        Reason::Panic,
        Reason::NoData,
    ];

    /// The word for it in metrics and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::FirstChoice => "first-choice",
            Reason::Failover => "failover",
            Reason::Override => "override",
            Reason::Drain => "drain",
            Reason::Overflow => "overflow",
            Reason::Ramp => "ramp",
            Reason::Explore => "explore",
            Reason::Resort => "resort",
            Reason::Panic => "panic",
            Reason::NoData => "nodata",
        }
    }
}

/// Where an answer sends its client, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Way {
    /// To which pool, if to any.
    pub outlet: Outlet,
    /// Why there.
    pub reason: Reason,
}

impl Way {
    /// To nowhere, because there is nothing.
    pub const NO_DATA: Way = Way { outlet: Outlet::Nothing, reason: Reason::NoData };

    /// To nowhere, because nothing is up.
    pub const FAILED: Way = Way { outlet: Outlet::Nothing, reason: Reason::Panic };
}
