//! What hangs on each issue. Read for issues that have had events since the last run: what is done to other issues in
//! between is not seen.

use crate::sentry::endpoint::{Endpoint, PageSize, Rows};
use crate::streams::stream::{Added, Replication, Source, Stream};

/// Read only where they are selected.
pub(crate) const STREAMS: &[Stream] = &[
    // The newest hundred of each issue (API §3).
    Stream {
        tap_stream_id: "issue_activity",
        key_properties: &["issue_id", "id"],
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/activities/", "issues/{issue}/activities/"],
            page_size: PageSize::None,
            rows: Rows::Under("activity"),
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_activity.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_comments",
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/comments/", "issues/{issue}/comments/"],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_comments.json"),
        ..Stream::OPTIONAL
    },
    // Whole events unless told otherwise, and then ten on a page (API §3).
    Stream {
        tap_stream_id: "issue_hashes",
        key_properties: &["issue_id", "id"],
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/hashes/", "issues/{issue}/hashes/"],
            query: &[("full", "false")],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_hashes.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_tags",
        key_properties: &["issue_id", "key"],
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/tags/", "issues/{issue}/tags/"],
            page_size: PageSize::None,
            scope: "event:read",
            ..Endpoint::LIST
        }),
        child_context: &[("tag_key", "key")],
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_tags.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_tag_values",
        key_properties: &["issue_id", "tag_key", "value"],
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issue_tags"),
        source: Source::Endpoint(Endpoint {
            paths: &[
                "organizations/{organization}/issues/{issue}/tags/{tag_key}/values/",
                "issues/{issue}/tags/{tag_key}/values/",
            ],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[
            ("issue_id", Added::Context("issue")),
            ("tag_key", Added::Context("tag_key")),
            ("value", Added::OrEmpty),
            ("issue_last_seen", Added::Context("issue_last_seen")),
        ],
        cost: "1 per changed issue and tag key, and 1 per 100 values, of which the server has 1000 at most",
        schema: include_str!("../../../schemas/issue_tag_values.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_external_issues",
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/external-issues/", "issues/{issue}/external-issues/"],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_external_issues.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_user_reports",
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/user-reports/", "issues/{issue}/user-reports/"],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue",
        schema: include_str!("../../../schemas/issue_user_reports.json"),
        ..Stream::OPTIONAL
    },
    // By the issue, since by the event it would be a request for each (API §3). Needs a feature, and is a 404 without.
    Stream {
        tap_stream_id: "event_attachments",
        replication: Replication::Incremental { key: "issue_last_seen" },
        parent: Some("issues"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/issues/{issue}/attachments/", "issues/{issue}/attachments/"],
            scope: "event:read",
            ..Endpoint::LIST
        }),
        added: &[("issue_id", Added::Context("issue")), ("issue_last_seen", Added::Context("issue_last_seen"))],
        cost: "1 per changed issue, and 1 per 100 attachments of it",
        schema: include_str!("../../../schemas/event_attachments.json"),
        ..Stream::OPTIONAL
    },
];
