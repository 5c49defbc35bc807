//! The tool that compares the schemas with an OpenAPI document, on small documents and on Sentry's own.

#[path = "../examples/schema_drift/drift.rs"]
mod compared;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tap_sentry::streams;

use crate::schemas::openapi_documents;
use compared::{Differences, compare};
pub use compared::{normal, places};

/// A document that has the teams list with these properties.
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
