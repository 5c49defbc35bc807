//! Endpoints that do not belong to one stream: several streams share them, or every run uses them.
//!
//! Endpoints of ordinary streams are in the table of streams (`streams/rows/`). Data only.

use crate::sentry::endpoint::{Endpoint, PageSize};
use crate::sentry::limits::group::LimitGroup;

/// Most project ids in one request; more make the URL too long.
pub const MAX_PROJECT_IDS: usize = 100;

/// The organization itself. A run asks for it to learn whether it exists, and the server's time.
pub const ORGANIZATION: Endpoint = Endpoint { paths: &["organizations/{organization}/"], ..Endpoint::DETAIL };

/// One project. Where it is asked for by a slug of digits, its id tells how a server reads paths.
pub const PROJECT: Endpoint = Endpoint { paths: &["projects/{organization}/{project}/"], ..Endpoint::DETAIL };

/// One team, for the same.
pub const TEAM: Endpoint = Endpoint { paths: &["teams/{organization}/{team}/"], ..Endpoint::DETAIL };

/// Every issue of an organization (API §2.3). Requests must add `sort`, and `query`, even if it is empty: without it, the
/// server hides resolved issues.
pub const ORGANIZATION_ISSUES: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/"],
    page_size: PageSize::Limit,
    query: &[("groupStatsPeriod", ""), ("collapse", "filtered")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Issues of one project, for servers that cannot list those of an organization (API §2.4). Ignores windows of time.
pub const PROJECT_ISSUES: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/issues/"],
    limit_group: LimitGroup::ProjectIssues,
    page_size: PageSize::Limit,
    query: &[("query", ""), ("statsPeriod", "")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// The query for feedback issues. The server returns them only if the query names their category (API §2.3).
pub const FEEDBACK: &str = "issue.category:feedback";

/// One issue with activity, participants, releases and tags (API §2.5).
pub const ISSUE_DETAIL: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/{issue}/", "issues/{issue}/"],
    limit_group: LimitGroup::IssueDetail,
    scope: "event:read",
    ..Endpoint::DETAIL
};

/// Events of one issue, of any category (API §2.6).
pub const ISSUE_EVENTS: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/{issue}/events/", "issues/{issue}/events/"],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Error events of one project (API §2.7).
pub const PROJECT_EVENTS: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/events/"],
    limit_group: LimitGroup::ProjectEvents,
    scope: "project:read",
    ..Endpoint::LIST
};

/// One event by its issue, in the faster bucket (API §2.8). Servers without this path have the project's.
pub const ISSUE_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &[
        "organizations/{organization}/issues/{issue}/events/{event}/",
        "projects/{organization}/{project}/events/{event}/",
    ],
    limit_group: LimitGroup::IssueEventDetail,
    scope: "event:read",
    ..Endpoint::DETAIL
};

/// One event by its project, for events whose issue is unknown.
pub const PROJECT_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/events/{event}/"],
    limit_group: LimitGroup::EventDetail,
    scope: "project:read",
    ..Endpoint::DETAIL
};
