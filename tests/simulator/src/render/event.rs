//! Event rows in their three forms: short, full, detail (API §2.7).

use serde_json::{Value, json};

use super::kind::{self, Kind};
use super::{body, release, sentry9, tags};
use crate::hash::{index, mix2};
use crate::json::Object;
use crate::organization::{Category, Event, Issue, Organization};
use crate::time;

/// How much of an event a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The list's default.
    Short,
    /// `full=true`: everything captured.
    Full,
    /// The detail endpoints: also what is derived or joined.
    Detail,
}

/// The precision of the event's time, which differs between endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fineness {
    /// Issue events, and everything on the old server.
    Seconds,
    /// Project events.
    Millis,
    /// Details.
    Micros,
}

/// What rendering an event takes.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The data.
    pub(crate) org: &'a Organization,
    /// How much of the event the row has.
    pub(crate) form: Form,
    /// The precision of the time.
    pub(crate) fineness: Fineness,
    /// The old server's shape.
    pub(crate) sentry9: bool,
    /// Add a key no document names.
    pub(crate) surprise: bool,
}

/// Renders an event.
pub(crate) fn row(context: &Context<'_>, issue: &Issue, event: &Event) -> String {
    let kind = kind::of(issue);
    let mut object = Object::new();
    common(&mut object, context, issue, event, kind);
    match context.form {
        Form::Short => {
            object.text("event.type", event_type(issue));
            object.text("message", if event.seed().is_multiple_of(3) { kind.value } else { "" });
        }
        Form::Full => body::full(&mut object, context, issue, event),
        Form::Detail => {
            body::full(&mut object, context, issue, event);
            detail(&mut object, context, issue, event);
        }
    }
    if context.surprise {
        object.raw("newThisMonth", r#"{"a":1}"#);
    }
    object.finish()
}

/// The event's type, as rows and issues call it.
pub(crate) const fn event_type(issue: &Issue) -> &'static str {
    match issue.category {
        Category::Error => "error",
        Category::Performance => "transaction",
        Category::Feedback => "generic",
    }
}

fn common(object: &mut Object, context: &Context<'_>, issue: &Issue, event: &Event, kind: &Kind) {
    let hex = event.hex();
    let id = if context.sentry9 { sentry9::row_id(event).to_string() } else { hex.clone() };
    object.text("id", &id).text("eventID", &hex);
    object.text("groupID", &issue.id.to_string()).text("projectID", &issue.project.to_string());
    object.text("title", kind.title);
    object.maybe("location", Some(kind.filename).filter(|name| !name.is_empty()));
    object.maybe("culprit", kind.culprit);
    match kind::person(event) {
        Some(person) => object.raw("user", tags::user(person, event)),
        None => object.raw("user", "null"),
    };
    object.raw("tags", tags::list(context, event, kind));
    object.text("platform", kind.platform).text("dateCreated", &stamp(context.fineness, event));
    object.raw("crashFile", "null").raw("metadata", metadata(kind));
}

fn stamp(fineness: Fineness, event: &Event) -> String {
    match fineness {
        Fineness::Seconds => time::seconds(event.ms),
        Fineness::Millis => time::millis(event.ms),
        Fineness::Micros => time::micros(event.ms),
    }
}

/// The metadata of events and issues of a kind.
pub(crate) fn metadata(kind: &Kind) -> String {
    let mut object = Object::new();
    object.text("type", kind.name).text("value", kind.value);
    object.text("filename", kind.filename).text("function", kind.function).text("title", kind.title);
    object.finish()
}

/// The release an event belongs to, if its project has any.
pub(crate) fn release_of(context: &Context<'_>, event: &Event) -> Option<usize> {
    let releases = context.org.releases.len();
    (releases > 0 && !event.seed().is_multiple_of(5)).then(|| index(mix2(event.seed(), 9), releases))
}

/// Adds what only details have. The neighbours are the events before and after it at this moment.
fn detail(object: &mut Object, context: &Context<'_>, issue: &Issue, event: &Event) {
    let position = issue.events.partition_point(|other| other.order() < event.order());
    let newer = position.checked_sub(1).and_then(|at| issue.events.get(at)).map(Event::hex);
    let older = issue.events.get(position + 1).map(Event::hex);
    object.maybe("nextEventID", newer.as_deref()).maybe("previousEventID", older.as_deref());
    let release = release_of(context, event).map(|position| &context.org.releases[position]);
    let release = release.map(|release| release::row(context.org, release, context.sentry9));
    object.value("release", &release.unwrap_or(Value::Null));
    let report = event.seed().is_multiple_of(7).then(|| report(event));
    object.value("userReport", &report.unwrap_or(Value::Null));
    if !context.sentry9 {
        object.raw("sdkUpdates", "[]").raw("resolvedWith", "[]");
    }
}

fn report(event: &Event) -> Value {
    json!({
        "id": (event.seed() % 100_000).to_string(), "eventID": event.hex(), "name": "Zoë", "email": null,
        "comments": "It bröke.", "dateCreated": time::micros(event.ms), "user": null,
        "event": { "id": event.hex(), "eventID": event.hex() },
    })
}
