//! What a check that succeeded has to say.

use std::time::SystemTime;

use super::marks::Marks;
use crate::health::failure::Timing;

/// What a check found.
#[derive(Debug)]
pub(in crate::health) struct Success {
    /// How long it took.
    pub(in crate::health) timing: Timing,
    /// When the certificate expires, if that is sooner than the monitor wants.
    pub(in crate::health) expiring: Option<SystemTime>,
    /// The load, 0.0 to 1.0, or why it could not be read; `None` where none is asked for.
    pub(in crate::health) load: Option<Result<f32, String>>,
}

impl Success {
    /// Of a check that ends now, and reads no load.
    pub(super) fn from_marks(marks: &Marks) -> Success {
        Success { expiring: marks.expires(), ..Success::from(marks.timing()) }
    }
}

impl From<Timing> for Success {
    fn from(timing: Timing) -> Success {
        Success { timing, expiring: None, load: None }
    }
}
