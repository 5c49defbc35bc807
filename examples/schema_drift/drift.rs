//! Compares the schemas of the streams with an OpenAPI document. Reads no files and prints nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tap_sentry::internals::endpoints::{
    ISSUE_DETAIL, ISSUE_EVENT_DETAIL, ISSUE_EVENTS, ORGANIZATION_ISSUES, PROJECT_EVENT_DETAIL, PROJECT_EVENTS,
    PROJECT_ISSUES,
};
use tap_sentry::internals::{Rows, Source, Stream, streams};

/// How deep references are followed. Documents may refer to themselves.
const DEEPEST: usize = 12;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Streams that the document describes, each with what differs.
    pub streams: BTreeMap<String, Differences>,
    /// Streams whose paths the document does not have.
    pub undocumented: BTreeSet<String>,
    /// Streams whose rows no document describes: embedded children, and rows made of series.
    pub uncompared: BTreeSet<String>,
    /// Paths that the document has and no stream reads.
    pub unread: BTreeSet<String>,
}

/// What differs between a schema and the document. Each entry is a path of properties.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Only the document has it.
    pub missing: BTreeSet<String>,
    /// Only the schema has it, and the tap does not add it.
    pub undocumented: BTreeSet<String>,
    /// They have no type in common.
    pub other_type: BTreeSet<String>,
}

impl Report {
    /// Whether the document has a property that a schema lacks.
    pub fn has_drift(&self) -> bool {
        self.streams.values().any(|differences| !differences.missing.is_empty())
    }

    /// What differs, stream by stream, for people.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (stream, differences) in &self.streams {
            let Differences { missing, undocumented, other_type } = differences;
            for (what, names) in [
                ("missing in the schema", missing),
                ("of another type", other_type),
                ("not in the document", undocumented),
            ] {
                if !names.is_empty() {
                    lines.push(format!("{stream}: {what}: {}", list(names)));
                }
            }
        }
        lines.push(format!("streams whose paths the document does not have: {}", list(&self.undocumented)));
        lines.push(format!("streams whose rows are made by the tap, not compared: {}", list(&self.uncompared)));
        lines.push(format!("documented lists and objects that no stream reads: {}", list(&self.unread)));
        let missing: usize = self.streams.values().map(|differences| differences.missing.len()).sum();
        lines.push(format!("{} streams compared, {missing} properties missing\n", self.streams.len()));
        lines.join("\n")
    }

    /// The same as JSON, for programs.
    pub fn json(&self) -> Value {
        let of = |differences: &Differences| {
            let Differences { missing, undocumented, other_type } = differences;
            json!({"missing": missing, "undocumented": undocumented, "other_type": other_type})
        };
        let streams: Map<String, Value> = self.streams.iter().map(|(name, found)| (name.clone(), of(found))).collect();
        let Self { undocumented, uncompared, unread, .. } = self;
        json!({"streams": streams, "undocumented": undocumented, "uncompared": uncompared, "unread": unread})
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Compares every stream with what the documents say of its paths.
pub fn compare(documents: &[Value]) -> Report {
    let operations: BTreeMap<String, (&Value, &Value)> = documents.iter().flat_map(operations).collect();
    let mut report = Report { unread: operations.keys().cloned().collect(), ..Report::default() };
    for stream in streams::all() {
        let places = places(stream);
        for (path, _) in places.iter().cloned().chain(embedded_lists(stream)) {
            report.unread.remove(&path);
        }
        if places.iter().all(|(_, rows)| matches!(rows, Rows::Series { .. })) {
            report.uncompared.insert(stream.tap_stream_id.to_owned());
            continue;
        }
        let found = places.iter().filter_map(|(path, rows)| Some((operations.get(path)?, *rows)));
        let found = found.map(|((document, operation), rows)| differences(stream, document, operation, rows));
        match found.reduce(Differences::or) {
            Some(differences) => drop(report.streams.insert(stream.tap_stream_id.to_owned(), differences)),
            None => drop(report.undocumented.insert(stream.tap_stream_id.to_owned())),
        }
    }
    report
}

/// What differs between a stream's schema and one operation that its rows come from.
fn differences(stream: &Stream, document: &Value, operation: &Value, rows: Rows) -> Differences {
    let body = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    let row = row_of(&Resolved::of(document, body, 0), rows);
    let schema: Value = serde_json::from_str(stream.schema).unwrap_or_default();
    let mut differences = Differences::default();
    differences.compare(&schema, &row, "");
    let by_the_tap = |name: &str| {
        let embedded = match &stream.source {
            Source::ParentRow(embeds) => embeds.iter().any(|embed| embed.field == name),
            _ => false,
        };
        embedded || stream.added.iter().any(|(added, _)| *added == name)
    };
    differences.undocumented.retain(|name| !by_the_tap(name));
    differences
}

/// The lists that are embedded in a stream's rows.
fn embedded_lists(stream: &Stream) -> Vec<(String, Rows)> {
    let Source::ParentRow(embeds) = &stream.source else { return Vec::new() };
    embeds.iter().flat_map(|embed| embed.endpoint.paths).map(|path| (normal(path), Rows::Array)).collect()
}

/// The paths that a stream's rows come from, and the shape of their bodies.
pub fn places(stream: &Stream) -> Vec<(String, Rows)> {
    let endpoints = match &stream.source {
        Source::Endpoint(endpoint) => vec![endpoint],
        Source::Issues => vec![&ORGANIZATION_ISSUES, &PROJECT_ISSUES, &ISSUE_DETAIL],
        Source::Events => vec![&ISSUE_EVENTS, &PROJECT_EVENTS, &ISSUE_EVENT_DETAIL, &PROJECT_EVENT_DETAIL],
        Source::ParentRow(_) => return stream.parent.and_then(streams::find).map(places).unwrap_or_default(),
        Source::EventPart(_) => Vec::new(),
    };
    let paths = endpoints.into_iter().flat_map(|endpoint| endpoint.paths.iter().map(|path| (*path, endpoint.rows)));
    paths.map(|(path, rows)| (normal(path), rows)).collect()
}

/// A path without the names of its placeholders, since these differ between the document and the tap.
pub fn normal(path: &str) -> String {
    let path = path.trim_start_matches("/api/0/");
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The GET operations of a document, by path.
fn operations(document: &Value) -> impl Iterator<Item = (String, (&Value, &Value))> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.filter_map(move |(path, item)| Some((normal(path), (document, item.get("get")?))))
}

/// A schema of the document, with references followed and alternatives merged.
#[derive(Debug, Default)]
struct Resolved {
    types: BTreeSet<String>,
    properties: BTreeMap<String, Resolved>,
    items: Option<Box<Resolved>>,
}

impl Resolved {
    fn of(document: &Value, node: &Value, depth: usize) -> Self {
        let mut resolved = Self::default();
        resolved.add(document, node, depth);
        resolved
    }

    fn add(&mut self, document: &Value, node: &Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        if let Some(target) = node["$ref"].as_str().and_then(|name| document.pointer(name.trim_start_matches('#'))) {
            self.add(document, target, depth + 1);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            node[keyword].as_array().into_iter().flatten().for_each(|part| self.add(document, part, depth + 1));
        }
        let names = node["type"]
            .as_str()
            .into_iter()
            .chain(node["type"].as_array().into_iter().flatten().filter_map(Value::as_str));
        self.types.extend(names.filter(|name| *name != "null").map(str::to_owned));
        for (name, child) in node["properties"].as_object().into_iter().flatten() {
            self.properties.entry(name.clone()).or_default().add(document, child, depth + 1);
        }
        if let Some(items) = node.get("items") {
            self.items.get_or_insert_default().add(document, items, depth + 1);
        }
    }
}

/// The schema of a row, taken from that of the body.
fn row_of(body: &Resolved, rows: Rows) -> Resolved {
    let nothing = Resolved::default();
    let list = match rows {
        Rows::Under(name) => body.properties.get(name).unwrap_or(&nothing),
        _ => body,
    };
    let row = list.items.as_deref().unwrap_or(list);
    Resolved { types: row.types.clone(), properties: copy(&row.properties), items: None }
}

fn copy(properties: &BTreeMap<String, Resolved>) -> BTreeMap<String, Resolved> {
    let one = |child: &Resolved| Resolved {
        types: child.types.clone(),
        properties: copy(&child.properties),
        items: child.items.as_ref().map(|items| {
            Box::new(Resolved { types: items.types.clone(), properties: copy(&items.properties), items: None })
        }),
    };
    properties.iter().map(|(name, child)| (name.clone(), one(child))).collect()
}

impl Differences {
    /// Joins what differs on several paths of a stream. A property is documented if one of the paths documents it.
    fn or(mut self, other: Self) -> Self {
        self.undocumented.retain(|name| other.undocumented.contains(name));
        self.missing.extend(other.missing);
        self.other_type.extend(other.other_type);
        self
    }

    /// Adds what differs at and below a place, if both sides declare properties there.
    fn compare(&mut self, ours: &Value, theirs: &Resolved, place: &str) {
        let declared = ours["properties"].as_object();
        if let (Some(declared), false) = (declared, theirs.properties.is_empty()) {
            for (name, theirs) in &theirs.properties {
                let place = format!("{place}{name}");
                match declared.get(name) {
                    None => drop(self.missing.insert(place)),
                    Some(ours) => self.compare_property(ours, theirs, &place),
                }
            }
            for name in declared.keys().filter(|name| !theirs.properties.contains_key(*name)) {
                self.undocumented.insert(format!("{place}{name}"));
            }
        }
    }

    fn compare_property(&mut self, ours: &Value, theirs: &Resolved, place: &str) {
        let own: BTreeSet<&str> = match &ours["type"] {
            Value::String(name) => BTreeSet::from([name.as_str()]),
            names => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        };
        let fits = |name: &str| own.contains(name) || (name == "integer" && own.contains("number"));
        if !theirs.types.is_empty() && !own.is_empty() && !theirs.types.iter().any(|name| fits(name)) {
            self.other_type.insert(place.to_owned());
        }
        self.compare(ours, theirs, &format!("{place}."));
        if let (Some(ours), Some(theirs)) = (ours.get("items"), &theirs.items) {
            self.compare(ours, theirs, &format!("{place}[]."));
        }
    }
}
