//! What several integration tests share: servers that misbehave, certificates, checks.
// Each test uses a part; and what cannot be set up is to fail loudly.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod certificates;
pub mod checks;
pub mod hostile;
