//! Monitors of kind `exec`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DurationText, Spanned, Words};

/// A monitor that runs a program; its exit code 0 is a success. Refused unless the server's file
/// allows it: `[health] exec = true`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// The program, relative to this file, and what it is given. There is no shell, and `PATH` is
    /// not searched.
    pub command: Words,
    /// The port that the program is told. A member's own port comes before it.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<i64>>,
    /// From the start of one check to the start of the next; 10 % jitter is added.
    #[schemars(extend("default" = "10s"))]
    pub interval: Option<Spanned<DurationText>>,
    /// How long a check may take; at most `interval`.
    #[schemars(extend("default" = "2s"))]
    pub timeout: Option<Spanned<DurationText>>,
    /// Failures in a row that turn up into down.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub fall: Option<Spanned<i64>>,
    /// Successes in a row that turn down into up.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub rise: Option<Spanned<i64>>,
}
