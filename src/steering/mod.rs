//! Steering: which region a client is sent to (steering.md).
//!
//! Two implementations of one meaning: `evaluate` walks the tree of policies for one client
//! and records why; the compiled tables serve queries. Never sees a message or a socket.

pub mod answers;
pub mod compile;
pub mod control;
pub mod evaluate;
pub mod latency;
pub mod live;
pub mod matching;
pub mod model;
pub mod plan;
pub mod preference;
pub mod resolve;
pub mod spread;
pub mod standing;
pub mod table;
pub mod trace;

pub use live::{Answer, Client, Live, Served, Spin};
