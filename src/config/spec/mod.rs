//! The files as they are written: one type for each table, read strictly by serde.
//!
//! A `Spec` knows shapes (keys, types, the words of an enumeration) and where each value
//! stands. What the values mean is worked out beside it, in `config`.

pub mod case;
pub mod load;
pub mod maintenance;
pub mod monitor;
pub mod policy;
pub mod pool;
pub mod record;
pub mod resolver;
pub mod rhythm;
pub mod safety;
pub mod server;
pub mod transfer;
pub mod value;
pub mod webhook;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, json_schema};

pub use maintenance::MaintenanceSpec;
pub use monitor::MonitorSpec;
pub use policy::PolicySpec;
pub use pool::PoolSpec;
pub use record::RecordSpec;
pub use rhythm::{DampingSpec, RhythmSpec, WarnSpec};
pub use server::ServerFile;
pub use value::{
    DurationText, Entries, IntegerOrString, Scalar, Spanned, StringOr, TimeText, Words,
};

/// A file of monitors, pools, policies and records: `config/policies/NAME.toml`.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyFile {
    /// How members are checked, by name.
    pub monitor: Option<BTreeMap<String, MonitorSpec>>,
    /// Regions: their load balancers, by name. Pools and policies share one name space.
    pub pool: Option<BTreeMap<String, PoolSpec>>,
    /// How a target is chosen, by name. Pools and policies share one name space.
    pub policy: Option<BTreeMap<String, PolicySpec>>,
    /// DNS names in served zones that a pool or policy answers for.
    pub record: Option<BTreeMap<String, RecordSpec>>,
    /// Times in which pools are given to nobody.
    pub maintenance: Option<Vec<MaintenanceSpec>>,
}

impl PolicyFile {
    /// The tables such a file may hold.
    pub const TABLES: &'static [&'static str] =
        &["monitor", "pool", "policy", "record", "maintenance"];

    /// Those without names, which may be there more than once.
    pub const LISTS: &'static [&'static str] = &["maintenance"];
}

/// The schema of a table whose `kind` decides its other keys.
fn schema_by_kind(kinds: impl IntoIterator<Item = (&'static str, Schema)>) -> Schema {
    let kinds = kinds.into_iter().map(|(kind, mut schema)| {
        let object = schema.ensure_object();
        if let Some(serde_json::Value::Object(properties)) = object.get_mut("properties") {
            properties.shift_insert(0, "kind".to_owned(), serde_json::json!({ "const": kind }));
        }
        let required = object.entry("required").or_insert_with(|| serde_json::json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, "kind".into());
        }
        schema
    });
    json_schema!({ "oneOf": kinds.collect::<Vec<_>>() })
}
