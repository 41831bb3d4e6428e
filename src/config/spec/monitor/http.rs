//! Monitors of kind `http` and `https`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::tls::OnExpirySpec;
use crate::config::spec::load::LoadSpec;
use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{DurationText, Entries, IntegerOrString, Scalar, Spanned, StringOr};

with_rhythm! {
    /// A monitor that asks for a page over HTTP or HTTPS.
    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct HttpSpec {
        /// Where to connect; 80 for http, 443 for https. A member's own port comes before it.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<Spanned<i64>>,
        /// The path, with its query string.
        #[schemars(extend("default" = "/"))]
        pub path: Option<Spanned<String>>,
        /// The method.
        #[schemars(extend("default" = "GET"))]
        pub method: Option<Spanned<String>>,
        /// Host header, and for https the name in the certificate; by default the member's own
        /// address or name.
        pub host: Option<Spanned<String>>,
        /// Further headers of the request.
        pub headers: Option<Entries<Spanned<String>>>,
        /// What the answer must be.
        pub expect: Option<HttpExpectSpec>,
        /// Whether the certificate must be valid; only for https.
        #[schemars(extend("default" = true))]
        pub verify_tls: Option<Spanned<bool>>,
        /// PEM file of certificate authorities trusted besides the public ones; only for https.
        pub ca: Option<Spanned<String>>,
        /// PEM file of the certificate that is shown to a member that asks for one; only for https.
        pub client_certificate: Option<Spanned<String>>,
        /// PEM file of its private key.
        pub client_key: Option<Spanned<String>>,
        /// The body of the request; not with GET and HEAD.
        pub send: Option<Spanned<String>>,
        /// Whether HTTP/2 is spoken: always, never, or with "auto" over TLS where the member does.
        #[schemars(extend("default" = "auto", "enum" = [true, false, "auto"]))]
        pub http2: Option<Spanned<Scalar>>,
        /// Where the member says how busy it is.
        pub load: Option<Spanned<LoadSpec>>,
    }
}

/// What the answer to an HTTP check must be. All of it must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpExpectSpec {
    /// Status codes (200, "204") and ranges ("200-299").
    #[schemars(extend("default" = ["200-299"]))]
    pub status: Option<Spanned<Vec<Spanned<IntegerOrString>>>>,
    /// Text that stands somewhere in the body.
    pub body: Option<Spanned<String>>,
    /// A regular expression that matches somewhere in the body.
    pub body_regex: Option<Spanned<String>>,
    /// Values in a JSON body by their JSON Pointer (RFC 6901).
    pub json: Option<Entries<Spanned<Scalar>>>,
    /// Headers of the answer: a value, or `{ regex = "…" }` or `{ present = true }`.
    pub header: Option<Entries<Spanned<StringOr<HeaderExpectSpec>>>>,
    /// Days that the certificate must still be valid; only for https.
    #[schemars(range(min = 1, max = 1000))]
    pub certificate_days: Option<Spanned<i64>>,
    /// What a certificate that expires sooner is: a warning in the log and in `explain`, or a
    /// failure of the check.
    #[schemars(extend("default" = "warn"))]
    pub on_expiry: Option<Spanned<OnExpirySpec>>,
    /// Longest time for the whole check, connecting included.
    pub latency: Option<Spanned<DurationText>>,
}

/// What a header of an answer must be. Exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderExpectSpec {
    /// A regular expression that matches somewhere in the value.
    pub regex: Option<Spanned<String>>,
    /// Whether it must be there, with any value, or must not.
    pub present: Option<Spanned<bool>>,
}
