//! Steering: which region a client is sent to (steering.md).
//!
//! Two implementations of one meaning: [`evaluate`] walks the tree of policies for one client
//! and records why; the compiled tables serve queries. A property test holds them equal. Never
//! sees a message or a socket.
//!
//! ```text
//! at load    model ─► compile (preference, plan) ─► table: client -> class, class -> plan
//! on change  control: plan + standing + choice ─► resolve ─► answers ─► Live
//! a query    Live::serve: client -> class -> answer, and its scope
//! explain    evaluate ─► trace
//! transfer   fixed: one answer for everybody
//! simulate   census: all clients by class and place, and where answers send them
//! metrics    way, label: what each answer is counted as
//! ```

pub mod answers;
pub mod census;
pub mod choice;
pub mod compile;
pub mod control;
pub mod evaluate;
pub mod explore;
pub mod fixed;
pub mod hints;
pub mod label;
pub mod latency;
pub mod lead;
pub mod live;
pub mod load;
pub mod matching;
pub mod model;
pub mod plan;
pub mod preference;
pub mod rating;
pub mod reach;
pub mod resolve;
pub mod served;
pub mod share;
pub mod spread;
pub mod standing;
pub mod table;
pub mod trace;
pub mod way;

pub use live::Live;
pub use served::{Answer, Client, Panic, Served, Spin};
