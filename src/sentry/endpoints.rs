//! The fixed requests: those that are made whatever streams are selected, or that several streams share.
//!
//! Endpoints of ordinary streams stand in their rows of the table (`streams/rows/`). Data only.

use crate::sentry::endpoint::{Endpoint, PageSize};
use crate::sentry::limits::group::LimitGroup;

/// More project ids than this make the URL too long.
pub const MAX_PROJECT_IDS: usize = 100;

/// The organization itself. It is asked to see whether it is there, and for the time.
pub const ORGANIZATION: Endpoint = Endpoint { paths: &["organizations/{organization}/"], ..Endpoint::DETAIL };

/// Every issue of an organization (API §2.3). `query` is empty on purpose: absent, it hides resolved issues.
pub const ORGANIZATION_ISSUES: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/"],
    page_size: PageSize::Limit,
    query: &[("sort", "date"), ("groupStatsPeriod", ""), ("collapse", "filtered")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Issues of one project, for servers that cannot list an organization's (API §2.4). Knows no window.
pub const PROJECT_ISSUES: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/issues/"],
    limit_group: LimitGroup::ProjectIssues,
    page_size: PageSize::Limit,
    query: &[("query", ""), ("statsPeriod", "")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Not returned unless asked for by name (API §2.3).
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

/// One event by its issue: the faster bucket (API §2.8); servers that lack it have the project's form.
pub const ISSUE_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &[
        "organizations/{organization}/issues/{issue}/events/{event}/",
        "projects/{organization}/{project}/events/{event}/",
    ],
    limit_group: LimitGroup::IssueEventDetail,
    scope: "event:read",
    ..Endpoint::DETAIL
};

/// One event by its project, for events that no issue is known of.
pub const PROJECT_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/events/{event}/"],
    limit_group: LimitGroup::EventDetail,
    scope: "project:read",
    ..Endpoint::DETAIL
};
