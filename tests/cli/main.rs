//! The commands, each run as a user runs it: files in a directory, what is printed, how it ends.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod check;
mod complete;
mod demo;
mod diff;
mod explain;
mod export;
mod foresee;
mod import;
mod import_servers;
mod latency;
mod test;
mod texts;
