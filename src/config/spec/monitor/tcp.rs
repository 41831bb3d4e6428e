//! Monitors of kind `tcp`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{DurationText, Spanned};

with_rhythm! {
    /// A monitor that opens a TCP connection.
    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct TcpSpec {
        /// Where to connect. A member's own port comes before it; one of the two must be there.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<Spanned<i64>>,
        /// What is sent once the connection stands. Escapes: `\r`, `\n`, `\t`, `\0`, `\xHH`, and two
        /// backslashes for one.
        pub send: Option<Spanned<String>>,
        /// What must come back, and when.
        pub expect: Option<TcpExpectSpec>,
    }
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
