//! Monitors of kind `all`, `any` and `at_least`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::Spanned;

/// A monitor that goes by others, each of which keeps its own interval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompositeSpec {
    /// The monitors it goes by; composites are allowed, loops are not.
    pub monitors: Spanned<Vec<Spanned<String>>>,
}

/// A monitor that wants some of others up, each of which keeps its own interval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLeastSpec {
    /// The monitors it goes by; composites are allowed, loops are not.
    pub monitors: Spanned<Vec<Spanned<String>>>,
    /// How many of them must be up.
    #[schemars(range(min = 1))]
    pub count: Spanned<i64>,
}
