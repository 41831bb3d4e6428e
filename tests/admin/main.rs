//! A running server asked about itself: `meridian ctl` and the HTTP API behind it, metrics, the
//! dashboard, and why a client gets its answer.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod ctl;
mod dashboard;
mod explain_dns;
mod explain_served;
mod explain_server;
mod external_dns;
mod metrics;
mod metrics_answers;
mod top;
