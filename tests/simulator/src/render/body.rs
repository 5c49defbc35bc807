//! The body of a full event: what was captured. It is generated from the event's id.

use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::event::{Context, event_type, release_of};
use super::kind::{self, Kind};
use crate::hash::{mix2, pick};
use crate::json::Object;
use crate::organization::{Category, Event, Issue};
use crate::time;

/// Embedded content that only some events have. It has every field that a server of any age gives.
static INSIDE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../payloads/inside_event.json")).expect("an object"));

/// Whether an event has content of every kind.
pub(super) fn is_rich(event: &Event) -> bool {
    mix2(event.seed(), 11).is_multiple_of(4)
}

/// A tag as such events have it.
pub(super) fn rich_tag() -> String {
    INSIDE["tag"].to_string()
}

/// Adds what full rows have and short ones have not.
pub(super) fn full(object: &mut Object, context: &Context<'_>, issue: &Issue, event: &Event) {
    let kind = kind::of(issue);
    let seed = event.seed();
    let message = if kind.value.is_empty() { kind.name } else { kind.value };
    object.text("message", message).text("type", event_type(issue));
    object.raw("size", 1000 + seed % 9000 + context.org.event_bytes as u64);
    object.value("entries", &entries(kind, event));
    let dist = release_of(context, event).map(|_| pick(seed >> 3, &["42", "größe"]));
    object.maybe("dist", dist.filter(|_| seed.is_multiple_of(2)));
    object.value("contexts", &contexts(event));
    let sdk = json!({ "name": format!("sentry.{}", kind.platform), "version": "5.17.0" });
    object.value("sdk", if seed.is_multiple_of(11) { &Value::Null } else { &sdk });
    object.value("context", &extra(context, event));
    object.value("packages", &json!({ "requests": "2.32.0", "größe": "0.1" }));
    let received = event.ms + i64::try_from(seed % 90_000).expect("small");
    object.text("dateReceived", &time::micros(received));
    object.value("errors", &errors(event));
    if !context.sentry9 {
        object.value("occurrence", &occurrence(issue, event));
    }
    object.value("_meta", &meta());
    object.value("fingerprints", &json!([format!("{:032x}", mix2(issue.id, 1))]));
    object.value("groupingConfig", &json!({ "id": "newstyle:2026-01-20", "enhancements": "abc" }));
}

fn entries(kind: &Kind, event: &Event) -> Value {
    let mut entries = vec![json!({ "type": "exception", "data": {
        "values": exceptions(kind, event), "excOmitted": null, "hasSystemFrames": true,
    } })];
    if is_rich(event) {
        entries.push(json!({ "type": "breadcrumbs", "data": { "values": INSIDE["breadcrumbs"] } }));
    } else if event.seed().is_multiple_of(2) {
        entries.push(json!({ "type": "breadcrumbs", "data": { "values": [
            { "type": "default", "category": "query", "level": "info", "timestamp": time::micros(event.ms - 500),
              "message": "SELECT 1", "data": { "größe": 1.5, "deep": { "list": [1, null, "x"] } }, "event_id": null },
        ] } }));
    }
    if event.seed().is_multiple_of(3) {
        entries.push(json!({ "type": "request", "data": {
            "method": "GET", "url": "https://example.com/käse?q=1", "query": [["q", "1"]], "fragment": null,
            "data": null, "headers": [["Host", "example.com"]], "cookies": [], "env": null, "inferredContentType": null,
        } }));
    }
    if event.seed().is_multiple_of(5) {
        entries.push(json!({ "type": "spans", "data": [{ "op": "db", "start_timestamp": 1.5, "timestamp": 2.0 }] }));
    }
    Value::Array(entries)
}

/// A list may hold a null where something could not be kept.
fn exceptions(kind: &Kind, event: &Event) -> Value {
    if !is_rich(event) {
        return json!([exception(kind, event)]);
    }
    let mut cause = INSIDE["exception"].clone();
    cause["stacktrace"]["frames"] = INSIDE["frames"].clone();
    json!([cause, null, exception(kind, event)])
}

fn exception(kind: &Kind, event: &Event) -> Value {
    let stack = json!({
        "frames": [frame(kind, event, false), frame(kind, event, true)],
        "framesOmitted": null, "registers": null, "hasSystemFrames": true,
    });
    json!({
        "type": kind.name, "value": kind.value, "module": null, "threadId": null,
        "mechanism": { "type": "generic", "handled": event.seed().is_multiple_of(2) },
        "stacktrace": stack, "rawStacktrace": if kind.platform == "javascript" { stack.clone() } else { Value::Null },
    })
}

fn frame(kind: &Kind, event: &Event, in_app: bool) -> Value {
    let line = event.seed() % 500;
    json!({
        "function": kind.function, "filename": kind.filename, "absPath": format!("/srv/{}", kind.filename),
        "module": null, "package": null, "platform": null, "lineNo": line, "colNo": null, "inApp": in_app,
        "context": [[line, "    raise größe"], [line + 1, ""]], "vars": { "x": "1", "self": null },
        "errors": null, "instructionAddr": null, "symbol": null, "symbolAddr": null, "trust": null,
    })
}

fn contexts(event: &Event) -> Value {
    json!({
        "browser": { "type": "browser", "name": "Chrome", "version": "83.0.4103" },
        "os": { "type": "os", "name": "Linux", "version": "10" },
        "trace": {
            "type": "trace", "trace_id": format!("{:032x}", mix2(event.seed(), 6)),
            "span_id": format!("{:016x}", mix2(event.seed(), 7)), "op": "navigation",
        },
    })
}

/// Extra data: numbers too large for a double, keys beyond ASCII, and the shape's padding.
fn extra(context: &Context<'_>, event: &Event) -> Value {
    let mut extra = json!({
        "big": 9_007_199_254_740_993_u64, "neg": -1, "ratio": 0.992_019_759_105_705_2, "ключ": "значение",
        "nothing": null, "empty": "", "list": [1, "two", [3]], "attempt": event.seed() % 99,
    });
    if context.org.event_bytes > 0 {
        extra["padding"] = json!(padding(event.seed(), context.org.event_bytes));
    }
    extra
}

/// Letters that compress about as well as text does.
fn padding(seed: u64, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut block = seed;
    while text.len() < bytes {
        block = mix2(block, 1);
        write!(text, "{block:016x} the quick brown fox ").expect("a string takes every write");
    }
    text.truncate(bytes);
    text
}

fn errors(event: &Event) -> Value {
    if !event.seed().is_multiple_of(4) {
        return json!([]);
    }
    json!([{
        "type": "js_invalid_sourcemap_location", "message": "Invalid location in sourcemap",
        "data": { "column": 8, "row": 15, "source": "https://cdn.example.com/app.js" },
    }])
}

fn occurrence(issue: &Issue, event: &Event) -> Value {
    if issue.category == Category::Error {
        return Value::Null;
    }
    json!({
        "id": format!("{:032x}", mix2(event.seed(), 8)), "projectId": issue.project, "eventId": event.hex(),
        "fingerprint": ["1-größe"], "issueTitle": kind::of(issue).name, "subtitle": "x", "resourceId": null,
        "evidenceData": { "contact_email": null }, "evidenceDisplay": [{ "name": "Query", "value": "SELECT", "important": true }],
        "type": 1006, "detectionTime": event.second(), "level": "info", "culprit": "/checkout/",
        "assignee": null, "priority": 50,
    })
}

fn meta() -> Value {
    json!({
        "user": null, "context": null, "entries": {}, "contexts": null, "message": null, "packages": null,
        "tags": {}, "sdk": null,
    })
}
