//! The catalog that discovery prints.

use crate::support::discovered;

#[test]
fn every_stream_has_keys_metadata_and_an_item_for_each_property() {
    let catalog = discovered();
    let streams = catalog["streams"].as_array().expect("streams");
    let names: Vec<_> = streams.iter().map(|stream| stream["tap_stream_id"].as_str().expect("an id")).collect();
    let original = ["projects", "project_detail", "teams", "users", "issues", "events", "releases", "release"];
    assert_eq!(names[..8], original);
    assert!(names.len() >= 45, "{} streams", names.len());
    for stream in streams {
        let name = &stream["tap_stream_id"];
        let metadata = stream["metadata"].as_array().expect("metadata");
        assert_eq!(metadata[0]["breadcrumb"], serde_json::json!([]));
        assert_eq!(metadata[0]["metadata"]["table-key-properties"], stream["key_properties"]);
        assert!(metadata[0]["metadata"]["request-cost"].as_str().is_some_and(|cost| !cost.is_empty()), "{name}");
        let by_default = original.contains(&name.as_str().expect("text"));
        assert_eq!(metadata[0]["metadata"]["selected-by-default"], by_default, "{name}");
        assert!(metadata[0]["metadata"].get("selected").is_none(), "selection is the user's");
        for property in stream["schema"]["properties"].as_object().expect("properties").keys() {
            let crumb = serde_json::json!(["properties", property]);
            let item =
                metadata.iter().find(|item| item["breadcrumb"] == crumb).unwrap_or_else(|| panic!("{name}.{property}"));
            let automatic = stream["key_properties"].as_array().expect("keys").contains(&crumb[1])
                || stream["replication_key"] == crumb[1];
            assert_eq!(
                item["metadata"]["inclusion"],
                if automatic { "automatic" } else { "available" },
                "{name}.{property}"
            );
        }
    }
}

#[test]
fn what_costs_requests_or_is_secret_is_not_selected_by_default() {
    let catalog = discovered();
    let by_default = |stream: &str, property: &str| {
        let entry = catalog["streams"].as_array()?.iter().find(|entry| entry["stream"] == stream)?;
        let crumb = serde_json::json!(["properties", property]);
        let item = entry["metadata"].as_array()?.iter().find(|item| item["breadcrumb"] == crumb)?;
        item["metadata"]["selected-by-default"].as_bool()
    };
    assert_eq!(by_default("events", "userReport"), Some(false));
    assert_eq!(by_default("project_detail", "securityToken"), Some(false));
    assert_eq!(by_default("events", "title"), Some(true));
}
