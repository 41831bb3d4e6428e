//! Geography: from a client's address to its location, and tables over address ranges.
//!
//! Knows database vendors, countries, cloud regions and distances. Knows nothing of policies.

pub mod address;
pub mod location;
pub mod ranges;

pub use address::{Unwrapped, unwrap};
pub use location::{Continent, Coordinates, Country, Location, LocationId};
pub use ranges::{Address, RangeMap};
