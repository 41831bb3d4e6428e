//! Monitors of kind `http` and `https`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::{DurationText, Entries, IntegerOrString, NotYet, Scalar, Spanned};

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
    pub expect: Option<HttpExpectSpec>,
    /// Whether the certificate must be valid; only for https.
    #[schemars(extend("default" = true))]
    pub verify_tls: Option<Spanned<bool>>,
    /// PEM file of certificate authorities trusted besides the public ones; only for https.
    pub ca: Option<Spanned<String>>,
    /// Where the member says how busy it is. Not yet supported.
    #[schemars(extend("not" = {}))]
    pub load: Option<Spanned<NotYet>>,
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
    /// Values in a JSON body by their JSON Pointer (RFC 6901).
    pub json: Option<Entries<Spanned<Scalar>>>,
    /// Values of headers of the answer.
    pub header: Option<Entries<Spanned<String>>>,
    /// Longest time for the whole check, connecting included.
    pub latency: Option<Spanned<DurationText>>,
}
