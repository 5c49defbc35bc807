//! Streams of the organization as a whole, and their children.

use chrono::TimeDelta;

use crate::sentry::endpoint::{Endpoint, PageSize, Rows};
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::request::ALL_PROJECTS;
use crate::streams::stream::{Added, Replication, Source, Stream, TimeFilter};

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "organization",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/"],
            query: &[("detailed", "0")],
            ..Endpoint::DETAIL
        }),
        cost: "1",
        schema: include_str!("../../../schemas/organization.json"),
        ..Stream::OPTIONAL
    },
    // Includes people who are invited but have not joined. The stream users has only members of projects (API §2.10,
    // §2.11).
    Stream {
        tap_stream_id: "members",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/members/"],
            limit_group: LimitGroup::Members,
            scope: "member:read",
            ..Endpoint::LIST
        }),
        cost: "1 per 100 members",
        schema: include_str!("../../../schemas/members.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "environments",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/environments/"],
            page_size: PageSize::None,
            query: &[ALL_PROJECTS, ("visibility", "all")],
            ..Endpoint::LIST
        }),
        cost: "1",
        schema: include_str!("../../../schemas/environments.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "repositories",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/repos/"], ..Endpoint::LIST }),
        child_context: &[("repository", "id")],
        cost: "1 per 100 repositories",
        schema: include_str!("../../../schemas/repositories.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "repository_commits",
        key_properties: &["repository_id", "id"],
        parent: Some("repositories"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/repos/{repository}/commits/"],
            ..Endpoint::LIST
        }),
        added: &[("repository_id", Added::Context("repository"))],
        cost: "1 per 100 commits of each repository, in every run",
        schema: include_str!("../../../schemas/repository_commits.json"),
        ..Stream::OPTIONAL
    },
    // With includeConfig=1 the server needs seconds for each row (API §3).
    Stream {
        tap_stream_id: "integrations",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/integrations/"],
            query: &[("includeConfig", "0")],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 integrations",
        schema: include_str!("../../../schemas/integrations.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "code_mappings",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/code-mappings/"],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 mappings",
        schema: include_str!("../../../schemas/code_mappings.json"),
        ..Stream::OPTIONAL
    },
    // The default order changes while the list is read (API §3).
    Stream {
        tap_stream_id: "monitors",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/monitors/"],
            query: &[ALL_PROJECTS, ("sort", "name")],
            ..Endpoint::LIST
        }),
        // A missed check-in is written once the margin is over, dated to when it was expected. A running one changes
        // until the longest run is over (API §8).
        late_minutes: &[("config", "checkin_margin", 1), ("config", "max_runtime", 30)],
        child_context: &[("monitor", "slug"), ("monitor_id", "id")],
        cost: "1 per 100 monitors",
        schema: include_str!("../../../schemas/monitors.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "monitor_checkins",
        replication: Replication::Incremental { key: "dateAdded" },
        parent: Some("monitors"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/monitors/{monitor_id}/checkins/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        // Slugs are unique in a project only. Servers of 2023 take nothing else (API §8).
        by_name: Some(Endpoint {
            paths: &["organizations/{organization}/monitors/{monitor}/checkins/"],
            scope: "project:read",
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        late_by: TimeDelta::minutes(10),
        added: &[("monitor_slug", Added::Context("monitor")), ("dateAdded", Added::Else("dateCreated"))],
        cost: "1 per monitor, and 1 per 100 new check-ins",
        schema: include_str!("../../../schemas/monitor_checkins.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "detectors",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/detectors/"],
            query: &[ALL_PROJECTS, ("sortBy", "id")],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 detectors",
        schema: include_str!("../../../schemas/detectors.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "workflows",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/workflows/"],
            query: &[ALL_PROJECTS, ("sortBy", "id")],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 workflows",
        schema: include_str!("../../../schemas/workflows.json"),
        ..Stream::OPTIONAL
    },
    // Metric alerts of servers that have no detectors and workflows yet.
    Stream {
        tap_stream_id: "alert_rules",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/alert-rules/"],
            query: &[ALL_PROJECTS],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 rules",
        schema: include_str!("../../../schemas/alert_rules.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "incidents",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/incidents/"],
            query: &[ALL_PROJECTS],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 incidents",
        schema: include_str!("../../../schemas/incidents.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "dashboards",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/dashboards/"], ..Endpoint::LIST }),
        child_context: &[("dashboard", "id")],
        cost: "1 per 100 dashboards",
        schema: include_str!("../../../schemas/dashboards.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "dashboard_details",
        parent: Some("dashboards"),
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/dashboards/{dashboard}/"],
            ..Endpoint::DETAIL
        }),
        cost: "1 per dashboard",
        schema: include_str!("../../../schemas/dashboard_details.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "saved_queries",
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/discover/saved/"],
            ..Endpoint::LIST
        }),
        cost: "1 per 100 queries",
        schema: include_str!("../../../schemas/saved_queries.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "tags",
        key_properties: &["key"],
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/tags/"],
            page_size: PageSize::None,
            query: &[ALL_PROJECTS],
            ..Endpoint::LIST
        }),
        cost: "1",
        schema: include_str!("../../../schemas/tags.json"),
        ..Stream::OPTIONAL
    },
    // Only the host sentry.io has it; the hosts of regions do not.
    Stream {
        tap_stream_id: "audit_log",
        replication: Replication::Incremental { key: "dateCreated" },
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/audit-logs/"],
            rows: Rows::Under("rows"),
            scope: "org:write",
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        cost: "1 per 100 new entries",
        schema: include_str!("../../../schemas/audit_log.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "replays",
        replication: Replication::Incremental { key: "started_at" },
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/replays/"],
            query: &[ALL_PROJECTS, ("sort", "-started_at")],
            rows: Rows::Under("data"),
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        // A replay grows for an hour after it began.
        late_by: TimeDelta::hours(2),
        cost: "1 per 100 new replays",
        schema: include_str!("../../../schemas/replays.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "replay_selectors",
        key_properties: &["project_id", "dom_element"],
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/replay-selectors/"],
            query: &[ALL_PROJECTS],
            rows: Rows::Under("data"),
            ..Endpoint::LIST
        }),
        cost: "1 per 100 selectors",
        schema: include_str!("../../../schemas/replay_selectors.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "relay_usage",
        key_properties: &["relayId", "version"],
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/relay_usage/"],
            page_size: PageSize::None,
            ..Endpoint::LIST
        }),
        cost: "1",
        schema: include_str!("../../../schemas/relay_usage.json"),
        ..Stream::OPTIONAL
    },
    // The older kind of reports. Feedback from the widget is in the stream issues (API §3).
    Stream {
        tap_stream_id: "user_feedback",
        replication: Replication::Incremental { key: "dateCreated" },
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/user-feedback/"],
            query: &[ALL_PROJECTS, ("status", "")],
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        // A report gets its issue up to a day later (API §8).
        late_by: TimeDelta::hours(25),
        cost: "1 per 100 new reports",
        schema: include_str!("../../../schemas/user_feedback.json"),
        ..Stream::OPTIONAL
    },
];
