//! What several integration tests share: servers that misbehave, certificates, checks,
//! the program as a process, a resolver to ask it, and one that it asks; a reader of its pages.
// Each test uses a part; and what cannot be set up is to fail loudly.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod certificates;
pub mod checks;
pub mod control;
pub mod dns;
pub mod dnstap;
pub mod hostile;
pub mod http;
pub mod page;
pub mod program;
pub mod upstream;
