//! Configuration files: what they mean, what is said about mistakes, and that no text does harm.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod errors;
mod examples;
mod load;
mod robust;
