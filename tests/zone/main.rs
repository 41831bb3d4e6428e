//! Zones from master files to records that may be served.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod check;
mod differential;
mod hostile;
mod master;
mod rdata;
