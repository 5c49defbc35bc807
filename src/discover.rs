//! Discovery: the table of streams as a Singer catalog. Needs no configuration and no network.

use anyhow::{Context, Result};
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::json::row::{Row, entries};

use crate::singer::catalog::{Catalog, CatalogEntry, MetadataItem};
use crate::streams::{self, Replication, Stream};

/// Bytes of a catalog, and some more.
const USUAL_SIZE: usize = 1 << 21;

/// The catalog of every stream.
pub fn discover() -> Result<Catalog> {
    let streams = streams::all().map(entry).collect::<Result<_>>()?;
    Ok(Catalog { streams })
}

/// The catalog as text, made stream by stream. Pretty-printed: Meltano cannot read lines of 64 KiB.
pub fn print() -> Result<String> {
    let mut text = Vec::with_capacity(USUAL_SIZE);
    serde_json::to_writer_pretty(&mut text, &Printed { streams: Entries })?;
    text.push(b'\n');
    Ok(String::from_utf8(text)?)
}

#[derive(Serialize)]
struct Printed {
    streams: Entries,
}

/// All entries, each made when it is written.
struct Entries;

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for stream in streams::all() {
            let schema = indented(stream.schema);
            let schema: &RawValue = serde_json::from_str(&schema).map_err(serde::ser::Error::custom)?;
            list.serialize_element(&PrintedEntry {
                tap_stream_id: stream.tap_stream_id,
                stream: stream.tap_stream_id,
                key_properties: stream.key_properties,
                replication_method: method(stream),
                replication_key: stream.replication_key(),
                metadata: PrintedMetadata(stream),
                schema,
            })?;
        }
        list.end()
    }
}

/// As `CatalogEntry`, without copies.
#[derive(Serialize)]
struct PrintedEntry<'a> {
    tap_stream_id: &'a str,
    stream: &'a str,
    key_properties: &'a [&'a str],
    replication_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_key: Option<&'a str>,
    schema: &'a RawValue,
    metadata: PrintedMetadata<'a>,
}

struct PrintedMetadata<'a>(&'a Stream);

/// As `MetadataItem`, without copies.
#[derive(Serialize)]
struct PrintedItem<'a, M> {
    breadcrumb: &'a [&'a str],
    metadata: M,
}

impl Serialize for PrintedMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&PrintedItem { breadcrumb: &[], metadata: stream_metadata(self.0) })?;
        let mut result = Ok(());
        each_property(self.0, &mut |breadcrumb, metadata| {
            if result.is_ok() {
                result = list.serialize_element(&PrintedItem { breadcrumb, metadata });
            }
        });
        result?;
        list.end()
    }
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
#[derive(Debug, Clone, Copy, Serialize)]
struct OfProperty {
    inclusion: &'static str,
    #[serde(rename = "selected-by-default", skip_serializing_if = "Option::is_none")]
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
        let printed = print().expect("a catalog");
        assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), catalog);
        assert!(printed.lines().all(|line| line.len() < 1000), "Meltano reads line by line");
    }
}
