//! The options as a JSON Schema, for programs that ask what a configuration may hold. Validates nothing.

use serde_json::{Map, Value, json};

use crate::config::options::{ConfigOption, Kind, OPTIONS};

fn schema_of(option: &ConfigOption) -> Value {
    let nullable = (!option.required).then_some("null");
    let types: Vec<&str> = option.kind.types().iter().copied().chain(nullable).collect();
    let mut schema = json!({"type": types, "title": option.title(), "description": option.description});
    if option.kind == Kind::Time {
        schema["format"] = json!("date-time");
    }
    if option.kind == Kind::Secret {
        (schema["secret"], schema["writeOnly"]) = (json!(true), json!(true));
    }
    if let Some(default) = option.default_value() {
        schema["default"] = default;
    }
    schema
}

/// The JSON Schema of a configuration.
pub(crate) fn schema() -> Value {
    let properties: Map<String, Value> =
        OPTIONS.iter().map(|option| (option.name.to_owned(), schema_of(option))).collect();
    let required: Vec<&str> = OPTIONS.iter().filter(|option| option.required).map(|option| option.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}
