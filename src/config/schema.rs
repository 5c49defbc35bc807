//! The options as a JSON Schema, for programs that ask what a configuration may hold.

use serde_json::{Map, Value, json};

use crate::config::options::{ConfigOption, Kind, OPTIONS};

impl ConfigOption {
    /// The default as a value; absent where there is none.
    pub fn default_value(&self) -> Option<Value> {
        self.default.and_then(|text| serde_json::from_str(text).ok())
    }

    /// The name as a title.
    pub fn title(&self) -> String {
        let word = |word: &str| match word {
            "api" | "url" | "ca" | "http" => word.to_uppercase(),
            _ => word[..1].to_uppercase() + &word[1..],
        };
        self.name.split('_').map(word).collect::<Vec<_>>().join(" ")
    }

    fn schema(&self) -> Value {
        let nullable = (!self.required).then_some("null");
        let types: Vec<&str> = self.kind.types().iter().copied().chain(nullable).collect();
        let mut schema = json!({"type": types, "title": self.title(), "description": self.description});
        if self.kind == Kind::Time {
            schema["format"] = json!("date-time");
        }
        if self.kind == Kind::Secret {
            (schema["secret"], schema["writeOnly"]) = (json!(true), json!(true));
        }
        if let Some(default) = self.default_value() {
            schema["default"] = default;
        }
        schema
    }
}

/// The schema of a configuration.
pub fn schema() -> Value {
    let properties: Map<String, Value> =
        OPTIONS.iter().map(|option| (option.name.to_owned(), option.schema())).collect();
    let required: Vec<&str> = OPTIONS.iter().filter(|option| option.required).map(|option| option.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}
