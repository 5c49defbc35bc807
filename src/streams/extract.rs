//! Takes the rows that are embedded in an event out of its raw text. Makes no request and builds no tree.

use crate::json::row::{Row, field, items};
use crate::streams::stream::Step;

/// A row's index in each list that leads to it: the name of the index, and its value from 0.
pub(crate) type Places = Vec<(&'static str, usize)>;

/// Whether the rows are only in whole bodies of events.
pub(crate) fn needs_whole_body(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Entry(_)))
}

/// Calls `each` with the raw text of everything that the steps find in an event. Returns how many malformed values they
/// met: values of another shape than the steps need. Absent and null values are not malformed.
pub(crate) fn extract<'r>(event: &Row<'r>, steps: &[Step], each: &mut dyn FnMut(&'r str, &Places)) -> u64 {
    let Some((first, rest)) = steps.split_first() else { return 0 };
    // The event is indexed: the first step needs no scan.
    let value = match first {
        Step::Field(name) => event.get(name),
        Step::Entry(of_type) => event.get("entries").and_then(|entries| entry(entries, of_type)),
        Step::Each(_) => None,
    };
    value.map_or(0, |value| walk(value, rest, &mut Places::new(), each))
}

fn walk<'r>(raw: &'r str, steps: &[Step], places: &mut Places, each: &mut dyn FnMut(&'r str, &Places)) -> u64 {
    if raw == "null" {
        return 0;
    }
    let Some((step, rest)) = steps.split_first() else {
        if raw.starts_with('{') {
            each(raw, places);
        }
        return u64::from(!raw.starts_with('{'));
    };
    match step {
        Step::Each(name) => {
            let (mut at, mut malformed) = (0, 0);
            let depth = places.len();
            let list = items(raw, |item| {
                places.extend(name.map(|name| (name, at)));
                malformed += walk(item, rest, places, each);
                places.truncate(depth);
                at += 1;
            });
            malformed + u64::from(list.is_none())
        }
        Step::Field(name) if raw.starts_with('{') => {
            field(raw, name).map_or(0, |value| walk(value, rest, places, each))
        }
        Step::Entry(of_type) => entry(raw, of_type).map_or(0, |value| walk(value, rest, places, each)),
        Step::Field(_) => 1,
    }
}

/// The data of the entry of a type. An event has one entry of each type.
fn entry<'r>(entries: &'r str, of_type: &str) -> Option<&'r str> {
    let mut found = None;
    items(entries, |entry| {
        let is_it = field(entry, "type").is_some_and(|name| name.trim_matches('"') == of_type);
        found = found.or_else(|| field(entry, "data").filter(|_| is_it));
    })?;
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::stream::Source;
    use crate::streams::{self};

    const EVENT: &str = r#"{"eventID": "e", "tags": [{"key": "a"}, null, 7], "entries": [
        {"type": "request", "data": {"values": [{"no": 1}]}},
        {"type": "exception", "data": {"values": [
            {"type": "A", "stacktrace": {"frames": [{"f": 1}, {"f": 2}]}},
            {"type": "B", "stacktrace": null}, null,
            {"type": "C", "stacktrace": {"frames": [{"f": 3}]}}]}},
        {"data": {"values": {}}, "type": "breadcrumbs"}]}"#;

    fn found(stream: &str, event: &str) -> (Vec<(String, Places)>, u64) {
        let Source::EventPart(steps) = streams::find(stream).expect("a stream").source else { panic!("{stream}") };
        let mut rows = Vec::new();
        let event = Row::scan(event).expect("an object");
        let malformed = extract(&event, steps, &mut |row, places| rows.push((row.to_owned(), places.clone())));
        (rows, malformed)
    }

    #[test]
    fn rows_are_found_with_their_places() {
        let (frames, malformed) = found("event_frames", EVENT);
        let place = |exception, frame| vec![("exception_position", exception), ("position", frame)];
        let row = |n: usize, place| (format!("{{\"f\": {n}}}"), place);
        assert_eq!(frames, [row(1, place(0, 0)), row(2, place(0, 1)), row(3, place(3, 0))]);
        assert_eq!(malformed, 0);
        let exceptions: Vec<usize> = found("event_exceptions", EVENT).0.iter().map(|(_, places)| places[0].1).collect();
        assert_eq!(exceptions, [0, 1, 3], "a place in the list stays what it is where another is empty");
    }

    #[test]
    fn what_has_another_shape_is_counted() {
        assert_eq!(found("event_tags", EVENT), (vec![(r#"{"key": "a"}"#.to_owned(), vec![])], 1));
        assert_eq!(found("event_breadcrumbs", EVENT), (vec![], 1));
        for nothing in [r#"{"entries": null}"#, "{}", r#"{"entries": []}"#] {
            assert_eq!(found("event_breadcrumbs", nothing), (vec![], 0), "{nothing}");
        }
    }
}
