//! The running server: what the files mean, the start, the tasks that keep answers current, and
//! the stop.
//!
//! ```text
//! config ─► build ─► Generation ─► Server::start ─► checks, control, listeners, notify
//! ```
//!
//! [`mod@build`] is the only place that turns configuration into runtime objects.

pub mod build;
pub mod certificate;
pub mod event;
pub mod notify;
pub mod serve;

pub use build::{Generation, Origin, build};
pub use event::Event;
pub use serve::{Server, StartError};
