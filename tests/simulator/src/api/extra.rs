//! Endpoints of the optional streams. They have the same few rows below every parent. The rows are files in `payloads`.
//! What differs between parents is put in by name, and dates are moved to the days before the clock's start.

use serde_json::Value;

use super::page;
use super::series;
use super::view::{Answer, View, Wording};
use super::{finish, page::Link};
use crate::auth::Group;
use crate::http::reply::Reply;
use crate::settings::Dialect;
use crate::time;

/// One such endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    /// The path after `api/0/`, with placeholders in braces.
    path: &'static str,
    /// A JSON array of rows.
    rows: &'static str,
    body: Body,
    /// The field that `start` and `end` filter by. The list is sorted by it, newest first.
    time: Option<&'static str>,
    group: Group,
}

/// The shape of a body.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// A page of a list.
    Page,
    /// A list without pages.
    List,
    /// The first row.
    Object,
    /// A page of a list that has this name in an object.
    Under(&'static str),
    /// The same without pages.
    ListUnder(&'static str),
    /// The rows as series of values by day.
    Series,
}

/// The names in a path.
pub(crate) type Names = Vec<(&'static str, String)>;

macro_rules! extras {
    ($($name:literal $path:literal $body:expr, $time:expr, $group:ident;)*) => {
        &[$(Extra {
            path: $path,
            rows: include_str!(concat!("../../payloads/", $name, ".json")),
            body: $body,
            time: $time,
            group: Group::$group,
        }),*]
    };
}

use Body::{List, ListUnder, Object, Page, Series, Under};

const EXTRAS: &[Extra] = extras! {
    "repositories" "organizations/{organization}/repos" Page, None, Organization;
    "repository_commits" "organizations/{organization}/repos/{repository}/commits" Page, None, Organization;
    "integrations" "organizations/{organization}/integrations" Page, None, Organization;
    "code_mappings" "organizations/{organization}/code-mappings" Page, None, Organization;
    "monitors" "organizations/{organization}/monitors" Page, None, Organization;
    "monitor_checkins" "organizations/{organization}/monitors/{monitor}/checkins" Page, Some("dateAdded"), Organization;
    "detectors" "organizations/{organization}/detectors" Page, None, Organization;
    "workflows" "organizations/{organization}/workflows" Page, None, Organization;
    "alert_rules" "organizations/{organization}/alert-rules" Page, None, Organization;
    "incidents" "organizations/{organization}/incidents" Page, None, Organization;
    "dashboards" "organizations/{organization}/dashboards" Page, None, Organization;
    "dashboard_details" "organizations/{organization}/dashboards/{dashboard}" Object, None, Organization;
    "saved_queries" "organizations/{organization}/discover/saved" Page, None, Organization;
    "tags" "organizations/{organization}/tags" List, None, Organization;
    "audit_log" "organizations/{organization}/audit-logs" Under("rows"), Some("dateCreated"), Organization;
    "replays" "organizations/{organization}/replays" Under("data"), Some("started_at"), Organization;
    "replay_selectors" "organizations/{organization}/replay-selectors" Under("data"), None, Organization;
    "relay_usage" "organizations/{organization}/relay_usage" List, None, Organization;
    "user_feedback" "organizations/{organization}/user-feedback" Page, Some("dateCreated"), Organization;
    "project_environments" "projects/{organization}/{project}/environments" List, None, Project;
    "project_keys" "projects/{organization}/{project}/keys" Page, None, Project;
    "project_teams" "projects/{organization}/{project}/teams" Page, None, Project;
    "project_members" "projects/{organization}/{project}/members" List, None, Project;
    "project_users" "projects/{organization}/{project}/users" Page, None, Project;
    "project_tags" "projects/{organization}/{project}/tags" List, None, Project;
    "tag_values" "projects/{organization}/{project}/tags/{tag_key}/values" Page, None, Project;
    "ownership" "projects/{organization}/{project}/ownership" Object, None, Project;
    "project_filters" "projects/{organization}/{project}/filters" List, None, Project;
    "codeowners" "projects/{organization}/{project}/codeowners" Page, None, Project;
    "symbol_sources" "projects/{organization}/{project}/symbol-sources" List, None, Project;
    "service_hooks" "projects/{organization}/{project}/hooks" Page, None, Project;
    "debug_files" "projects/{organization}/{project}/files/dsyms" Page, None, Project;
    "issue_alert_rules" "projects/{organization}/{project}/rules" Page, None, Project;
    "team_members" "teams/{organization}/{team}/members" Page, None, Organization;
    "release_files" "organizations/{organization}/releases/{version}/files" Page, None, Releases;
    "issue_activity" "organizations/{organization}/issues/{issue}/activities" ListUnder("activity"), None, Issues;
    "issue_comments" "organizations/{organization}/issues/{issue}/comments" Page, None, Issues;
    "issue_hashes" "organizations/{organization}/issues/{issue}/hashes" Page, None, Issues;
    "issue_tags" "organizations/{organization}/issues/{issue}/tags" List, None, Issues;
    "issue_tag_values" "organizations/{organization}/issues/{issue}/tags/{tag_key}/values" Page, None, Issues;
    "issue_external_issues" "organizations/{organization}/issues/{issue}/external-issues" List, None, Issues;
    "event_attachments" "organizations/{organization}/issues/{issue}/attachments" Page, None, Issues;
    "release_health" "organizations/{organization}/sessions" Series, None, Organization;
    "usage" "organizations/{organization}/stats_v2" Series, None, Organization;
    "issue_user_reports" "organizations/{organization}/issues/{issue}/user-reports" Page, None, Issues;
};

impl Extra {
    /// Whether a server of this kind has it.
    pub(crate) fn is_known_to(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Saas | Dialect::SelfHosted | Dialect::GlitchTip => true, // `api::glitchtip` answers for it
            Dialect::Sentry23 => !["detectors", "workflows"].iter().any(|name| self.path.ends_with(name)),
            Dialect::Sentry9 => false,
        }
    }

    /// The endpoint of a path, and the names in it.
    pub(crate) fn of(segments: &[&str]) -> Option<(&'static Self, Names)> {
        EXTRAS.iter().find_map(|extra| Some((extra, names(extra.path, segments)?)))
    }

    /// The scopes it needs.
    pub(crate) const fn group(&self) -> Group {
        self.group
    }
}

/// What the placeholders of a template stand for in a path.
fn names(template: &'static str, segments: &[&str]) -> Option<Names> {
    let parts: Vec<&'static str> = template.split('/').collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut names = Names::new();
    for (part, segment) in parts.into_iter().zip(segments) {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => names.push((name, (*segment).to_owned())),
            None if part == *segment => {}
            None => return None,
        }
    }
    Some(names)
}

/// Answers such an endpoint.
pub(super) fn answer(view: &View<'_>, extra: &Extra, names: &Names) -> Answer {
    let rows = rows(view, extra, names)?;
    if extra.body == Body::Series {
        return series::answer(view, &rows);
    }
    let rows: Vec<String> = rows.into_iter().map(|row| finish(view, row)).collect();
    match extra.body {
        Body::Object => rows.into_iter().next().map(Reply::text).ok_or_else(|| Reply::missing().into()),
        Body::List => Ok(Reply::list(&rows)),
        Body::ListUnder(name) => Ok(under(name, Reply::list(&rows))),
        Body::Page => Ok(paged(view, &rows)?),
        Body::Under(name) => Ok(under(name, paged(view, &rows)?)),
        Body::Series => unreachable!("answered above"),
    }
}

fn paged(view: &View<'_>, rows: &[String]) -> Answer {
    let (range, link): (_, Link) = page::by_row(view.cursor()?, view.per_page()?, rows.len());
    Ok(Reply::page(&rows[range], link))
}

fn under(name: &str, reply: Reply) -> Reply {
    let list = String::from_utf8_lossy(&reply.body).into_owned();
    Reply { body: format!("{{\"{name}\":{list},\"others\":[]}}").into_bytes(), ..reply }
}

/// The rows, with the names in the path put in. Refuses parents that do not exist.
fn rows(view: &View<'_>, extra: &Extra, names: &Names) -> Answer<Vec<Value>> {
    let mut text = time::payload_at(view.settings.now, extra.rows);
    for (name, value) in names {
        let value = &if *name == "monitor" { monitor(view, value)? } else { value.clone() };
        text = text.replace(&format!("{{{name}}}"), value);
        match *name {
            "project" => text = text.replace("{project_id}", &view.project(value)?.id.to_string()),
            "issue" => drop(view.issue(value)?),
            "version" if view.org.release(value).is_none() => return Err(Reply::missing().into()),
            "team" if !view.org.teams.iter().any(|team| team.slug == *value) => return Err(Reply::missing().into()),
            _ => {}
        }
    }
    let mut rows: Vec<Value> = serde_json::from_str(&text).expect("a payload is an array");
    if let (Body::Object, Some((_, id))) = (&extra.body, names.last()) {
        rows.sort_by_key(|row| row["id"] != id.as_str()); // the row that is asked for comes first, if rows have ids
    }
    if let Some(field) = extra.time {
        let second = |row: &Value| row[field].as_str().and_then(time::parse).unwrap_or_default();
        if let Some((start, end)) = view.window(Wording::Plain)? {
            rows.retain(|row| (start..end).contains(&second(row)));
        }
        rows.sort_by_key(|row| std::cmp::Reverse(second(row)));
    }
    Ok(rows)
}

/// The id of the monitor that a path names. By a slug it is the oldest that has it. Servers of 2023 take nothing else.
fn monitor(view: &View<'_>, named: &str) -> Answer<String> {
    let list = EXTRAS.iter().find(|extra| extra.path.ends_with("/monitors")).expect("monitors are listed");
    let rows: Vec<Value> = serde_json::from_str(list.rows).expect("a payload is an array");
    let takes_ids = view.settings.dialect != Dialect::Sentry23;
    let found = rows.iter().find(|row| row["slug"] == named || (takes_ids && row["id"] == named));
    let id = found.and_then(|row| row["id"].as_str()).ok_or_else(Reply::missing)?;
    Ok(id.to_owned())
}
