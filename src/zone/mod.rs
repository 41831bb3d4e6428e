//! Zones: master files, names, RRsets, and lookup (RFC 1034 section 4.3.2).
//!
//! A steered name holds a [`RecordId`], an integer; this layer never sees a policy.

mod build;
pub mod check;
pub mod label;
pub mod lookup;
pub mod master;
mod pack;
pub mod rdata;
pub mod record;
pub mod rrset;
pub mod source;
mod table;
mod template;
pub mod walk;
pub mod zones;

pub use lookup::{Found, Outcome, Sight};
pub use record::{Record, Site};
pub use rrset::{Owner, Rrset};
pub use source::{BuildError, Steered, ZoneSource};
pub use walk::{Entry, Walk};
pub use zones::{Zone, ZoneId, Zones};

/// Which steered record answers at a name: an index into the steering layer's live table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub u32);
