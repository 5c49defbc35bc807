//! The endpoints: which rows an answer has, in which order, on which page. `render` says what a row looks like, and
//! `http` makes the bytes.

mod event;
mod events;
mod extra;
pub(crate) mod glitchtip;
pub(crate) mod index;
mod issue;
mod issues;
mod organization;
pub(crate) mod page;
mod people;
mod project_issues;
mod releases;
pub(crate) mod route;
mod search;
mod series;
mod table;
pub(crate) mod view;

use serde_json::Value;

use crate::http::reply::Reply;
use crate::render;
use crate::settings::Dialect;
use page::{Cursor, Keys, Link};
use route::Target;
use view::{Answer, View};

/// Answers a routed, authorized request.
pub(crate) fn answer(view: &View<'_>, target: &Target) -> Reply {
    if view.settings.dialect == Dialect::GlitchTip
        && let Some(answer) = glitchtip::answer(view, target)
    {
        return answer.unwrap_or_else(|refusal| *refusal);
    }
    let answer = match target {
        Target::Organization => Ok(organization::organization(view)),
        Target::Projects => organization::projects(view),
        Target::Project(project) => organization::project(view, project),
        Target::Environments => organization::environments(view),
        Target::Teams => people::teams(view),
        Target::Users => people::users(view),
        Target::Members => people::members(view),
        Target::Issues => issues::list(view),
        Target::Issue(issue) => issue::detail(view, issue),
        Target::ProjectIssues(project) => project_issues::list(view, project),
        Target::IssueEvents(issue) => events::of_issue(view, issue),
        Target::ProjectEvents(project) => events::of_project(view, project),
        Target::IssueEvent(issue, event) => event::of_issue(view, issue, event),
        Target::ProjectEvent(project, event) => event::of_project(view, project, event),
        Target::Table => table::table(view),
        Target::Releases => releases::list(view),
        Target::Release(version) => releases::detail(view, version),
        Target::Commits(version) => releases::commits(view, version),
        Target::Deploys(version) => releases::deploys(view, version),
        Target::Extra(extra, names) => extra::answer(view, extra, names),
    };
    answer.unwrap_or_else(|refusal| *refusal)
}

/// Finishes a row as text. Adds an undocumented field if the settings say so.
fn finish(view: &View<'_>, mut row: Value) -> String {
    if view.settings.extra_field {
        render::surprise(&mut row);
    }
    row.to_string()
}

/// A page by number. Only the rows of the page are rendered.
fn numbered<T>(view: &View<'_>, rows: &[T], render: impl Fn(&T) -> Value) -> Answer {
    let limit = view.per_page()?;
    let page = page::by_number(view.cursor()?, limit, rows.len());
    let (range, link) = page.map_err(|error| view.bad_cursor(&error))?;
    let rows: Vec<_> = rows[range].iter().map(|row| finish(view, render(row))).collect();
    Ok(Reply::page(&rows, link))
}

/// An empty page by key, with nothing before or after it.
fn empty_keyed(cursor: Option<Cursor>, limit: usize) -> Link {
    page::by_key(cursor, limit, &Keys { key: |_| 0, total: 0, falling: true }).1
}
