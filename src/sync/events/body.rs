//! In which form events are asked for and written: short rows, whole bodies, or the detail of each event.

use tracing::warn;

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::streams::extract::needs_whole_body;
use crate::streams::{EVENT_DETAIL_ONLY, Source};
use crate::sync::session::Session;

/// Fields that rows have without whole bodies (API §2.6); `event.type` is `type` in whole ones.
const SHORT: [&str; 14] = [
    "id",
    "eventID",
    "groupID",
    "projectID",
    "message",
    "title",
    "location",
    "culprit",
    "user",
    "tags",
    "platform",
    "dateCreated",
    "crashFile",
    "metadata",
];

/// Whether event lists are asked for whole bodies: for the records of events, or for what is embedded in them.
pub(crate) fn wants_whole_bodies(session: &Session) -> bool {
    let is_deep = |source: &Source| matches!(source, Source::EventPart(steps) if needs_whole_body(steps));
    session.config.fetch_event_details || session.output.streams().any(|output| is_deep(&output.stream.source))
}

/// The row of a whole body as a list without whole bodies has it; `None` where it is one already.
pub(crate) fn short_form(row: &Row<'_>) -> Option<String> {
    row.get("entries")?;
    let mut short = String::from("{");
    for field in row.fields() {
        let name = match field.raw_name() {
            "type" => "event.type",
            name if SHORT.contains(&name) => name,
            _ => continue,
        };
        for part in ["\"", name, "\":", field.value(), ","] {
            short.push_str(part);
        }
    }
    short.pop();
    short.push('}');
    Some(short)
}

/// A selected field that only the detail of an event has.
///
/// A catalog that selects all of them, as Meltano's `events.*` makes it, does not ask for any in particular: there,
/// `fetch_event_details` decides whether they are worth a request per event.
fn wanted_detail(session: &Session, output: &StreamOutput) -> Option<&'static str> {
    let wildcard = EVENT_DETAIL_ONLY.iter().all(|field| output.selects(field)) && !session.config.fetch_event_details;
    EVENT_DETAIL_ONLY.iter().copied().find(|field| output.selects(field) && !wildcard)
}

/// Whether each event costs a request of its own.
pub(crate) fn asks_for_details(session: &Session) -> bool {
    session.output.stream("events").is_some_and(|output| wanted_detail(session, output).is_some())
}

/// Says what a selected detail-only field costs, or that it stays empty.
pub(crate) fn warn_of_details(session: &Session, output: &StreamOutput) {
    if let Some(field) = wanted_detail(session, output) {
        warn!("events.{field} is selected: only the detail of an event has it, which costs one request per event");
    } else if EVENT_DETAIL_ONLY.iter().any(|field| output.selects(field)) {
        let fields = EVENT_DETAIL_ONLY.join(", ");
        warn!(
            "the catalog selects {fields}, which cost one request per event; all together they stay empty without fetch_event_details"
        );
    }
}
