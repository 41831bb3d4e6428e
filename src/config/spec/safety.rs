//! `[safety]` in `meridian.toml`: what no change may break.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;

/// What no change may break, be it of files, of health, or an operator's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetySpec {
    /// So many pools stay in use for each record; a pool without which there would be fewer is
    /// kept in the answers. 0 is no rule.
    #[schemars(range(min = 0, max = 100), extend("default" = 0))]
    pub never_below: Option<Spanned<i64>>,
    /// How much of a pool's clients may be moved away in which time, as "20%/5m"; the others
    /// follow later. "" is no rule.
    #[schemars(regex(pattern = r"^([1-9][0-9]?%/[0-9]+(s|m|h|d))?$"), extend("default" = ""))]
    pub max_shift: Option<Spanned<String>>,
}
