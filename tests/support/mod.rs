//! What several integration tests share: an engine to ask, servers that misbehave, certificates,
//! checks, the program as a process, clients of every transport, a resolver, and one that is asked;
//! a small service, files of other systems, GeoIP databases, a reader of pages.
// Each test uses a part; and what cannot be set up is to fail loudly.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod bed;
pub mod certificates;
pub mod checks;
pub mod clients;
pub mod control;
pub mod dns;
pub mod dnstap;
pub mod hostile;
pub mod http;
pub mod import;
pub mod mmdb;
pub mod page;
pub mod program;
pub mod service;
pub mod upstream;
