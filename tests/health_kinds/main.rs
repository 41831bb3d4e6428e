//! Checks that are not HTTP, each against real servers: success, wrong answer, silence, reset,
//! garbage; composites of checks; and all of them in the program itself.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod composite;
mod dns;
mod exec;
mod grpc;
mod program;
mod push;
mod talk;
mod tls;
