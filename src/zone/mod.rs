//! Zones: master files, names, RRsets, and lookup (RFC 1034 section 4.3.2).
//!
//! A steered name holds a [`RecordId`], an integer; this layer never sees a policy.

pub mod check;
pub mod master;
pub mod rdata;
pub mod record;

pub use record::{Record, Site};

/// Which steered record answers at a name: an index into the steering layer's live table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub u32);
