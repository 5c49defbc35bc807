//! The catalog. Discovery prints it; a sync gets it back, perhaps edited, perhaps stale.
//!
//! Reads leniently: unknown keys, missing parts, booleans as strings. Does not know what the metadata means: that is in
//! `selection`.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A Singer catalog.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Catalog {
    /// One entry per stream, in the order they were discovered.
    #[serde(default)]
    pub(crate) streams: Vec<CatalogEntry>,
}

/// One stream of a catalog.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CatalogEntry {
    /// Unique name of the stream.
    #[serde(default)]
    pub(crate) tap_stream_id: String,
    /// The name under which the stream is written.
    #[serde(default)]
    pub(crate) stream: String,
    /// Names of the properties that make up the primary key.
    #[serde(default)]
    pub(crate) key_properties: Vec<String>,
    /// `FULL_TABLE` or `INCREMENTAL`: the tap's default, or what the user asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replication_method: Option<String>,
    /// The property whose time becomes the bookmark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replication_key: Option<String>,
    /// Legacy: whether the stream is selected, on the entry itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selected: Option<Value>,
    /// JSON Schema of a record.
    #[serde(default)]
    pub(crate) schema: Value,
    /// Metadata of the stream (empty breadcrumb) and of its properties.
    #[serde(default)]
    pub(crate) metadata: Vec<MetadataItem>,
}

/// Metadata of one node of a schema.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MetadataItem {
    /// Path to the node, such as `["properties", "id"]`; empty for the stream itself.
    #[serde(default)]
    pub(crate) breadcrumb: Vec<String>,
    /// Keys such as `inclusion`, `selected`, `replication-method`.
    #[serde(default)]
    pub(crate) metadata: Map<String, Value>,
}

impl Catalog {
    /// Reads a catalog file's text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("the catalog is not valid: expected {\"streams\": [...]}")
    }

    /// The entry of a stream: by `tap_stream_id`, or by `stream` if an entry has no `tap_stream_id`.
    pub(crate) fn entry(&self, tap_stream_id: &str) -> Option<&CatalogEntry> {
        self.streams.iter().find(|entry| entry.id() == tap_stream_id)
    }
}

impl CatalogEntry {
    /// The stream's unique name.
    pub(crate) fn id(&self) -> &str {
        if self.tap_stream_id.is_empty() { &self.stream } else { &self.tap_stream_id }
    }

    /// Metadata at a breadcrumb.
    pub(crate) fn metadata_at(&self, breadcrumb: &[&str]) -> Option<&Map<String, Value>> {
        self.metadata.iter().find(|item| item.breadcrumb == breadcrumb).map(|item| &item.metadata)
    }

    /// The replication method that the catalog asks for. Metadata wins over the entry.
    pub(crate) fn replication_method(&self) -> Option<&str> {
        self.metadata_at(&[])
            .and_then(|metadata| metadata.get("replication-method"))
            .and_then(Value::as_str)
            .or(self.replication_method.as_deref())
    }

    /// Adds what a stale catalog lacks: properties and metadata of `ours` that are newer than it.
    #[must_use]
    pub(crate) fn completed_by(mut self, ours: &Self) -> Self {
        if !self.schema.get("properties").is_some_and(Value::is_object) {
            self.schema = ours.schema.clone();
        }
        for (name, node) in ours.properties() {
            if self.schema["properties"].get(name).is_some() {
                continue;
            }
            self.schema["properties"][name] = node.clone();
            let below = |item: &&MetadataItem| item.breadcrumb.get(1) == Some(name);
            let new: Vec<_> = ours.metadata.iter().filter(below).cloned().collect();
            self.metadata.retain(|item| item.breadcrumb.get(1) != Some(name));
            self.metadata.extend(new);
        }
        self
    }

    /// The schema's properties.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }
}
