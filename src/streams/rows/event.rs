//! What lies inside events: rows that are taken out of them, without a request of their own.

use crate::streams::stream::{Added, Replication, Source, Step, Stream};

/// What every row that is taken out of an event says of it.
const OF_THE_EVENT: [(&str, Added); 4] = [
    ("event_id", Added::Context("event")),
    ("event_date", Added::Context("event_date")),
    ("project_id", Added::Context("project_id")),
    ("issue_id", Added::Context("issue")),
];

/// Taken out of the events that are kept, and only where they are selected.
const PART: Stream = Stream {
    replication: Replication::Incremental { key: "event_date" },
    parent: Some("events"),
    added: &OF_THE_EVENT,
    cost: "none beside those of `events`, which is then read with whole bodies: up to 10 times as many pages at sentry.io",
    ..Stream::OPTIONAL
};

/// Read only where they are selected.
pub(crate) const STREAMS: &[Stream] = &[
    // Rows without whole bodies have these too (API §2.7).
    Stream {
        tap_stream_id: "event_tags",
        key_properties: &["event_id", "key"],
        source: Source::EventPart(&[Step::Field("tags"), Step::Each(None)]),
        added: &[OF_THE_EVENT[0], OF_THE_EVENT[1], OF_THE_EVENT[2], OF_THE_EVENT[3], ("key", Added::OrEmpty)],
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
            OF_THE_EVENT[0],
            OF_THE_EVENT[1],
            OF_THE_EVENT[2],
            OF_THE_EVENT[3],
            ("linked_event_id", Added::Renamed("event_id")),
        ],
        schema: include_str!("../../../schemas/event_breadcrumbs.json"),
        ..PART
    },
];
