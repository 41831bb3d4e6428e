//! What each fuzz target does with its input: `run` in the module of the target's name. It ends
//! quietly, or it panics, and then a decoder or an answer is at fault.
//!
//! The fuzzer calls these, and so does `tests/fuzz_seeds.rs`, which runs the seeds without it.
#![allow(dead_code, unreachable_pub)] // the tests name each of them
#![allow(clippy::unwrap_used)] // what cannot be set up is to fail loudly

pub mod cookie;
pub mod doh_request;
pub mod message;
pub mod mmdb;
pub mod name;
pub mod options;
pub mod query_log;
mod reply;
mod server;
pub mod toml;
pub mod tsig;
pub mod zone_file;

/// What a target does with one input.
pub type Run = fn(&[u8]);

/// Every target, by its name.
pub const ALL: [(&str, Run); 10] = [
    ("cookie", cookie::run),
    ("doh_request", doh_request::run),
    ("message", message::run),
    ("mmdb", mmdb::run),
    ("name", name::run),
    ("options", options::run),
    ("query_log", query_log::run),
    ("toml", toml::run),
    ("tsig", tsig::run),
    ("zone_file", zone_file::run),
];
