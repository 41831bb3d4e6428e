//! `load` of a monitor: where a member says how busy it is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entries, Spanned, StringOr};

/// Where a member says how busy it is: exactly one of `json`, `header`, `haproxy`, `nginx` and
/// `envoy`, and what belongs to it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSpec {
    /// JSON Pointer (RFC 6901) to a number from 0.0 to 1.0; or, with `formula`, pointers by name.
    pub json: Option<Spanned<StringOr<Entries<Spanned<String>>>>>,
    /// The load from the numbers that `json` names, such as `0.5*cpu + 0.5*memory`: `+`, `-`, `*`,
    /// `/`, parentheses, `min(…)` and `max(…)`.
    pub formula: Option<Spanned<String>>,
    /// A header whose value is a number from 0.0 to 1.0.
    pub header: Option<Spanned<String>>,
    /// Path of HAProxy's statistics as CSV, such as `/stats;csv`; needs `backend`.
    pub haproxy: Option<Spanned<String>>,
    /// The backend whose sessions count.
    pub backend: Option<Spanned<String>>,
    /// Path of nginx's stub_status; needs `connections`.
    pub nginx: Option<Spanned<String>>,
    /// Active connections that are a load of 1.0.
    #[schemars(range(min = 1))]
    pub connections: Option<Spanned<i64>>,
    /// Path of Envoy's statistics, such as `/stats`; needs `stat` and `limit`.
    pub envoy: Option<Spanned<String>>,
    /// The counter or gauge that counts, such as `cluster.app.upstream_rq_active`.
    pub stat: Option<Spanned<String>>,
    /// The value of `stat` that is a load of 1.0.
    #[schemars(range(min = 1))]
    pub limit: Option<Spanned<i64>>,
    /// For `json` and `header`: another page than the one that is checked.
    pub path: Option<Spanned<String>>,
    /// The page's port, when it is not the one that is checked.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<i64>>,
    /// Whether the page is asked over TLS; by default as the check.
    pub tls: Option<Spanned<bool>>,
}
