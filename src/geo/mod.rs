//! Geography: from a client's address to its location, and tables over address ranges.
//!
//! ```text
//! database files ──► Database ─┐
//! operator networks ► Network ─┼─► Atlas: address -> LocationId -> Location
//! country table ─────► country ┘
//! ```
//!
//! Knows database vendors, countries, cloud regions and distances. Knows nothing of policies.

pub mod address;
pub mod atlas;
pub mod country;
pub mod database;
pub mod location;
pub mod network;
pub mod provenance;
pub mod ranges;
pub mod region;

mod embedded;
mod finding;

pub use address::{Unwrapped, unwrap};
pub use atlas::Atlas;
pub use country::CountryInfo;
pub use database::{Database, DatabaseError};
pub use embedded::embedded;
pub use location::{Continent, Coordinates, Country, Location, LocationId};
pub use network::Network;
pub use provenance::{Provenance, provenance};
pub use ranges::{Address, RangeMap};
pub use region::CloudRegion;
