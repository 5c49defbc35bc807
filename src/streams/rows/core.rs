//! The streams of the original tap, under its names.

use crate::sentry::endpoint::Endpoint;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::request::ALL_PROJECTS;
use crate::streams::stream::{Added, EVENT_DETAIL_ONLY, Embed, LATE_RELEASES, Replication, Source, Stream, TimeFilter};

/// Selected by default, because the original tap reads them.
pub(crate) const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "projects",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/projects/"], ..Endpoint::LIST }),
        child_context: &[("project", "slug"), ("project_id", "id")],
        schema: include_str!("../../../schemas/projects.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "project_detail",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/"],
            scope: "project:read",
            ..Endpoint::DETAIL
        }),
        added: &[("organization_slug", Added::Context("organization"))],
        not_by_default: &["securityToken"],
        cost: "1 per project",
        schema: include_str!("../../../schemas/project_detail.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "teams",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/teams/"], ..Endpoint::LIST }),
        child_context: &[("team", "slug"), ("team_id", "id")],
        schema: include_str!("../../../schemas/teams.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "users",
        // Sentry no longer documents users/ but still serves it. Where it is gone, members/ comes closest (API §2.10).
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/users/", "organizations/{organization}/members/"],
            in_one_piece: true,
            query: &[ALL_PROJECTS],
            scope: "member:read",
            ..Endpoint::LIST
        }),
        cost: "1 (1 per 100 members where users/ is gone)",
        schema: include_str!("../../../schemas/users.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "issues",
        replication: Replication::Incremental { key: "lastSeen" },
        source: Source::Issues,
        child_context: &[("issue", "id"), ("issue_last_seen", "lastSeen")],
        cost: "1 per 100 changed issues, and 1 for feedback",
        schema: include_str!("../../../schemas/issues.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "events",
        key_properties: &["eventID"],
        replication: Replication::Incremental { key: "dateCreated" },
        source: Source::Events,
        child_context: &[
            ("event", "eventID"),
            ("event_date", "dateCreated"),
            ("project_id", "project_id"),
            ("issue", "issue_id"),
        ],
        not_by_default: EVENT_DETAIL_ONLY,
        cost: "about 1 per 100 new events; none where no issue changed",
        schema: include_str!("../../../schemas/events.json"),
        ..Stream::DEFAULT
    },
    // Rows of the organization's release list.
    Stream {
        tap_stream_id: "releases",
        key_properties: &["version"],
        replication: Replication::Incremental { key: "dateCreated" },
        // Without status= the list hides archived releases, without project=-1 those of other teams (API §2.12).
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/releases/"],
            limit_group: LimitGroup::Releases,
            query: &[ALL_PROJECTS, ("status", "")],
            scope: "project:releases",
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        late_by: LATE_RELEASES,
        // Older servers sort and filter by it (API §2.12).
        sorted_by: Some("dateReleased"),
        child_context: &[("version", "version"), ("release_date", "dateCreated")],
        cost: "1 per 100 new releases",
        schema: include_str!("../../../schemas/releases.json"),
        ..Stream::DEFAULT
    },
    // The same releases, with their commits and deploys put into the record.
    Stream {
        tap_stream_id: "release",
        replication: Replication::Incremental { key: "dateCreated" },
        parent: Some("releases"),
        late_by: LATE_RELEASES,
        // Not lastEvent and newGroups: they change with every event.
        told_by: &[
            "commitCount",
            "lastCommit.id",
            "deployCount",
            "lastDeploy.id",
            "status",
            "dateReleased",
            "ref",
            "url",
        ],
        source: Source::ParentRow(&[
            Embed {
                field: "commits",
                endpoint: Endpoint {
                    paths: &["organizations/{organization}/releases/{version}/commits/"],
                    scope: "project:releases",
                    ..Endpoint::LIST
                },
                count: "commitCount",
            },
            Embed {
                field: "deploys",
                endpoint: Endpoint {
                    paths: &["organizations/{organization}/releases/{version}/deploys/"],
                    scope: "project:releases",
                    ..Endpoint::LIST
                },
                count: "deployCount",
            },
        ]),
        added: &[
            ("id", Added::Else("version")),
            ("project_id", Added::FirstOf("projects", "id")),
            ("project_slug", Added::FirstOf("projects", "slug")),
        ],
        cost: "up to 2 per new release",
        schema: include_str!("../../../schemas/release.json"),
        ..Stream::DEFAULT
    },
];
