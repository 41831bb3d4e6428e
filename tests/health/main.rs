//! Checks against real servers: success, wrong answer, silence, reset, garbage; what becomes of
//! their verdicts; and composites of checks.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod composite;
mod dns;
mod exec;
mod grpc;
mod holds;
mod http;
mod https;
mod load;
mod program;
mod push;
mod store;
mod talk;
mod tls;
