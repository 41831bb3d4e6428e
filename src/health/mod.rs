//! Health: checks of members, the state machine behind each, and the table of verdicts.
//!
//! ```text
//! schedule ─► probe (hyper, tokio) ─► state (rise, fall) ─► Report, to whoever listens
//!                                          └► store: what is known survives a restart
//! ```
//!
//! Knows nothing of pools, policies or messages: a check has a target and a monitor, and its
//! verdict goes to whoever listens.

pub mod check;
pub mod checker;
pub mod credentials;
pub mod failure;
pub mod formula;
pub mod jitter;
pub mod load;
pub mod monitor;
pub mod pattern;
mod probe;
pub mod schedule;
pub mod state;
pub mod store;
pub mod verdict;

pub use check::{Check, Host, Identity, Target, TargetError};
pub use checker::{Checker, Options, Report, Roster, StartError};
pub use credentials::{Credentials, CredentialsError};
pub use failure::{Failure, Stage, Timing};
pub use formula::{Formula, FormulaError};
pub use load::{Load, LoadPage, Meter};
pub use monitor::{
    Authorities, AuthoritiesError, Exchange, Expect, Expiry, HeaderMatch, Http2, Kind, Monitor,
    Request, RequestError, StatusRange, StatusRangeError, Trust,
};
pub use pattern::{Pattern, PatternError};
pub use state::{State, Thresholds};
pub use store::{Known, Record, Store, StoreError};
pub use verdict::{CheckId, Verdict};
