//! Health: checks of members, the state machine behind each, and the table of verdicts.
//!
//! ```text
//! schedule ─► probe (reqwest, tokio) ─► state (rise, fall) ─► Report, to whoever listens
//!                                          ├► composite ─► Report of each that it is a part of
//!                                          └► store: what is known survives a restart
//! ```
//!
//! Knows nothing of pools, policies or messages: a check has a target and a monitor, and its
//! verdict goes to whoever listens.

pub mod check;
pub mod checker;
pub mod composite;
pub mod failure;
pub mod jitter;
pub mod kinds;
pub mod monitor;
mod probe;
pub mod schedule;
pub mod state;
pub mod store;
mod table;
pub mod verdict;

pub use check::{Check, Host, Identity, Target, TargetError};
pub use checker::{Checker, Options, Report, Roster, StartError};
pub use composite::Composite;
pub use failure::{Failure, Stage, Timing};
pub use kinds::{Call, Called, Data, Handshake, Program, Question, Talk};
pub use monitor::{
    Authorities, AuthoritiesError, Exchange, Expect, Kind, Monitor, Request, RequestError,
    StatusRange, StatusRangeError, Trust,
};
pub use state::{State, Thresholds};
pub use store::{Known, Record, Store, StoreError};
pub use verdict::{CheckId, Verdict};
