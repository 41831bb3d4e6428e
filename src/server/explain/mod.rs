//! Which answer a client gets, and every reason, from any state: what the files say, or what a
//! running server knows.
//!
//! The answer is the engine's own, to a real message; the reasons are
//! [`evaluate`](crate::steering::evaluate)'s. Facts are gathered first and then shown, as text or
//! as JSON.

mod ask;
mod brief;
mod compiled;
mod counted;
mod facts;
mod gather;
mod member;
mod text;
mod whatif;
mod words;

pub use brief::brief;
pub use facts::{Facts, StateFacts};
pub use gather::{Scene, gather};
pub use member::course;
pub use text::{explained, write};
