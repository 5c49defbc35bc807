//! Streams of rows that are embedded in events. They need no request of their own.

use crate::streams::stream::{Added, Replication, Source, Step, Stream};

/// Fields that every embedded row gets from its event.
const EVENT_FIELDS: [(&str, Added); 4] = [
    ("event_id", Added::Context("event")),
    ("event_date", Added::Context("event_date")),
    ("project_id", Added::Context("project_id")),
    ("issue_id", Added::Context("issue")),
];

/// Defaults of a stream of rows that are embedded in the events that are kept.
const PART: Stream = Stream {
    replication: Replication::Incremental { key: "event_date" },
    parent: Some("events"),
    added: &EVENT_FIELDS,
    cost: "none beside those of `events`, which is then read with whole bodies: up to 10 times as many pages at sentry.io",
    ..Stream::OPTIONAL
};

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    // Rows of event lists have tags even without whole bodies (API §2.7).
    Stream {
        tap_stream_id: "event_tags",
        key_properties: &["event_id", "key"],
        source: Source::EventPart(&[Step::Field("tags"), Step::Each(None)]),
        added: &[EVENT_FIELDS[0], EVENT_FIELDS[1], EVENT_FIELDS[2], EVENT_FIELDS[3], ("key", Added::OrEmpty)],
        cost: "none beside those of `events`",
        schema: include_str!("../../../schemas/event_tags.json"),
        ..PART
    },
    Stream {
        tap_stream_id: "event_exceptions",
        key_properties: &["event_id", "position"],
        source: Source::EventPart(&[Step::Entry("exception"), Step::Field("values"), Step::Each(Some("position"))]),
        schema: include_str!("../../../schemas/event_exceptions.json"),
        ..PART
    },
    Stream {
        tap_stream_id: "event_frames",
        key_properties: &["event_id", "exception_position", "position"],
        source: Source::EventPart(&[
            Step::Entry("exception"),
            Step::Field("values"),
            Step::Each(Some("exception_position")),
            Step::Field("stacktrace"),
            Step::Field("frames"),
            Step::Each(Some("position")),
        ]),
        schema: include_str!("../../../schemas/event_frames.json"),
        ..PART
    },
    Stream {
        tap_stream_id: "event_breadcrumbs",
        key_properties: &["event_id", "position"],
        source: Source::EventPart(&[Step::Entry("breadcrumbs"), Step::Field("values"), Step::Each(Some("position"))]),
        added: &[
            EVENT_FIELDS[0],
            EVENT_FIELDS[1],
            EVENT_FIELDS[2],
            EVENT_FIELDS[3],
            ("linked_event_id", Added::Renamed("event_id")),
        ],
        schema: include_str!("../../../schemas/event_breadcrumbs.json"),
        ..PART
    },
];
