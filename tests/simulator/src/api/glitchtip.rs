//! GlitchTip, a server with much of Sentry's API: its pages, filters and error texts. `render::glitchtip` says what its
//! rows look like.

use serde_json::{Value, json};

use super::finish;
use super::index;
use super::page::Link;
use super::route::Target;
use super::view::{Answer, View};
use crate::faults::LinkForm;
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::organization::{Event, Found, Issue, Project};
use crate::render::glitchtip as render;
use crate::time;

/// How many rows a page has unless `limit` says otherwise, and the most it may have.
const USUAL: usize = 50;
const MOST: usize = 100;
/// How cursors begin. The rest is the number of the row.
const CURSOR: &str = "cD0yMDI1";

/// The answer to a path that GlitchTip does not have. Mostly it is the web page.
pub(crate) fn unknown(segments: &[String], target: &Target) -> Option<Reply> {
    let of_organization = segments.get(2).is_some_and(|part| part == "organizations");
    match target {
        Target::Users => Some(Reply::new(404, "text/html; charset=utf-8", page_of_the_app(73_000))),
        Target::Issue(_) if of_organization => Some(Reply::detail(405, "Method not allowed")),
        Target::IssueEvents(_) | Target::IssueEvent(..) if of_organization => Some(web_page()),
        Target::Commits(_) | Target::Deploys(_) | Target::Extra(..) => Some(web_page()),
        _ => None,
    }
}

/// The answer about an organization that does not exist. Its lists are empty, without an error.
pub(crate) fn of_nobody(target: &Target) -> Reply {
    match target {
        Target::Organization => Reply::detail(404, "Not Found"),
        _ => Reply::list(&[]),
    }
}

/// The page of the web application. It answers every path that the API does not have.
pub(crate) fn web_page() -> Reply {
    Reply::new(200, "text/html; charset=utf-8", page_of_the_app(2000))
}

fn page_of_the_app(size: usize) -> String {
    format!("<!doctype html><html><body><app-root></app-root><!--{}--></body></html>", "x".repeat(size))
}

/// Answers a routed, authorized request. Requests that Sentry answers alike are left to its code.
pub(super) fn answer(view: &View<'_>, target: &Target) -> Option<Answer> {
    Some(match target {
        Target::Organization => Ok(Reply::text(finish(view, render::organization(view.org)))),
        Target::Projects => paged(view, &view.org.projects, |project| render::project(view.org, project)),
        Target::Project(project) => {
            view.project(project).map(|project| Reply::text(finish(view, render::project(view.org, project))))
        }
        Target::Teams => paged(view, &view.org.teams, |team| render::team(view.org, team)),
        Target::Members => paged(view, &view.org.members, render::member),
        Target::Issues => issues(view, None),
        Target::ProjectIssues(project) => match view.org.find_project(project) {
            Found::Here(project) => issues(view, Some(project)),
            _ => Ok(Reply::list(&[])),
        },
        Target::Issue(issue) => {
            view.issue(issue).map(|issue| Reply::text(finish(view, render::issue(view.org, issue))))
        }
        Target::IssueEvents(issue) => events_of_issue(view, issue),
        Target::ProjectEvents(project) => events_of_project(view, project),
        Target::Releases => {
            let mut releases: Vec<_> = view.org.releases.iter().collect();
            releases.sort_by_key(|release| std::cmp::Reverse((release.created, release.id)));
            paged(view, &releases, |release| render::release(view.org, release))
        }
        _ => return None,
    })
}

/// A page. A large `limit` is silently reduced, `per_page` is not known, and Sentry's cursors are refused.
fn paged<T>(view: &View<'_>, rows: &[T], render: impl Fn(&T) -> Value) -> Answer {
    let limit = match view.call.get("limit").map(str::parse::<usize>) {
        None => USUAL,
        Some(Ok(limit @ 1..)) => limit.min(MOST),
        Some(_) => return Err(refusal("limit")),
    };
    let start = match view.call.get("cursor").filter(|cursor| !cursor.is_empty()) {
        None => 0,
        Some(cursor) => {
            let row = cursor.strip_prefix(CURSOR).and_then(|row| row.parse::<usize>().ok());
            row.ok_or_else(|| refusal("cursor"))?.min(rows.len())
        }
    };
    let end = rows.len().min(start + limit);
    let link = Link {
        form: LinkForm::Usual,
        previous: (String::new(), false),
        next: if end < rows.len() { (format!("{CURSOR}{end}"), true) } else { (String::new(), false) },
    };
    let shown: Vec<String> = rows[start..end].iter().map(|row| finish(view, render(row))).collect();
    Ok(Reply::page(&shown, link))
}

/// An error in a parameter. Its `detail` is a list.
fn refusal(parameter: &str) -> Box<Reply> {
    let body = json!({ "detail": [{ "type": "value_error", "loc": ["query", parameter], "msg": "Value error" }] });
    Reply::new(422, "application/json", body.to_string()).into()
}

/// GlitchTip's Python-set `Link` header: text as Python prints a set. Where there is no page there is no cursor.
pub(crate) fn link_header(link: &Link, origin: &str, call: &Call) -> String {
    let part = |relation: &str, (cursor, results): &(String, bool)| {
        let own = if *results { format!("; cursor=\"{cursor}\"") } else { String::new() };
        format!("<{origin}{}?cursor={cursor}>; rel=\"{relation}\"; results=\"{results}\"{own}", call.path)
    };
    format!("{{'{}, {}'}}", part("previous", &link.previous), part("next", &link.next))
}

/// Issues, sorted by their last event, newest first. `start` and `end` filter by their first event.
fn issues(view: &View<'_>, project: Option<&Project>) -> Answer {
    if view.call.get("sort").is_some_and(|sort| ["date", "new", "freq"].contains(&sort)) {
        return Err(refusal("sort"));
    }
    let query = view.call.get("query").unwrap_or_default();
    if query.matches(['"', '\'']).count() % 2 == 1 {
        return Err(view.crash());
    }
    if query.contains("lastSeen:") {
        return Ok(Reply::list(&[]));
    }
    let asked: Vec<&str> = view.call.all("project").collect();
    let moment = |name: &str| view.call.get(name).and_then(time::parse);
    let (start, end) = (moment("start"), moment("end"));
    let wanted = |issue: &&Issue| {
        let first = issue.events.last().map(Event::second);
        view.exists(issue)
            && !view.denied.contains(&issue.project)
            && project.is_none_or(|project| issue.project == project.id)
            && (asked.is_empty() || asked.contains(&issue.project.to_string().as_str()))
            && start.is_none_or(|start| first >= Some(start))
            && end.is_none_or(|end| first < Some(end))
    };
    let mut issues: Vec<&Issue> = view.org.issues.iter().filter(wanted).collect();
    issues.sort_by_key(|issue| std::cmp::Reverse((issue.events.first().map(Event::second), issue.id)));
    paged(view, &issues, |issue| render::issue(view.org, issue))
}

/// Events of an issue. Time windows are not known, and names have underscores.
fn events_of_issue(view: &View<'_>, issue: &str) -> Answer {
    let issue = view.issue(issue)?;
    let kept: Vec<&Event> = issue.events.iter().filter(|event| event.second() >= view.horizon()).collect();
    paged(view, &kept, |event| render::event_of_issue(view.org, issue, event))
}

/// Events of a project. Time windows are not known here either.
fn events_of_project(view: &View<'_>, project: &str) -> Answer {
    let Found::Here(project) = view.org.find_project(project) else { return Ok(Reply::list(&[])) };
    let places = view.index.borrow_mut().of(view.org, project.id);
    let kept: Vec<_> =
        places.iter().filter(|place| index::at(view.org, **place).1.second() >= view.horizon()).collect();
    paged(view, &kept, |place| {
        let (issue, event) = index::at(view.org, **place);
        render::event_of_project(view.org, issue, event)
    })
}
