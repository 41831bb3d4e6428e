//! What the server answers, seen from outside: a message in, a message out.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod additional;
mod aliases;
mod chaos;
mod compression;
mod cookies;
mod delegations;
mod edns;
mod limits;
mod malformed;
mod names;
mod options;
mod oracle;
mod refusals;
mod sources;
mod steered;
mod transfer;
mod truncation;
