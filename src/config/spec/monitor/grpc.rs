//! Monitors of kind `grpc`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DurationText, Spanned};

/// A monitor that calls `grpc.health.v1.Health/Check` over HTTP/2 and wants `SERVING`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcSpec {
    /// Where to connect. A member's own port comes before it; one of the two must be there.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<i64>>,
    /// The service asked about; empty is the server as a whole.
    #[schemars(extend("default" = ""))]
    pub service: Option<Spanned<String>>,
    /// Whether to speak TLS.
    #[schemars(extend("default" = false))]
    pub tls: Option<Spanned<bool>>,
    /// `:authority`, and with `tls` the name in SNI and in the certificate; by default the
    /// member's own address or name.
    pub host: Option<Spanned<String>>,
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
    /// Whether the certificate must be valid.
    #[schemars(extend("default" = true))]
    pub verify_tls: Option<Spanned<bool>>,
    /// PEM file of certificate authorities trusted besides the public ones.
    pub ca: Option<Spanned<String>>,
    /// What the call must be like.
    pub expect: Option<GrpcExpectSpec>,
}

/// What a call must be like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcExpectSpec {
    /// Longest time for the whole check.
    pub latency: Option<Spanned<DurationText>>,
}
