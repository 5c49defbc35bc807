//! Discovery: the table of streams as a Singer catalog. Needs no configuration and no network.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::json::row::{Row, entries};
use crate::json::text::quote;
use crate::singer::catalog::{Catalog, CatalogEntry, MetadataItem};
use crate::streams::{self, Replication, Stream};

/// Bytes of a catalog, and some more.
const USUAL_SIZE: usize = 1 << 21;

/// The catalog of every stream.
pub fn discover() -> Result<Catalog> {
    let streams = streams::all().map(entry).collect::<Result<_>>()?;
    Ok(Catalog { streams })
}

/// The catalog as text, with the streams of queries, put together from what is text already: a thousand properties are not worth a tree.
/// Lines are short: Meltano cannot read lines of 64 KiB.
pub fn print(queries: &[&'static Stream]) -> String {
    let mut text = String::with_capacity(USUAL_SIZE);
    text.push_str("{\n  \"streams\": [");
    for (nth, stream) in streams::all().chain(queries.iter().copied()).enumerate() {
        text.push_str(if nth == 0 { "\n    {" } else { ",\n    {" });
        print_entry(&mut text, stream);
        text.push_str("\n    }");
    }
    text.push_str("\n  ]\n}\n");
    text
}

fn print_entry(text: &mut String, stream: &Stream) {
    let name = quote(stream.tap_stream_id);
    let keys: Vec<String> = stream.key_properties.iter().map(|key| quote(key)).collect();
    let replication_key = stream.replication_key().map(quote);
    let parts = [
        ("tap_stream_id", Some(name.clone())),
        ("stream", Some(name)),
        ("key_properties", Some(format!("[{}]", keys.join(", ")))),
        ("replication_method", Some(quote(method(stream)))),
        ("replication_key", replication_key),
        ("schema", Some(indented(stream.schema))),
    ];
    for (part, value) in parts {
        if let Some(value) = value {
            text.extend(["\n      \"", part, "\": ", &value, ","]);
        }
    }
    text.push_str("\n      \"metadata\": [");
    let of_stream = Value::Object(stream_metadata(stream)).to_string();
    text.extend(["\n        {\"breadcrumb\": [], \"metadata\": ", &of_stream, "}"]);
    each_property(stream, &mut |breadcrumb, metadata| print_property(text, breadcrumb, metadata));
    text.push_str("\n      ]");
}

fn print_property(text: &mut String, breadcrumb: &[&str], metadata: OfProperty) {
    text.push_str(",\n        {\"breadcrumb\": [");
    for (nth, part) in breadcrumb.iter().enumerate() {
        text.extend([if nth == 0 { "" } else { ", " }, &quote(part)]);
    }
    text.extend(["], \"metadata\": {\"inclusion\": \"", metadata.inclusion, "\""]);
    match metadata.selected_by_default {
        Some(true) => text.push_str(", \"selected-by-default\": true"),
        Some(false) => text.push_str(", \"selected-by-default\": false"),
        None => {}
    }
    text.push_str("}}");
}

/// The text of a schema file as it stands inside an entry.
fn indented(schema: &str) -> String {
    schema.trim_end().replace('\n', "\n      ")
}

/// The property by which records of several organizations are told apart.
pub const ORGANIZATION_SLUG: &str = "organization_slug";

/// The catalog entry of one stream in a run over several organizations: keys hold within one.
pub fn entry_of_several(stream: &Stream) -> Result<CatalogEntry> {
    let mut entry = entry(stream)?;
    let description = "Slug of the organization; added by the tap.";
    entry.schema["properties"][ORGANIZATION_SLUG] = json!({"type": "string", "description": description});
    entry.key_properties.push(ORGANIZATION_SLUG.to_owned());
    Ok(entry)
}

/// The catalog entry of one stream, as discovery prints it.
pub fn entry(stream: &Stream) -> Result<CatalogEntry> {
    let schema: Value = serde_json::from_str(stream.schema)
        .with_context(|| format!("the schema of {} is not JSON", stream.tap_stream_id))?;
    let mut metadata = vec![MetadataItem { breadcrumb: Vec::new(), metadata: stream_metadata(stream) }];
    each_property(stream, &mut |path, of_property| {
        let breadcrumb = path.iter().map(|part| (*part).to_owned()).collect();
        metadata.push(MetadataItem { breadcrumb, metadata: of_property.to_map() });
    });
    Ok(CatalogEntry {
        tap_stream_id: stream.tap_stream_id.to_owned(),
        stream: stream.tap_stream_id.to_owned(),
        key_properties: stream.key_properties.iter().map(|key| (*key).to_owned()).collect(),
        replication_method: Some(method(stream).to_owned()),
        replication_key: stream.replication_key().map(str::to_owned),
        selected: None,
        schema,
        metadata,
    })
}

fn method(stream: &Stream) -> &'static str {
    match stream.replication {
        Replication::FullTable => "FULL_TABLE",
        Replication::Incremental { .. } => "INCREMENTAL",
    }
}

fn stream_metadata(stream: &Stream) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("inclusion".into(), json!("available"));
    metadata.insert("selected-by-default".into(), json!(stream.selected_by_default));
    metadata.insert("table-key-properties".into(), json!(stream.key_properties));
    match stream.replication {
        Replication::FullTable => metadata.insert("forced-replication-method".into(), json!("FULL_TABLE")),
        Replication::Incremental { key } => {
            metadata.insert("replication-method".into(), json!("INCREMENTAL"));
            metadata.insert("replication-key".into(), json!(key));
            metadata.insert("valid-replication-keys".into(), json!([key]))
        }
    };
    metadata.insert("request-cost".into(), json!(stream.cost));
    if let Some(parent) = stream.parent {
        metadata.insert("parent-tap-stream-id".into(), json!(parent));
    }
    metadata
}

/// What the catalog says of a property.
#[derive(Debug, Clone, Copy)]
struct OfProperty {
    inclusion: &'static str,
    selected_by_default: Option<bool>,
}

impl OfProperty {
    fn to_map(self) -> Map<String, Value> {
        let inclusion = Some(("inclusion".to_owned(), json!(self.inclusion)));
        let by_default = self.selected_by_default.map(|selected| ("selected-by-default".to_owned(), json!(selected)));
        inclusion.into_iter().chain(by_default).collect()
    }
}

/// Calls `each` with every property, those inside objects too; tools do not look inside arrays.
fn each_property(stream: &Stream, each: &mut dyn FnMut(&[&str], OfProperty)) {
    let automatic = stream.automatic();
    let of_property = |path: &[&str]| {
        let name = path[1];
        match path.len() {
            2 if automatic.contains(&name) => OfProperty { inclusion: "automatic", selected_by_default: None },
            2 => {
                let by_default = !stream.not_by_default.contains(&name);
                OfProperty { inclusion: "available", selected_by_default: Some(by_default) }
            }
            _ => OfProperty { inclusion: "available", selected_by_default: None },
        }
    };
    walk(stream.schema, &mut Vec::new(), &mut |path| each(path, of_property(path)));
}

/// Calls `each` with the breadcrumb of every property below a node of a schema.
fn walk<'a>(node: &'a str, path: &mut Vec<&'a str>, each: &mut dyn FnMut(&[&str])) {
    let Some(properties) = Row::scan(node).and_then(|node| node.get("properties")) else { return };
    entries(properties, |name, child| {
        path.extend(["properties", name]);
        each(path);
        walk(child, path, each);
        path.truncate(path.len() - 2);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_the_catalog() {
        let catalog = serde_json::to_value(discover().expect("a catalog")).expect("JSON");
        let printed = print(&[]);
        assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), catalog);
        assert!(printed.lines().all(|line| line.len() < 1000), "Meltano reads line by line");
    }
}
