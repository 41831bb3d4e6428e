//! `[resolver]`: how members given by host name are looked up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, Spanned};

/// How members given by host name are looked up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolverSpec {
    /// Resolvers that are asked, in this order: addresses, with a port unless it is 53. Empty: those
    /// of the system, in /etc/resolv.conf.
    #[schemars(extend("default" = []))]
    pub servers: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long addresses are kept after their time to live has run out and nobody could be asked.
    #[schemars(extend("default" = "1h"))]
    pub stale: Option<Spanned<DurationText>>,
    /// A name is looked up again when the time to live of its addresses has run out, and not sooner
    /// than this.
    #[schemars(extend("default" = "5s"))]
    pub refresh_min: Option<Spanned<DurationText>>,
    /// And not later than this.
    #[schemars(extend("default" = "5m"))]
    pub refresh_max: Option<Spanned<DurationText>>,
}
