//! Children of issues. A run reads them for issues that had events since the last run. It does not see changes to other
//! issues.

use crate::sentry::endpoint::{Endpoint, PageSize, Rows};
use crate::streams::stream::{Added, Replication, Source, Stream};

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    // The server returns the newest hundred of each issue (API §3).
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
    // Without full=false the rows hold whole events, ten on a page (API §3).
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
    // Asked by issue: asked by event, each event would cost a request (API §3). A 404 where the organization lacks the
    // feature.
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
