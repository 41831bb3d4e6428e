//! `[[maintenance]]`: pools that are to be empty for a time.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, Spanned, TimeText};

/// A time in which a pool is given to nobody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceSpec {
    /// Which.
    pub pool: Spanned<String>,
    /// From when on it is empty, once. This, or `every`.
    pub from: Option<Spanned<TimeText>>,
    /// From when on it is empty in each week: a day and a time of day in UTC, as "sun 02:00".
    #[schemars(extend("pattern" = "^(mon|tue|wed|thu|fri|sat|sun) ([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub every: Option<Spanned<String>>,
    /// When its clients begin to come back. This, or `for`; with `every`, `for`.
    pub until: Option<Spanned<TimeText>>,
    /// How long it is empty.
    #[serde(rename = "for")]
    pub length: Option<Spanned<DurationText>>,
    /// How long its clients take to leave before, and to come back after.
    #[schemars(extend("default" = "10m"))]
    pub over: Option<Spanned<DurationText>>,
    /// Why; it is told wherever the maintenance is.
    pub reason: Option<String>,
}
