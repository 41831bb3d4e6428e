//! Monitors of kind `dns`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DurationText, Spanned};

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
    /// What the answer must be.
    pub expect: Option<DnsExpectSpec>,
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
