//! The running server: what the files mean, the start, the tasks that keep answers current,
//! reloads, and the stop.
//!
//! ```text
//! first ─► config ─► build ─► Generation ─► Server::start ─► hosts, checks, control, listeners,
//!                                 │                           notify, webhooks, query log
//!                                 └───────► Server::reload ─► the next one, or none
//! ```
//!
//! [`mod@build`] is the only place that turns configuration into runtime objects.

pub mod build;
pub mod certificate;
pub mod changes;
mod counts;
mod desk;
pub mod event;
pub mod explain;
pub mod first;
pub mod fixed;
pub mod generations;
mod hindsight;
pub mod hosts;
mod journal;
pub mod notify;
pub mod privileges;
pub mod pulse;
pub mod query_log;
pub mod reload;
pub mod serve;
pub mod systemd;
pub mod webhook;

pub use build::{Generation, Origin, build};
pub use event::Event;
pub use first::{First, Lineage, first};
pub use fixed::Fixed;
pub use generations::Watch;
pub use privileges::Account;
pub use pulse::Pulse;
pub use query_log::QueryLog;
pub use reload::{ReloadError, Reloaded, When};
pub use serve::{Server, StartError};
