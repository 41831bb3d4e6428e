//! The server as its operator sees it: status, health, overrides, history, metrics, over HTTP.
//!
//! Knows HTTP, who may do what, and what is kept in the state directory. Knows nothing of
//! policies and sockets of DNS: what it tells and what it orders goes through [`Line`] to the
//! task that owns the state, as typed [`Request`]s.
//!
//! ```text
//! Unix socket ─┐                ┌─► Line ──Request──► server's control task
//! TCP address ─┴─► api, access ─┼─► History   what happened, in memory and in a file
//!                               ├─► metrics   Prometheus text
//!                               └─► dashboard a page for browsers
//! ```
//!
//! It runs on a thread of its own, so that it can be read while the data plane is saturated.

mod access;
mod api;
mod dashboard;
pub mod history;
pub mod line;
pub mod listen;
pub mod message;
pub mod metrics;
pub mod overrides;
mod route;

pub use api::description;
pub use dashboard::outlines;
pub use history::{Entry, History};
pub use line::{Change, Inquiry, Line, Order, Question, Refusal, Request, Reread};
pub use listen::{Bound, OpenError, Running};
pub use message::{Health, Status, World};
pub use metrics::Counts;
pub use overrides::{Override, OverrideState, Overrides};
