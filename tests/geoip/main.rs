//! GeoIP databases of every vendor, good and bad: where an address is.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod atlas;
mod commands;
mod hostile;
mod maxmind;
mod vendors;
