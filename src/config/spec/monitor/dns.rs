//! Monitors of kind `dns`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{DurationText, Spanned};

with_rhythm! {
    /// A monitor that asks a name server, over UDP, and over TCP when the answer is truncated.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct DnsCheckSpec {
        /// Where to ask. A member's own port comes before it.
        #[schemars(range(min = 1, max = 65535), extend("default" = 53))]
        pub port: Option<Spanned<i64>>,
        /// The name asked for.
        pub query: Spanned<String>,
        /// The type asked for, such as `A`, `SOA` or `TYPE65`.
        #[schemars(extend("default" = "A"))]
        pub r#type: Option<Spanned<String>>,
        /// What the answer must be.
        pub expect: Option<DnsExpectSpec>,
    }
}

/// What the answer to a DNS query must be. All of it must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsExpectSpec {
    /// The response code.
    #[schemars(extend("default" = "NOERROR"))]
    pub rcode: Option<Spanned<String>>,
    /// Data in presentation form, such as `192.0.2.1`: all of these must be among the records of
    /// the type asked for.
    pub answer: Option<Spanned<Vec<Spanned<String>>>>,
    /// Longest time for the whole check.
    pub latency: Option<Spanned<DurationText>>,
}
