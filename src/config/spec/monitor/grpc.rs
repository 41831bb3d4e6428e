//! Monitors of kind `grpc`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::tls::OnExpirySpec;
use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{DurationText, Spanned};

with_rhythm! {
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
        /// Whether the certificate must be valid.
        #[schemars(extend("default" = true))]
        pub verify_tls: Option<Spanned<bool>>,
        /// PEM file of certificate authorities trusted besides the public ones.
        pub ca: Option<Spanned<String>>,
        /// PEM file of the certificate that is shown to a member that asks for one.
        pub client_certificate: Option<Spanned<String>>,
        /// PEM file of its private key.
        pub client_key: Option<Spanned<String>>,
        /// What the call must be like.
        pub expect: Option<GrpcExpectSpec>,
    }
}

/// What a call must be like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcExpectSpec {
    /// Days that the certificate must still be valid; only with `tls`.
    #[schemars(range(min = 1, max = 1000))]
    pub certificate_days: Option<Spanned<i64>>,
    /// What a certificate that expires sooner is: a warning in the log and in `explain`, or a
    /// failure of the check.
    #[schemars(extend("default" = "warn"))]
    pub on_expiry: Option<Spanned<OnExpirySpec>>,
    /// Longest time for the whole check.
    pub latency: Option<Spanned<DurationText>>,
}
