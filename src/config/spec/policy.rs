//! `[policy.NAME]`: how a target is chosen.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use toml::de::DeValue;

use super::{DurationText, Spanned, StringOr, Words, schema_by_kind};
use crate::config::decode::{Misfit, decode, take_kind};

/// A `[policy.NAME]` table, by its `kind`.
#[derive(Debug)]
pub enum PolicySpec {
    /// `failover`
    Failover(FailoverSpec),
    /// `round-robin`
    RoundRobin(RoundRobinSpec),
    /// `weighted`
    Weighted(WeightedSpec),
    /// `sticky`
    Sticky(StickySpec),
    /// `geo`
    Geo(GeoSpec),
    /// `nearest`
    Nearest(NearestSpec),
    /// `latency`
    Latency(LatencySpec),
    /// `load`
    Load(LoadPolicySpec),
}

/// The kinds of policies.
pub const KINDS: &[&str] =
    &["failover", "round-robin", "weighted", "sticky", "geo", "nearest", "latency", "load"];

impl PolicySpec {
    /// Reads a table by its kind.
    pub(in crate::config) fn decode(
        mut value: toml::Spanned<DeValue<'_>>,
        misfits: &mut Vec<Misfit>,
    ) -> Option<PolicySpec> {
        match take_kind(&mut value, KINDS, misfits)? {
            "failover" => decode(value, misfits).map(PolicySpec::Failover),
            "round-robin" => decode(value, misfits).map(PolicySpec::RoundRobin),
            "weighted" => decode(value, misfits).map(PolicySpec::Weighted),
            "sticky" => decode(value, misfits).map(PolicySpec::Sticky),
            "geo" => decode(value, misfits).map(PolicySpec::Geo),
            "nearest" => decode(value, misfits).map(PolicySpec::Nearest),
            "latency" => decode(value, misfits).map(PolicySpec::Latency),
            _ => decode(value, misfits).map(PolicySpec::Load),
        }
    }
}

impl JsonSchema for PolicySpec {
    fn schema_name() -> Cow<'static, str> {
        "PolicySpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema_by_kind([
            ("failover", FailoverSpec::json_schema(generator)),
            ("round-robin", RoundRobinSpec::json_schema(generator)),
            ("weighted", WeightedSpec::json_schema(generator)),
            ("sticky", StickySpec::json_schema(generator)),
            ("geo", GeoSpec::json_schema(generator)),
            ("nearest", NearestSpec::json_schema(generator)),
            ("latency", LatencySpec::json_schema(generator)),
            ("load", LoadPolicySpec::json_schema(generator)),
        ])
    }
}

/// The first target in the list that is up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverSpec {
    /// Pools and policies, the most wanted first.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<String>>>,
    /// So many of the best targets that are up stand in one answer, with all their members.
    #[schemars(range(min = 1, max = 16), extend("default" = 1))]
    pub take: Option<Spanned<i64>>,
}

/// The members of all targets that are up in one answer, rotated by one with every query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundRobinSpec {
    /// Pools and policies.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<String>>>,
    /// At most so many addresses in one answer.
    #[schemars(range(min = 1, max = 255), extend("default" = 8))]
    pub answers: Option<Spanned<i64>>,
}

/// One target that is up, by weight.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedSpec {
    /// Pools and policies with their weights.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<StringOr<WeightedTargetSpec>>>>,
    /// Drawn anew for each query, or the same for the same client.
    #[schemars(extend("default" = "query"))]
    pub spread: Option<Spanned<Spread>>,
}

/// One target that is up, by weight, and always the same for the same client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StickySpec {
    /// Pools and policies with their weights.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<StringOr<WeightedTargetSpec>>>>,
}

/// A target and its share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedTargetSpec {
    /// A pool or policy.
    pub to: Spanned<String>,
    /// Its share is its weight by the sum of all; 0 is used only when no other is up.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1))]
    pub weight: Option<Spanned<i64>>,
}

/// The most specific rule that matches where the client is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoSpec {
    /// Where clients are, and the targets for them. The order does not matter.
    #[schemars(length(min = 1))]
    pub rules: Spanned<Vec<Spanned<RuleSpec>>>,
    /// For clients that no rule matches: a target, several in order of preference, or "none".
    pub default: Option<Words>,
    /// What is done when the matched target is down.
    #[schemars(extend("default" = "climb"))]
    pub on_down: Option<Spanned<OnDown>>,
}

/// One rule of a geo policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// "net:192.0.2.0/24", "asn:64500", "city:London" or "city:GB/London",
    /// "subdivision:US-CA", "country:GB", "continent:EU"; or several of them.
    #[serde(rename = "match")]
    pub matches: Words,
    /// A target, several in order of preference, or "none" for a deliberate empty answer.
    pub to: Words,
}

/// The target that is up with the smallest distance from the client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NearestSpec {
    /// Pools and policies; all need a location.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<StringOr<BiasedTargetSpec>>>>,
    /// So many of the best targets that are up stand in one answer, with all their members.
    #[schemars(range(min = 1, max = 16), extend("default" = 1))]
    pub take: Option<Spanned<i64>>,
}

/// A target and how much nearer or farther it is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BiasedTargetSpec {
    /// A pool or policy.
    pub to: Spanned<String>,
    /// Per cent by which its distances are shortened.
    #[schemars(range(min = -99, max = 99), extend("default" = 0))]
    pub bias: Option<Spanned<i64>>,
}

/// The target that is up with the lowest estimated latency.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencySpec {
    /// Pools and policies; all need a location or rows in the table.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<String>>>,
    /// CSV file with the columns match, pool, ms and, if its heading says so, samples: what is
    /// known of the network's latency.
    pub table: Option<Spanned<String>>,
    /// What decides among targets whose estimates are within a band: `cost` of their pools.
    pub prefer: Option<Spanned<Prefer>>,
    /// The band of `prefer`: how much over the lowest estimate a cheaper target may be, 1 ms to
    /// 1 s.
    #[schemars(extend("default" = "15ms"))]
    pub within: Option<Spanned<DurationText>>,
    /// The part of the clients, by network and for an hour each, who are sent to another target
    /// that is up, so that it is measured: up to "10%".
    #[schemars(extend("default" = "0%", "pattern" = "^(10(\\.0+)?|[0-9](\\.[0-9]+)?)%$"))]
    pub explore: Option<Spanned<String>>,
}

/// The target that is up and the least busy, in proportion to its weight.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadPolicySpec {
    /// Pools and policies with their weights; all need monitors that read a `load`.
    #[schemars(length(min = 1))]
    pub targets: Spanned<Vec<Spanned<StringOr<LoadTargetSpec>>>>,
}

/// A target and how much it can carry beside the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadTargetSpec {
    /// A pool or policy.
    pub to: Spanned<String>,
    /// A target with twice the weight is taken as long as it is less than twice as busy.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1))]
    pub weight: Option<Spanned<i64>>,
}

/// What decides among targets with nearly the same latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Prefer {
    /// The lowest `cost` of the pool.
    Cheapest,
}

/// Who gets the same draw of a weighted policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Spread {
    /// Nobody: each query draws.
    #[default]
    Query,
    /// Every client of one /24 or /56.
    Client,
}

/// What a geo policy does when the matched target is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum OnDown {
    /// The next broader rule that matches and is up, in the end the default.
    #[default]
    Climb,
    /// The closest pool of the policy that is up.
    Nearest,
    /// Nothing else: the matched rule or `on_all_down`.
    Fence,
}
