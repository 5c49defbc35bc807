//! Catalogs: what `--discover` prints, and changes of what it selects.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::measure::TAP;

/// What `--discover` prints.
pub fn discovered() -> Result<Value> {
    let output = Command::new(TAP).arg("--discover").env_clear().output()?;
    ensure!(output.status.success(), "--discover failed");
    serde_json::from_slice(&output.stdout).context("a catalog")
}

/// Selects these streams and no others.
pub fn only(mut catalog: Value, streams: &[&str]) -> Value {
    for entry in entries(&mut catalog) {
        let selected = streams.iter().any(|stream| entry["tap_stream_id"] == *stream);
        entry["metadata"][0]["metadata"]["selected"] = json!(selected);
    }
    catalog
}

/// Selects every field, as wildcards do, and does not change which streams are selected.
pub fn every_field(mut catalog: Value) -> Value {
    for entry in entries(&mut catalog) {
        for item in entry["metadata"].as_array_mut().into_iter().flatten().skip(1) {
            item["metadata"]["selected"] = json!(true);
        }
    }
    catalog
}

/// Leaves out fields inside objects.
pub fn without_nested_fields(mut catalog: Value) -> Value {
    for (stream, outer, inner) in [
        ("events", "user", "ip_address"),
        ("events", "user", "data"),
        ("issues", "project", "slug"),
        ("issues", "lifetime", "stats"),
    ] {
        let path = json!(["properties", outer, "properties", inner]);
        let entry = entries(&mut catalog).iter_mut().find(|entry| entry["tap_stream_id"] == stream);
        if let Some(metadata) = entry.and_then(|entry| entry["metadata"].as_array_mut()) {
            metadata.retain(|item| item["breadcrumb"] != path);
            metadata.push(json!({ "breadcrumb": path, "metadata": { "inclusion": "available", "selected": false } }));
        }
    }
    catalog
}

fn entries(catalog: &mut Value) -> &mut [Value] {
    catalog["streams"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default()
}
