//! Children of projects and of teams.

use crate::sentry::endpoint::{Endpoint, PageSize};
use crate::streams::stream::{Added, Source, Stream};

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "project_environments",
        key_properties: &["project_id", "id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/environments/"],
            page_size: PageSize::None,
            query: &[("visibility", "all")],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_environments.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "project_keys",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/keys/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_slug", Added::Context("project"))],
        not_by_default: &["dsn", "secret"],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_keys.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "project_teams",
        key_properties: &["project_id", "id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/teams/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_teams.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "project_members",
        key_properties: &["project_id", "id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/members/"],
            page_size: PageSize::None,
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_members.json"),
        ..Stream::OPTIONAL
    },
    // End users that events name, not members of the organization.
    Stream {
        tap_stream_id: "project_users",
        key_properties: &["project_id", "hash"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/users/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project, and 1 per 100 end users: many",
        schema: include_str!("../../../schemas/project_users.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "project_tags",
        key_properties: &["project_id", "key"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/tags/"],
            page_size: PageSize::None,
            scope: "project:read",
            ..Endpoint::LIST
        }),
        child_context: &[("tag_key", "key")],
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_tags.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "tag_values",
        key_properties: &["project_id", "tag_key", "value"],
        parent: Some("project_tags"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/tags/{tag_key}/values/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[
            ("project_id", Added::Context("project_id")),
            ("project_slug", Added::Context("project")),
            ("tag_key", Added::Context("tag_key")),
            ("value", Added::OrEmpty),
        ],
        cost: "1 per project and tag key, and 1 per 100 values, of which the server has 1000 at most",
        schema: include_str!("../../../schemas/tag_values.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "ownership",
        key_properties: &["project_id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/ownership/"],
            scope: "project:read",
            ..Endpoint::DETAIL
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/ownership.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "project_filters",
        key_properties: &["project_id", "id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/filters/"],
            page_size: PageSize::None,
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_filters.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "codeowners",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/codeowners/"],
            page_size: PageSize::None,
            query: &[("expand", "codeMapping"), ("expand", "ownershipSyntax")],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/codeowners.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "symbol_sources",
        key_properties: &["project_id", "id"],
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/symbol-sources/"],
            page_size: PageSize::None,
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        not_by_default: &[
            "access_key",
            "username",
            "client_email",
            "password",
            "secret_key",
            "private_key",
            "appconnectPrivateKey",
        ],
        cost: "1 per project",
        schema: include_str!("../../../schemas/symbol_sources.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "service_hooks",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/hooks/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        not_by_default: &["secret"],
        cost: "1 per project",
        schema: include_str!("../../../schemas/service_hooks.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "debug_files",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/files/dsyms/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_id", Added::Context("project_id")), ("project_slug", Added::Context("project"))],
        cost: "1 per project, and 1 per 100 files",
        schema: include_str!("../../../schemas/debug_files.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "issue_alert_rules",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/rules/"],
            query: &[("expand", "lastTriggered")],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        added: &[("project_slug", Added::Context("project"))],
        cost: "1 per project",
        schema: include_str!("../../../schemas/issue_alert_rules.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "team_members",
        key_properties: &["team_id", "id"],
        parent: Some("teams"),
        source: Source::Endpoint(Endpoint {
            paths: &["teams/{organization}/{team}/members/"],
            scope: "team:read",
            ..Endpoint::LIST
        }),
        added: &[("team_id", Added::Context("team_id")), ("team_slug", Added::Context("team"))],
        cost: "1 per team, and 1 per 100 members",
        schema: include_str!("../../../schemas/team_members.json"),
        ..Stream::OPTIONAL
    },
];
