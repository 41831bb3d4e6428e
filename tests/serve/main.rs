//! `meridian serve` from its start to its end, on real sockets: what it answers, what it does when
//! files, regions and signals come, and what it bears.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod generations;
mod health;
mod hostile;
mod hosts;
mod limits;
mod maintenance;
mod notify;
mod query_log;
mod reload;
mod restart;
mod safety;
mod shares;
mod start;
mod systemd;
mod ttl;
mod types;
mod user;
mod warned;
mod webhooks;
