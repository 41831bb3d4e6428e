//! The JSON Schema of the configuration, made from the types that read it.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::spec::{MonitorSpec, PolicyFile, PolicySpec, ServerFile};

/// The JSON Schema (draft 2020-12) of both kinds of files, as pretty JSON with a newline at the
/// end. A file fits if it is a server's own file or a policy file.
pub fn schema() -> String {
    let mut generator = generator();
    let server = generator.subschema_for::<ServerFile>();
    let policy = generator.subschema_for::<PolicyFile>();
    let mut schema = schemars::json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Meridian configuration",
        "description": "The server's own file (meridian.toml) or a file of monitors, pools, \
                        policies and records (policies/*.toml).",
        "anyOf": [server, policy],
        "$defs": generator.take_definitions(true),
    });
    NoNull.transform(&mut schema);
    let mut text = format!("{:#}", schema.to_value());
    text.push('\n');
    text
}

/// The kinds of a group of tables (`monitor`, `policy`) whose tables know a key.
pub(super) fn kinds_with_key(group: &str, key: &str) -> Vec<String> {
    let mut generator = generator();
    let schema = match group {
        "monitor" => MonitorSpec::json_schema(&mut generator),
        "policy" => PolicySpec::json_schema(&mut generator),
        _ => return vec![],
    };
    let kinds = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let with_key = kinds.filter(|kind| kind["properties"].get(key).is_some());
    with_key.filter_map(|k| Some(k["properties"]["kind"]["const"].as_str()?.to_owned())).collect()
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// Takes `null` out of the types: schemars adds it to every optional value, and TOML has none.
#[derive(Debug, Clone)]
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = &types[..] {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| *choice != json!({ "type": "null" }));
            if let [Value::Object(only)] = &choices[..] {
                let only = only.clone();
                object.shift_remove("anyOf");
                object.extend(only);
            }
        }
        if let Some(Value::Array(words)) = object.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
    }
}
