//! What each fuzz target does with its input: `run` in the module of the target's name. It ends
//! quietly, or it panics, and then a decoder or an answer is at fault.
//!
//! The fuzzer's programs call these, and so does `tests/fuzz_seeds.rs`, which runs the seeds on
//! a stable toolchain.
#![allow(dead_code, unreachable_pub)] // each program runs one of them
#![allow(clippy::unwrap_used)] // what cannot be set up is to fail loudly

pub mod cookie;
pub mod doh_request;
pub mod message;
pub mod mmdb;
pub mod name;
pub mod options;
mod reply;
mod server;
pub mod toml;
pub mod tsig;
pub mod zone_file;
