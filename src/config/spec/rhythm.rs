//! The keys of every monitor that checks at a pace of its own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{DurationText, Spanned};

/// Defines the table of a kind of monitor: its own keys, and those of its rhythm after them.
///
/// A macro and not a struct inside, because serde cannot flatten a struct into a table that
/// refuses unknown keys.
macro_rules! with_rhythm {
    (
        $(#[$table:meta])*
        pub struct $name:ident {
            $($(#[$key:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$table])*
        pub struct $name {
            $($(#[$key])* pub $field: $type,)*
            /// From the start of one check to the start of the next; 10 % jitter is added.
            #[schemars(extend("default" = "10s"))]
            pub interval: Option<$crate::config::spec::Spanned<$crate::config::spec::DurationText>>,
            /// How long a check may take; at most `interval`.
            #[schemars(extend("default" = "2s"))]
            pub timeout: Option<$crate::config::spec::Spanned<$crate::config::spec::DurationText>>,
            /// Failures in a row that turn up into down.
            #[schemars(range(min = 1, max = 100), extend("default" = 3))]
            pub fall: Option<$crate::config::spec::Spanned<i64>>,
            /// Successes in a row that turn down into up.
            #[schemars(range(min = 1, max = 100), extend("default" = 2))]
            pub rise: Option<$crate::config::spec::Spanned<i64>>,
            /// While a member stays down the interval doubles, up to this.
            pub backoff: Option<$crate::config::spec::Spanned<$crate::config::spec::DurationText>>,
            /// Whether a member that goes down often must stay good longer; or how.
            #[schemars(extend("default" = false))]
            pub damping: Option<
                $crate::config::spec::Spanned<$crate::config::spec::rhythm::DampingSpec>,
            >,
            /// Whether a member that went down stays down until a person resumes it.
            #[schemars(extend("default" = false))]
            pub manual_resume: Option<bool>,
            /// When a member that is up is warned of, and what that does to it.
            pub warn: Option<$crate::config::spec::Spanned<$crate::config::spec::rhythm::WarnSpec>>,
        }

        impl $name {
            /// The keys of its rhythm.
            pub fn rhythm(&self) -> $crate::config::spec::rhythm::RhythmSpec<'_> {
                $crate::config::spec::rhythm::RhythmSpec {
                    interval: self.interval.as_ref(),
                    timeout: self.timeout.as_ref(),
                    fall: self.fall.as_ref(),
                    rise: self.rise.as_ref(),
                    backoff: self.backoff.as_ref(),
                    damping: self.damping.as_ref(),
                    manual_resume: self.manual_resume,
                    warn: self.warn.as_ref(),
                }
            }
        }
    };
}

pub(super) use with_rhythm;

/// The keys of a monitor's rhythm as they are written.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct RhythmSpec<'a> {
    pub interval: Option<&'a Spanned<DurationText>>,
    pub timeout: Option<&'a Spanned<DurationText>>,
    pub fall: Option<&'a Spanned<i64>>,
    pub rise: Option<&'a Spanned<i64>>,
    pub backoff: Option<&'a Spanned<DurationText>>,
    pub damping: Option<&'a Spanned<DampingSpec>>,
    pub manual_resume: Option<bool>,
    pub warn: Option<&'a Spanned<WarnSpec>>,
}

/// `damping`: a switch, or a table that also switches it on.
#[derive(Debug)]
pub enum DampingSpec {
    /// `true` or `false`.
    Switch(bool),
    /// Settings, the others at their defaults.
    Table(DampingTable),
}

/// The settings of `damping`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DampingTable {
    /// In this time a score falls by half.
    #[schemars(extend("default" = "5m"))]
    pub half_life: Option<Spanned<DurationText>>,
    /// From this score on a member is held down; every time it goes down adds 1.
    #[schemars(range(min = 0.1, max = 100), extend("default" = 1.0))]
    pub suppress: Option<Spanned<f64>>,
    /// Below this score it is held down no longer; lower than `suppress`.
    #[schemars(range(min = 0.01, max = 100), extend("default" = 0.4))]
    pub reuse: Option<Spanned<f64>>,
    /// A member that stays good is held down so long at most.
    #[schemars(extend("default" = "20m"))]
    pub max_hold: Option<Spanned<DurationText>>,
}

/// `warn`: when a member that is up is warned of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarnSpec {
    /// A check that succeeds and takes longer counts towards a warning.
    pub latency: Option<Spanned<DurationText>>,
    /// A check that succeeds counts towards a warning when the load is higher after it. Needs the
    /// monitor's `load`.
    #[schemars(range(min = 0.01, max = 0.99))]
    pub load: Option<Spanned<f64>>,
    /// What is left of the member's weight meanwhile.
    #[schemars(extend("default" = "50%", "pattern" = "^(100|[0-9]{1,2})%$"))]
    pub weight: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for DampingSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DampingSpec, D::Error> {
        struct DampingVisitor;

        impl<'de> Visitor<'de> for DampingVisitor {
            type Value = DampingSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or a table")
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<DampingSpec, E> {
                Ok(DampingSpec::Switch(on))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DampingSpec, A::Error> {
                DampingTable::deserialize(MapAccessDeserializer::new(map)).map(DampingSpec::Table)
            }
        }

        deserializer.deserialize_any(DampingVisitor)
    }
}

impl JsonSchema for DampingSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DampingSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<DampingTable>();
        json_schema!({ "oneOf": [{ "type": "boolean" }, table] })
    }
}
