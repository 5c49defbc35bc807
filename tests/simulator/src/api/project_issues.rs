//! `projects/{org}/{project}/issues/`: the old list of one project (API §2.4). It knows no window.

use serde_json::{Value, json};

use super::finish;
use super::issues::{Hit, hits, search, sort, sort_key};
use super::page::{self, Keys};
use super::view::{Answer, View};
use crate::http::reply::Reply;
use crate::organization::{Category, Issue};
use crate::render::issue as render;
use crate::render::kind;
use crate::render::numbers::{Numbers, series};

/// The list. The first page by date comes from the database, so it has feedback, and issues whose events are gone. Later
/// pages and other orders come from the event index, and do not have them. The old server has only the database.
pub(super) fn list(view: &View<'_>, project: &str) -> Answer {
    let project = view.project(project)?;
    let (search, limit, cursor) = (search(view)?, view.limit()?, view.cursor()?);
    let period = view.call.get("statsPeriod").unwrap_or("24h");
    if !["", "24h", "14d"].contains(&period) {
        let text = "Invalid stats_period. Valid choices are '', '24h', and '14d'";
        return Err(Reply::detail(400, text).into());
    }
    let key = sort_key(view)?;
    let by_date = view.call.get("sort").is_none_or(|sort| sort == "date");
    let database = view.is_sentry9() || (cursor.is_none() && by_date);
    let mut found: Vec<Hit<'_>> = view
        .org
        .issues
        .iter()
        .filter(|issue| issue.project == project.id && view.exists(issue) && search.admits_status(issue))
        .filter_map(|issue| {
            let last = issue.events.first()?.second();
            let title = kind::of(issue).title;
            let feedback = issue.category == Category::Feedback && !search.names_category();
            let admitted = if database {
                feedback || search.admits(issue, last, title)
            } else {
                search.admits(issue, last, title) && last >= view.horizon()
            };
            let events = if database { &issue.events } else { issue.window(view.horizon(), i64::MAX) };
            admitted.then(|| Hit { issue, key: key(issue, events) })
        })
        .collect();
    sort(view, &mut found);
    let keys = Keys { key: |position: usize| found[position].key, total: found.len(), falling: true };
    let (range, link) = page::by_key(cursor, limit, &keys);
    let rows: Vec<_> = found[range].iter().map(|hit| finish(view, row(view, hit.issue, period))).collect();
    Ok(hits(Reply::page(&rows, link), found.len()))
}

/// A row: all-time numbers, no `lifetime`.
fn row(view: &View<'_>, issue: &Issue, period: &str) -> Value {
    let mut row = render::base(view.org, issue);
    render::set_numbers(&mut row, &Numbers::lifetime(issue));
    row["stats"] = match period {
        "24h" => json!({ "24h": series(issue, view.now, 24, 3600) }),
        "14d" => json!({ "14d": series(issue, view.now, 14, 86_400) }),
        _ => json!({}),
    };
    if view.is_sentry9() {
        render::age(&mut row);
    }
    row
}
