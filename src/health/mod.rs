//! Health: checks of members, the state machine behind each, and the table of verdicts.
//!
//! ```text
//! schedule ─► probe (hyper, tokio) ─► state (rise, fall, damping) ─► Report, to whoever listens
//!     ▲                                    │├► composite ─► Report of each that it is a part of
//!     │                                    │└► roster: what is known now
//!     └──────────── pace ──────────────────┘     └► store: survives a restart
//! ```
//!
//! Knows nothing of pools, policies or messages: a check has a target and a monitor, and its
//! verdict goes to whoever listens.

pub mod check;
pub mod checker;
pub mod composite;
pub mod credentials;
pub mod damping;
pub mod dialogue;
pub mod failure;
pub mod formula;
pub mod jitter;
pub mod kinds;
pub mod load;
pub mod monitor;
pub mod pattern;
mod probe;
pub mod roster;
pub mod rules;
pub mod schedule;
pub mod state;
pub mod store;
mod table;
pub mod verdict;

pub use check::{Check, Host, Identity, Target, TargetError};
pub use checker::{Checker, Options, Report};
pub use composite::Composite;
pub use credentials::{Credentials, CredentialsError};
pub use damping::{Damping, Score};
pub use failure::{Failure, Stage, Timing};
pub use formula::{Formula, FormulaError};
pub use kinds::{Call, Called, Data, Handshake, Program, Question, Security, Talk};
pub use load::{Load, LoadPage, Meter};
pub use monitor::{
    Authorities, AuthoritiesError, Exchange, Expect, Expiry, HeaderMatch, Http2, Kind, Monitor,
    Pace, Request, RequestError, StatusRange, StatusRangeError, Trust,
};
pub use pattern::{Pattern, PatternError};
pub use probe::system_authorities;
pub use roster::{Roster, StartError};
pub use rules::{Rules, Strain, Warn};
pub use state::{Finding, Hold, State, Thresholds};
pub use store::{Known, Record, Store, StoreError};
pub use verdict::{CheckId, Verdict};
