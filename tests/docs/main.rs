//! What the documentation has its readers do, done: its pages step by step, and the files for
//! regional load balancers with the load balancers themselves.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "../support/mod.rs"]
mod support;

mod regions_cloud;
mod regions_real;
mod scenarios;
mod tasks;
