//! The transports on real sockets, without the rest of the program.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod encrypted;
mod mirror;
mod tcp;
mod udp;
