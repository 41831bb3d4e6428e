//! The check that is content with a connection.

use super::marks::Marks;
use super::resolve::Lookup;
use crate::health::failure::{Failure, Timing};

/// Connects to the first address of a target that accepts.
#[derive(Debug)]
pub(super) struct Tcp {
    lookup: Lookup,
}

impl Tcp {
    pub(super) fn new(lookup: Lookup) -> Tcp {
        Tcp { lookup }
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        self.lookup.clone().connect(marks).await?;
        marks.connected();
        Ok(marks.timing())
    }
}
