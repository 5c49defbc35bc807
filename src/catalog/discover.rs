//! Discovery: turns the table of streams into a Singer catalog. Needs no configuration and no network.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::singer::catalog::{Catalog, CatalogEntry, MetadataItem};
use crate::streams::{self, Replication, Stream};

/// The property that tells from which of several organizations a record is.
pub(crate) const ORGANIZATION_SLUG: &str = "organization_slug";

/// The catalog of all streams of the table and of the queries. An error means that a schema file is broken.
pub(crate) fn discover(queries: &[&'static Stream]) -> Result<Catalog> {
    let streams = streams::all().chain(queries.iter().copied()).map(entry).collect::<Result<_>>()?;
    Ok(Catalog { streams })
}

/// The catalog as text. Keeps lines short, because Meltano cannot read lines of 64 KiB.
pub(crate) fn print(queries: &[&'static Stream]) -> Result<String> {
    Ok(serde_json::to_string_pretty(&discover(queries)?).context("the catalog cannot be printed")? + "\n")
}

/// The catalog entry of one stream in a run over several organizations. The slug becomes part of the key, since
/// Sentry's keys are unique within one organization only.
pub(crate) fn entry_of_several(stream: &Stream) -> Result<CatalogEntry> {
    let mut entry = entry(stream)?;
    let description = "Slug of the organization; added by the tap.";
    entry.schema["properties"][ORGANIZATION_SLUG] = json!({"type": "string", "description": description});
    entry.key_properties.push(ORGANIZATION_SLUG.to_owned());
    Ok(entry)
}

/// The catalog entry of one stream, as discovery prints it.
pub(crate) fn entry(stream: &Stream) -> Result<CatalogEntry> {
    let schema: Value = serde_json::from_str(stream.schema)
        .with_context(|| format!("the schema of {} is not JSON", stream.tap_stream_id))?;
    let mut metadata = vec![MetadataItem { breadcrumb: Vec::new(), metadata: stream_metadata(stream) }];
    add_properties(stream, &schema, &mut Vec::new(), &mut metadata);
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

/// Adds the metadata of all properties below a schema node, also of those in nested objects. Leaves out items of
/// arrays, where tools do not look.
fn add_properties(stream: &Stream, node: &Value, path: &mut Vec<String>, items: &mut Vec<MetadataItem>) {
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.extend(["properties".to_owned(), name.clone()]);
        let metadata = property_metadata(stream, name, path.len() == 2);
        items.push(MetadataItem { breadcrumb: path.clone(), metadata });
        add_properties(stream, child, path, items);
        path.truncate(path.len() - 2);
    }
}

/// The metadata of a property. Only properties at the top of a record can be automatic or have `selected-by-default`.
fn property_metadata(stream: &Stream, name: &str, at_top: bool) -> Map<String, Value> {
    let is_automatic = at_top && stream.automatic().contains(&name);
    let inclusion = if is_automatic { "automatic" } else { "available" };
    let mut metadata = Map::from_iter([("inclusion".to_owned(), json!(inclusion))]);
    if at_top && !is_automatic {
        metadata.insert("selected-by-default".to_owned(), json!(!stream.not_by_default.contains(&name)));
    }
    metadata
}
