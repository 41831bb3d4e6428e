//! Steering: which region a client is sent to (steering.md).
//!
//! Two implementations of one meaning: `evaluate` walks the tree of policies for one client
//! and records why; the compiled tables serve queries. Never sees a message or a socket.

pub mod live;

pub use live::{Answer, Client, Live, Served, Spin};
