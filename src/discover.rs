//! Discovery: the table of streams as a Singer catalog. Needs no configuration and no network.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::singer::catalog::{Catalog, CatalogEntry, MetadataItem};
use crate::streams::{self, Replication, Stream};

/// The catalog of every stream.
pub fn discover() -> Result<Catalog> {
    let streams = streams::all().map(entry).collect::<Result<_>>()?;
    Ok(Catalog { streams })
}

/// The catalog entry of one stream, as discovery prints it.
pub fn entry(stream: &Stream) -> Result<CatalogEntry> {
    let schema: Value = serde_json::from_str(stream.schema)
        .with_context(|| format!("the schema of {} is not JSON", stream.tap_stream_id))?;
    let mut metadata = vec![MetadataItem { breadcrumb: Vec::new(), metadata: stream_metadata(stream) }];
    property_metadata(stream, &schema, &mut Vec::new(), &mut metadata);
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
    if let Some(parent) = stream.parent {
        metadata.insert("parent-tap-stream-id".into(), json!(parent));
    }
    metadata
}

/// One item for each property, inside objects too; tools do not look inside arrays.
fn property_metadata(stream: &Stream, node: &Value, path: &mut Vec<String>, out: &mut Vec<MetadataItem>) {
    let properties = node.get("properties").and_then(Value::as_object);
    for (name, child) in properties.into_iter().flatten() {
        path.extend(["properties".to_owned(), name.clone()]);
        let top = path.len() == 2;
        let mut metadata = Map::new();
        if top && stream.automatic().contains(&name.as_str()) {
            metadata.insert("inclusion".into(), json!("automatic"));
        } else {
            metadata.insert("inclusion".into(), json!("available"));
            if top {
                let by_default = !stream.not_by_default.contains(&name.as_str());
                metadata.insert("selected-by-default".into(), json!(by_default));
            }
        }
        out.push(MetadataItem { breadcrumb: path.clone(), metadata });
        property_metadata(stream, child, path, out);
        path.truncate(path.len() - 2);
    }
}
