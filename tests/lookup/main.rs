//! What the server answers, seen from outside: a message in, a message out.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod bed;

mod additional;
mod aliases;
mod chaos;
mod compression;
mod cookies;
mod delegations;
mod edns;
mod limits;
mod names;
mod options;
mod oracle;
mod refusals;
mod sources;
mod steered;
mod truncation;
