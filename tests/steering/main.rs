//! Which answer a client gets and who moves when, without a socket: stories, simulations, and the
//! two implementations held against each other.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod answers;
mod case;
mod choices;
mod explore;
mod files;
mod latency_calm;
mod property;
mod safety;
mod shares;
mod stories;
mod ttl;
