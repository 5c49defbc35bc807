//! The organization, its projects and environments.

use serde_json::json;

use super::view::{Answer, View};
use super::{finish, numbered};
use crate::http::reply::Reply;
use crate::render::{self, kind};

/// Where links in payloads point.
fn origin(view: &View<'_>) -> String {
    format!("http://{}", view.call.header("host").unwrap_or("localhost"))
}

/// `organizations/{org}/`
pub(super) fn organization(view: &View<'_>) -> Reply {
    let mut row = render::project::organization(view.org, &origin(view));
    if view.is_sentry9() {
        render::sentry9::organization(&mut row);
    }
    Reply::text(finish(view, row))
}

/// `organizations/{org}/projects/`: all projects, by slug.
pub(super) fn projects(view: &View<'_>) -> Answer {
    let mut projects: Vec<_> = view.org.projects.iter().collect();
    projects.sort_by(|a, b| a.slug.cmp(&b.slug));
    numbered(view, &projects, |project| {
        let mut row = render::project::row(view.org, project, view.is_sentry9());
        if view.denied.contains(&project.id) {
            row["hasAccess"] = json!(false);
        }
        if view.call.all("collapse").any(|part| part == "latestDeploys") {
            row.as_object_mut().map(|object| object.remove("latestDeploys"));
        }
        row
    })
}

/// `projects/{org}/{project}/`
pub(super) fn project(view: &View<'_>, project: &str) -> Answer {
    let project = view.project(project)?;
    let row = render::project_detail::row(view.org, project, &origin(view), view.is_sentry9());
    Ok(Reply::text(finish(view, row)))
}

/// `organizations/{org}/environments/`: no pages.
pub(super) fn environments(view: &View<'_>) -> Answer {
    if view.projects()?.is_empty() {
        return Ok(Reply::list(&[]));
    }
    let visibility = view.call.get("visibility").unwrap_or("visible");
    if !["all", "hidden", "visible"].contains(&visibility) {
        return Err(view.bad("Invalid value for 'visibility', valid values are: ['all', 'hidden', 'visible']"));
    }
    let names = if visibility == "hidden" { &[][..] } else { &kind::ENVIRONMENTS[..] };
    let rows: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(position, name)| finish(view, json!({ "id": (position + 1).to_string(), "name": name })))
        .collect();
    Ok(Reply::list(&rows))
}
