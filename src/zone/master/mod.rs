//! Master files.

pub(crate) mod scanner;
