//! The tool `schema_drift` compares the schemas with an OpenAPI document. It gets small documents here, and Sentry's.

#[path = "../../examples/schema_drift/drift.rs"]
mod compared;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tap_sentry::internals::streams;

use crate::streams::schemas::openapi_documents;
use compared::{Differences, compare};
pub use compared::{normal, places};

/// A document of the teams list, whose rows have these properties.
fn document(properties: &Value) -> Value {
    json!({
        "paths": {"/api/0/organizations/{organization_id_or_slug}/teams/": {"get": {"responses": {"200": {"content": {
            "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Team"}}}
        }}}}}},
        "components": {"schemas": {"Team": {"allOf": [
            {"type": "object", "properties": properties},
            {"type": "object", "properties": {"slug": {"type": "string"}}},
        ]}}},
    })
}

fn teams(document: Value) -> Differences {
    let mut report = compare(&[document]);
    assert!(report.unread.is_empty());
    assert!(report.undocumented.contains("projects"), "this document does not have it");
    report.streams.remove("teams").expect("the teams are compared")
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_a_schema_lacks_is_found_at_any_depth() {
    let found = teams(document(&json!({
        "id": {"type": "string"}, "brandNew": {"type": "string"}, "memberCount": {"type": "boolean"},
        "avatar": {"type": "object", "properties": {"avatarType": {"type": "string"}, "shape": {"type": "string"}}},
    })));
    assert_eq!(found.missing, names(["avatar.shape", "brandNew"]));
    assert_eq!(found.other_type, names(["memberCount"]));
    assert!(found.undocumented.contains("name") && !found.undocumented.contains("slug"), "{found:?}");
}

#[test]
fn a_document_that_says_what_the_schema_says_has_no_drift() {
    let stream = streams::find("teams").expect("a stream");
    let schema: Value = serde_json::from_str(stream.schema).expect("a schema");
    let report = compare(&[document(&schema["properties"])]);
    assert!(!report.has_drift(), "{}", report.text());
    assert_eq!(report.streams["teams"], Differences::default());
    assert!(report.text().contains("1 streams compared, 0 properties missing"), "{}", report.text());
    assert_eq!(report.json()["streams"]["teams"]["missing"], json!([]));
}

#[test]
fn a_path_that_nobody_reads_is_named() {
    let document = json!({"paths": {"/api/0/organizations/{organization_id_or_slug}/novelties/": {"get": {}}}});
    let report = compare(&[document]);
    assert_eq!(report.unread, names(["organizations/{}/novelties/"]));
    assert!(!report.has_drift());
}

#[test]
fn a_property_that_one_of_several_paths_documents_is_documented() {
    let operation = |name: &str| {
        json!({"get": {"responses": {"200": {"content": {"application/json": {"schema":
            {"type": "object", "properties": {"id": {"type": "string"}, name: {"type": "array"}}}}}}}}})
    };
    let document = json!({"paths": {
        "/api/0/organizations/{organization_id_or_slug}/issues/": operation("annotations"),
        "/api/0/organizations/{organization_id_or_slug}/issues/{issue_id}/": operation("activity"),
    }});
    let report = compare(&[document]);
    let undocumented = &report.streams["issues"].undocumented;
    assert!(!undocumented.contains("annotations") && !undocumented.contains("activity"), "{undocumented:?}");
    assert!(undocumented.contains("lastSeen"), "neither has it: {undocumented:?}");
}

#[test]
fn every_stream_is_in_the_report() {
    let report = compare(&[document(&json!({}))]);
    for stream in streams::all().map(|stream| stream.tap_stream_id) {
        let places = [
            report.streams.contains_key(stream),
            report.undocumented.contains(stream),
            report.uncompared.contains(stream),
        ];
        assert_eq!(places.iter().filter(|there| **there).count(), 1, "{stream}");
    }
    assert!(report.uncompared.contains("event_tags") && report.uncompared.contains("usage"));
    assert!(report.undocumented.contains("release"));
}

#[test]
fn paths_are_the_same_whatever_their_placeholders_are_called() {
    assert_eq!(normal("/api/0/projects/{organization_id_or_slug}/{project_id_or_slug}/keys/"), "projects/{}/{}/keys/");
    let keys = streams::find("project_keys").expect("a stream");
    assert_eq!(places(keys)[0].0, "projects/{}/{}/keys/");
}

#[test]
fn sentrys_document_is_compared_with_most_streams() {
    let Some(documents) = openapi_documents() else { return };
    let report = compare(&documents);
    assert!(report.streams.len() > 25, "{}", report.text());
    let top_level = |differences: &Differences| differences.missing.iter().filter(|name| !name.contains('.')).count();
    for (stream, differences) in &report.streams {
        assert_eq!(top_level(differences), 0, "{stream} lacks {:?}", differences.missing);
    }
}
