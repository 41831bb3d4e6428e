//! `meridian demo`: the server with everything it needs inside, and regions to stop and start.

pub mod region;
