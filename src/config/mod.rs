//! Configuration: what stands in the TOML files, with its place in them.
//!
//! Plain data; knows nothing of the runtime objects that `server::build` makes of it.
