//! The schema files: the rules they keep, and that real payloads fit them.
//!
//! Two tests need payloads that are not part of this repository. An environment variable names the directory of each.
//! If it is not set, the test says so on stderr:
//! - `TAP_SENTRY_OPENAPI_DIR`: Sentry's published `OpenAPI` document, one file per GET operation;
//! - `TAP_SENTRY_RECORDED_DIR`: answers recorded from a running server, one JSON file per request.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use tap_sentry::internals::streams;

/// The only places that may hold more than one type beside null. Servers disagree about them, and the tap converts only
/// at the top level.
const UNIONS: [&str; 3] = ["events.entries[].data", "issues.annotations[]", "issues.statusDetails.inCommit"];

/// An operation of the API document, and the schema (or a field of it) that its rows must fit.
const OPERATIONS: [(&str, &str); 39] = [
    ("organizations_projects_list", "projects"),
    ("projects_detail", "project_detail"),
    ("organizations_teams_list", "teams"),
    ("organizations_members_list", "users"),
    ("organizations_issues_list", "issues"),
    ("organizations_issue_detail", "issues"),
    ("projects_issues_list_deprecated", "issues"),
    ("organizations_issue_events_list", "events"),
    ("organizations_issue_event_detail", "events"),
    ("projects_events_list", "events"),
    ("projects_event_detail", "events"),
    ("organizations_releases_list", "releases"),
    ("projects_releases_list", "releases"),
    ("organizations_release_detail", "release"),
    ("organizations_release_commits_list", "release.commits"),
    ("organizations_release_deploys_list", "release.deploys"),
    ("organizations_release_commits_list", "commits"),
    ("organizations_release_deploys_list", "deploys"),
    ("organizations_detail", "organization"),
    ("organizations_members_list", "members"),
    ("organizations_environments_list", "environments"),
    ("projects_environments_list", "project_environments"),
    ("organizations_repos_list", "repositories"),
    ("organizations_repo_commits_list", "repository_commits"),
    ("organizations_integrations_list", "integrations"),
    ("organizations_monitors_list", "monitors"),
    ("organizations_monitor_checkins_list", "monitor_checkins"),
    ("organizations_detectors_list", "detectors"),
    ("organizations_workflows_list", "workflows"),
    ("organizations_tags_list", "tags"),
    ("organizations_replays_list", "replays"),
    ("projects_keys_list", "project_keys"),
    ("projects_debug_files_list", "debug_files"),
    ("projects_user_feedback_list", "user_feedback"),
    ("projects_tag_values_list", "tag_values"),
    ("projects_event_attachments_list", "event_attachments"),
    ("organizations_issue_hashes_list", "issue_hashes"),
    ("organizations_issue_tag_values_list", "issue_tag_values"),
    ("organizations_issue_external_issues_list", "issue_external_issues"),
];

/// The `OpenAPI` documents, if there are any.
pub fn openapi_documents() -> Option<Vec<Value>> {
    let directory = directory_from("TAP_SENTRY_OPENAPI_DIR")?;
    Some(json_files(&directory).values().filter_map(|path| read_json(path)).collect())
}

/// How the name of a recorded file begins, and the schema (or a field of it) that its rows must fit. The longest match
/// counts. `None` means that no stream is made of the answer.
const RECORDINGS: [(&str, Option<&str>); 18] = [
    ("projects", Some("projects")),
    ("project_detail", Some("project_detail")),
    ("teams", Some("teams")),
    ("users", Some("users")),
    ("members", Some("users")),
    ("issues", Some("issues")),
    ("issue_detail", Some("issues")),
    ("issue_event", Some("events")),
    ("issue_hashes", None),
    ("issue_tags", None),
    ("project_events", Some("events")),
    ("event_", Some("events")),
    ("releases", Some("releases")),
    ("project_releases", Some("releases")),
    ("release_", Some("release")),
    ("release_8_commits", Some("release.commits")),
    ("release_8_deploys", Some("release.deploys")),
    ("release_no_", None),
];

fn schema(stream: &str) -> Value {
    let path = schema_dir().join(format!("{stream}.json"));
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display()))
}

fn schema_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The schema of a stream's rows, or of the commits or deploys embedded in a release.
fn part(name: &str) -> Value {
    match name.split_once('.') {
        Some((stream, list)) => schema(stream)["properties"][list]["items"].clone(),
        None => schema(name),
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .should_validate_formats(true)
        .build(schema)
        .expect("a schema file is a valid schema")
}

fn types(node: &Value) -> Vec<&str> {
    match &node["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// Collects what breaks the rules that hold at any depth.
fn check_node(node: &Value, path: &str, depth: usize, breaches: &mut Vec<String>) {
    let mut breach = |what: &str| breaches.push(format!("{path}: {what}"));
    let fields = node.as_object().expect("a schema node is an object");
    for keyword in fields.keys() {
        let known = ["type", "format", "description", "properties", "items"];
        let at_root = depth == 0 && keyword == "required";
        if !at_root && !known.contains(&keyword.as_str()) {
            breach(&format!("keyword `{keyword}` is not used here"));
        }
    }
    let types = types(node);
    let wanted = 1 + usize::from(UNIONS.contains(&path));
    if types.iter().filter(|name| **name != "null").count() != wanted {
        breach(&format!("{types:?} should name {wanted} type(s) beside null"));
    }
    if depth > 1 && types.first() != Some(&"null") {
        breach("is not nullable");
    }
    if fields.contains_key("format") && (depth != 1 || node["format"] != "date-time") {
        breach("has a format that is not the date-time of a top-level property");
    }
    if fields.contains_key("items") != types.contains(&"array") {
        breach("items and the type array belong together");
    }
    if fields.contains_key("properties") && !types.contains(&"object") {
        breach("has properties without being an object");
    }

    if let Some(items) = fields.get("items") {
        check_node(items, &format!("{path}[]"), depth + 1, breaches);
    }
    let mut names = BTreeSet::new();
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        if !names.insert(name.to_lowercase()) {
            breaches.push(format!("{path}.{name}: differs from another name by case"));
        }
        check_node(child, &format!("{path}.{name}"), depth + 1, breaches);
    }
}

#[test]
fn there_is_one_schema_file_per_stream_and_none_else() {
    let files: BTreeSet<String> = json_files(&schema_dir()).into_keys().collect();
    let streams: BTreeSet<String> = streams::all().map(|stream| stream.tap_stream_id.to_owned()).collect();
    assert_eq!(files, streams);
}

#[test]
fn schema_files_keep_to_what_every_target_understands() {
    let mut breaches = vec![];
    for stream in streams::all().map(|stream| stream.tap_stream_id) {
        let schema = schema(stream);
        assert_eq!(schema["type"], "object", "{stream}");
        jsonschema::draft4::meta::validate(&schema)
            .unwrap_or_else(|error| panic!("{stream} is not a draft 4 schema: {error}"));
        check_node(&schema, stream, 0, &mut breaches);
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn keys_are_never_null_and_everything_else_may_be() {
    for stream in streams::all() {
        let (name, keys) = (stream.tap_stream_id, stream.automatic());
        let schema = schema(name);
        assert_eq!(schema["required"], json!(stream.key_properties), "{name}");
        for key in &keys {
            assert_eq!(schema["properties"][key]["type"], "string", "{name}.{key}");
        }
        if let Some(key) = stream.replication_key() {
            assert_eq!(schema["properties"][key]["format"], "date-time", "{name}.{key}");
        }
        for (property, of) in schema["properties"].as_object().expect("properties") {
            let nullable = types(of).contains(&"null");
            assert_ne!(nullable, keys.contains(&property.as_str()), "{name}.{property}");
        }
    }
}

#[test]
fn every_column_is_described_in_sentences() {
    for stream in streams::all().map(|stream| stream.tap_stream_id) {
        for (name, property) in schema(stream)["properties"].as_object().expect("properties") {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10 && text.ends_with('.'), "{stream}.{name}: {text:?}");
        }
    }
}

/// A row as the tap writes it. A top-level value that is not of the declared type is converted without loss. Below the
/// top level nothing is changed.
fn as_written(row: &Value, part_name: &str, schema: &Value) -> Value {
    let mut row = row.clone();
    if let Some(fields) = row.as_object_mut().filter(|_| part_name == "release") {
        // Old servers have no numeric release ids. The tap uses the version instead.
        let version = fields.get("version").cloned().unwrap_or_default();
        fields.entry("id").or_insert(version);
    }
    for (name, _) in streams::find(part_name).map_or(&[][..], |stream| stream.added) {
        // The tap adds a text or a time.
        let is_time = schema["properties"][name]["format"] == "date-time";
        let added = json!(if is_time { "2026-01-01T00:00:00Z" } else { "added" });
        row.as_object_mut().expect("a row is an object").entry(*name).or_insert(added);
    }
    for (name, value) in row.as_object_mut().expect("a row is an object") {
        let declared = types(&schema["properties"][name]);
        let is_time = schema["properties"][name]["format"] == "date-time";
        let converted = match &*value {
            Value::String(time) if is_time && chrono::DateTime::parse_from_rfc3339(time).is_err() => {
                Some(Value::from(format!("{time}Z")))
            }
            Value::String(digits) if declared.contains(&"integer") => digits.parse::<i64>().ok().map(Value::from),
            Value::Null | Value::String(_) => None,
            other if declared.contains(&"string") => Some(Value::from(other.to_string())),
            Value::Object(_) if declared.contains(&"array") => Some(json!([value.clone()])),
            _ => None,
        };
        if let Some(converted) = converted {
            *value = converted;
        }
    }
    row
}

/// Checks rows against their schema, also for undeclared names, and counts the rows of each schema.
#[derive(Default)]
struct Checker {
    rows: BTreeMap<String, usize>,
    faults: BTreeSet<String>,
}

impl Checker {
    fn check(&mut self, source: &str, part_name: &str, rows: &[&Value]) {
        let schema = part(part_name);
        let validator = validator(&schema);
        for row in rows {
            let row = as_written(row, part_name, &schema);
            self.check_names(source, &schema, row.as_object().into_iter().flat_map(|row| row.keys()));
            for error in validator.iter_errors(&row) {
                let place = error.instance_path().to_string();
                self.faults.insert(format!("{source}: {place}: {error}"));
            }
        }
        *self.rows.entry(part_name.to_owned()).or_default() += rows.len();
    }

    fn check_names<'a>(&mut self, source: &str, schema: &Value, names: impl Iterator<Item = &'a String>) {
        let declared = schema["properties"].as_object().expect("properties");
        for name in names.filter(|name| !declared.contains_key(*name)) {
            self.faults.insert(format!("{source}: `{name}` is not declared"));
        }
    }

    /// Fails on any fault, and on a schema that no row was checked against.
    fn finish(self, expected: &[&str]) {
        let faults: Vec<String> = self.faults.into_iter().collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        for name in expected {
            assert!(self.rows.get(*name).is_some_and(|rows| *rows > 0), "no row of {name} was found");
        }
    }
}

/// The JSON files of a directory by name without extension.
fn json_files(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{} cannot be listed: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect()
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).expect("a listed file can be read")).ok()
}

/// The directory that an environment variable names. If it is not set, says so on stderr.
fn directory_from(variable: &str) -> Option<PathBuf> {
    let directory = std::env::var_os(variable).map(PathBuf::from);
    if directory.is_none() {
        // The test harness hides what eprintln prints, and a skipped check must be seen.
        writeln!(std::io::stderr(), "SKIPPED: {variable} is not set").expect("stderr is open");
    }
    directory
}

fn rows_of(body: &Value) -> Vec<&Value> {
    match body {
        Value::Object(fields) if fields.get("data").is_some_and(Value::is_array) && fields.len() == 1 => {
            rows_of(&fields["data"])
        }
        Value::Array(rows) => rows.iter().collect(),
        other => vec![other],
    }
}

/// The names of a row's properties in the API document, those of all alternatives together.
fn documented_names(schema: &Value, names: &mut BTreeSet<String>) {
    let wrapped = schema["properties"].as_object().and_then(|all| all.get("data").filter(|_| all.len() == 1));
    if let Some(list) = wrapped {
        return documented_names(list, names);
    }
    names.extend(schema["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned()));
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for alternative in schema[keyword].as_array().into_iter().flatten() {
            documented_names(alternative, names);
        }
    }
    if schema["type"] == "array" {
        documented_names(&schema["items"], names);
    }
}

#[test]
fn every_example_and_every_name_of_the_api_document_fits_the_schemas() {
    let Some(directory) = directory_from("TAP_SENTRY_OPENAPI_DIR") else {
        return;
    };
    let mut expected = Vec::new();
    let mut checker = Checker::default();
    for (operation, part_name) in OPERATIONS {
        let document = read_json(&directory.join(format!("{operation}.json"))).expect(operation);
        let paths = document["paths"].as_object().expect("paths");
        let path = paths.values().next().expect("one path");
        let answer = &path["get"]["responses"]["200"]["content"]["application/json"];

        let examples = answer["examples"].as_object().into_iter().flat_map(|all| all.values());
        let examples = examples.filter_map(|example| example.get("value")).chain(answer.get("example"));
        for example in examples {
            checker.check(operation, part_name, &rows_of(example));
            expected.push(part_name);
        }
        let mut names = BTreeSet::new();
        documented_names(&answer["schema"], &mut names);
        assert!(!names.is_empty(), "{operation} documents no property");
        checker.check_names(operation, &part(part_name), names.iter());
    }
    assert!(expected.len() > 30, "{} examples", expected.len());
    checker.finish(&expected);
}

/// The schema (or a field of it) that a recorded file belongs to.
fn recorded_part(file: &str) -> Option<&'static str> {
    // These files have the same requests, made by a user without a team.
    let file = file.strip_prefix("noteam_").unwrap_or(file);
    let matches = RECORDINGS.iter().filter(|(start, _)| file.starts_with(start));
    matches.max_by_key(|(start, _)| start.len()).and_then(|(_, part_name)| *part_name)
}

#[test]
fn every_recorded_answer_of_a_real_server_fits_the_schemas() {
    let Some(directory) = directory_from("TAP_SENTRY_RECORDED_DIR") else {
        return;
    };
    let mut checker = Checker::default();
    for (file, path) in json_files(&directory) {
        let Some(part_name) = recorded_part(&file) else {
            continue;
        };
        let Some(body) = read_json(&path) else {
            continue;
        };
        let refused = body.get("detail").is_some() && body.get("id").is_none();
        if !refused {
            checker.check(&file, part_name, &rows_of(&body));
        }
    }
    let mut expected: Vec<&str> =
        streams::all().filter(|stream| stream.selected_by_default).map(|stream| stream.tap_stream_id).collect();
    expected.extend(["release.commits", "release.deploys"]);
    checker.finish(&expected);
}
