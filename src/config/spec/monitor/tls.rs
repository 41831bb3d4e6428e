//! Monitors of kind `tls`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{DurationText, Spanned};

with_rhythm! {
    /// A monitor that opens a TCP connection and shakes hands by TLS.
    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct TlsCheckSpec {
        /// Where to connect. A member's own port comes before it.
        #[schemars(range(min = 1, max = 65535), extend("default" = 443))]
        pub port: Option<Spanned<i64>>,
        /// The name in SNI and in the certificate; by default the member's own address or name.
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
        /// What the handshake must be like.
        pub expect: Option<TlsExpectSpec>,
    }
}

/// What a TLS handshake must be like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsExpectSpec {
    /// Days that the certificate must still be valid.
    #[schemars(range(min = 1, max = 1000))]
    pub certificate_days: Option<Spanned<i64>>,
    /// What a certificate that expires sooner is: a warning in the log and in `explain`, or a
    /// failure of the check.
    #[schemars(extend("default" = "warn"))]
    pub on_expiry: Option<Spanned<OnExpirySpec>>,
    /// Longest time for the whole check.
    pub latency: Option<Spanned<DurationText>>,
}

/// What a certificate is that expires too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum OnExpirySpec {
    Warn,
    Fail,
}
