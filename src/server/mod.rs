//! The running server: what the files mean, the start, the tasks that keep answers current,
//! reloads, and the stop.
//!
//! ```text
//! config ─► build ─► Generation ─► Server::start ─► hosts, checks, control, listeners, notify,
//!                        │                          webhooks
//!                        └───────► Server::reload ─► the next one, or none
//! ```
//!
//! [`mod@build`] is the only place that turns configuration into runtime objects.

pub mod build;
pub mod certificate;
pub mod changes;
mod desk;
pub mod event;
pub mod explain;
pub mod fixed;
pub mod hosts;
mod journal;
pub mod notify;
pub mod reload;
pub mod serve;
pub mod webhook;

pub use build::{Generation, Origin, build};
pub use event::Event;
pub use fixed::Fixed;
pub use reload::{ReloadError, Reloaded};
pub use serve::{Server, StartError};
