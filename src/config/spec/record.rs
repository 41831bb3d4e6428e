//! `[record."NAME"]`: a DNS name bound to a pool or policy.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Spanned, Words};

/// A `[record."NAME"]` table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSpec {
    /// The pool or policy that answers.
    #[serde(rename = "use")]
    pub target: Spanned<String>,
    /// How long resolvers keep an answer, in seconds.
    #[schemars(range(min = 0, max = 604_800), extend("default" = 30))]
    pub ttl: Option<Spanned<i64>>,
    /// While a check has begun to speak for another verdict, the TTL falls to the time that it still
    /// needs (interval times checks), in seconds, and not below this. Not written: it never falls.
    #[schemars(range(min = 1, max = 604_800))]
    pub ttl_min: Option<Spanned<i64>>,
    /// What is said when nothing is up: "all", "last-known", "nodata", "servfail", or a list
    /// of addresses.
    #[schemars(extend("default" = "all"))]
    pub on_all_down: Option<Words>,
}
