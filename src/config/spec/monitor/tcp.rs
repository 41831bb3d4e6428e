//! Monitors of kind `tcp`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DurationText, Spanned};

/// A monitor that opens a TCP connection.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpSpec {
    /// Where to connect. A member's own port comes before it; one of the two must be there.
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
    /// What is sent once the connection stands. Escapes: `\r`, `\n`, `\t`, `\0`, `\xHH`, and two
    /// backslashes for one.
    pub send: Option<Spanned<String>>,
    /// What must come back, and when.
    pub expect: Option<TcpExpectSpec>,
}

/// What must come back over a TCP connection, and when.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpExpectSpec {
    /// Text that stands somewhere in the first 64 KiB that come back; escapes as in `send`.
    pub answer: Option<Spanned<String>>,
    /// Longest time until the connection stands and the answer is there.
    pub latency: Option<Spanned<DurationText>>,
}
