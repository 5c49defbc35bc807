//! `organizations/{org}/issues/`: the search over all projects (API §2.3).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::page::{self, Keys};
use super::search::Search;
use super::view::{Answer, View, Wording};
use super::{empty_keyed, finish};
use crate::hash::mix2;
use crate::http::reply::Reply;
use crate::organization::{Event, Issue};
use crate::render::issue as render;
use crate::render::kind;
use crate::render::numbers::{Numbers, series};
use crate::settings::{Dialect, NewBy};

/// A window of epoch seconds.
pub(super) type Window = (i64, i64);

/// An issue found, and what the list is sorted by.
pub(super) struct Hit<'a> {
    /// The issue.
    pub(super) issue: &'a Issue,
    /// The key, larger first.
    pub(super) key: i64,
}

/// The list.
pub(super) fn list(view: &View<'_>) -> Answer {
    if view.is_sentry9() {
        return Err(old_refusal(view));
    }
    let selected = view.projects()?;
    if selected.is_empty() {
        return Ok(Reply::list(&[]));
    }
    if view.call.get("group").is_some() {
        return by_id(view, &selected);
    }
    let (search, limit, cursor) = (search(view)?, view.limit()?, view.cursor()?);
    let (start, end) = view.window(Wording::Plain)?.unwrap_or((view.horizon(), view.now + 1));
    let window = (start.max(view.horizon()).max(view.now - 90 * 86_400), end);
    stats_period(view, &["", "24h", "14d", "auto"])?;
    if window.0 >= window.1 {
        return Ok(hits(Reply::page(&[], empty_keyed(cursor, limit)), 0));
    }
    let mut found = find(view, &search, &selected, window)?;
    if !view.settings.post_filter {
        found.retain(|hit| search.admits_status(hit.issue));
    }
    let keys = Keys { key: |position: usize| found[position].key, total: found.len(), falling: true };
    let (range, link) = page::by_key(cursor, limit, &keys);
    let shown = found[range].iter().filter(|hit| search.admits_status(hit.issue));
    let rows: Vec<_> = shown.map(|hit| finish(view, row(view, hit.issue, window))).collect();
    Ok(hits(Reply::page(&rows, link), found.len()))
}

/// The headers that estimate the length of the whole list. The estimate ends at a thousand.
pub(super) fn hits(reply: Reply, total: usize) -> Reply {
    reply.with("X-Hits", total.min(1000).to_string()).with("X-Max-Hits", "1000")
}

/// The refusal of Sentry 9.1.2, which has neither the feature nor the event index.
fn old_refusal(view: &View<'_>) -> Box<Reply> {
    if let Err(refusal) = view.refuse_all_projects() {
        return refusal;
    }
    if view.call.all("project").count() == 1 {
        return view.crash();
    }
    Reply::detail(400, "You do not have the multi project stream feature enabled").into()
}

/// The query. Without one the list has unresolved issues, with an empty one it has all.
pub(super) fn search(view: &View<'_>) -> Answer<Search> {
    let Some(query) = view.call.get("query") else {
        return Ok(Search::unresolved());
    };
    let prefix = if view.is_sentry9() { "Your search query could not be parsed" } else { "Error parsing search query" };
    if view.is_sentry9() && query.contains("+00:00") {
        return Err(Reply::detail(400, &format!("{prefix}: {query} is not a valid datetime query")).into());
    }
    Search::parse(query, view.now).map_err(|error| Reply::detail(400, &format!("{prefix}: {}", error.0)).into())
}

/// The period of the series in rows.
pub(super) fn stats_period(view: &View<'_>, valid: &[&str]) -> Answer<()> {
    let period = view.call.get("groupStatsPeriod").unwrap_or("24h");
    let fits = valid.contains(&period);
    fits.then_some(()).ok_or_else(|| {
        Reply::detail(400, "Invalid stats_period. Valid choices are '', '24h', '14d', and 'auto'").into()
    })
}

/// All issues with an event in the window that meet the query, sorted.
fn find<'a>(view: &View<'a>, search: &Search, selected: &BTreeSet<u64>, (start, end): Window) -> Answer<Vec<Hit<'a>>> {
    let key = sort_key(view)?;
    let mut found: Vec<_> = view
        .org
        .issues
        .iter()
        .filter(|issue| view.exists(issue) && selected.contains(&issue.project))
        .filter_map(|issue| {
            let events = issue.window(start, end);
            let newest = events.first()?;
            let admitted = search.admits(issue, newest.second(), kind::of(issue).title);
            admitted.then(|| Hit { issue, key: key(issue, events) })
        })
        .collect();
    sort(view, &mut found);
    Ok(found)
}

/// Larger keys first, then larger ids (seen on Sentry 24.4), unless equal keys have no order.
pub(super) fn sort(view: &View<'_>, found: &mut [Hit<'_>]) {
    let within = |issue: &Issue| if view.settings.unstable_list_ties { mix2(view.nonce, issue.id) } else { issue.id };
    found.sort_by_key(|hit| std::cmp::Reverse((hit.key, within(hit.issue))));
}

/// Makes the key that an issue is sorted by, from the issue and its events in the window.
type SortKey = fn(&Issue, &[Event]) -> i64;

/// The key of a `sort` value. Times are milliseconds of whole seconds.
pub(super) fn sort_key(view: &View<'_>) -> Answer<SortKey> {
    let by_life = view.is_sentry9() || view.settings.new_by == NewBy::Life;
    Ok(match view.call.get("sort").unwrap_or("date") {
        "date" | "inbox" | "trends" | "recommended" => |_, events| second(events.first()),
        "new" if by_life => |issue, _| issue.first_seen.map_or(0, |ms| ms.div_euclid(1000) * 1000),
        "new" => |_, events| second(events.last()),
        "freq" | "user" => |_, events| crate::count(events.len()),
        other => return Err(view.bad(&format!("Sort key '{other}' not supported."))),
    })
}

fn second(event: Option<&Event>) -> i64 {
    event.map_or(0, |event| event.second() * 1000)
}

/// A row. Its numbers are those of the window, and `lifetime` has those of the whole lifetime.
fn row(view: &View<'_>, issue: &Issue, window: Window) -> Value {
    let collapsed: Vec<_> = view.call.all("collapse").collect();
    let has = |part: &str| !collapsed.contains(&part);
    let mut row = render::base(view.org, issue);
    if has("stats") {
        render::set_numbers(&mut row, &Numbers::window(issue, window.0, window.1));
        set_series(view, &mut row, issue, window);
        if has("lifetime") {
            row["lifetime"] = Numbers::lifetime(issue).object();
        }
        if has("filtered") {
            row["filtered"] = Value::Null;
        }
    }
    if view.settings.dialect == Dialect::Sentry23 {
        row["annotations"] = json!(["<a href=\"https://example.com/T-1\">T-1</a>"]);
    }
    for name in render::EXPANDED {
        if view.settings.all_keys || view.call.all("expand").any(|asked| asked == name) {
            render::expand(&mut row, issue, name);
        }
    }
    if view.settings.all_keys {
        row["matchingEventId"] = Value::Null;
        row["matchingEventEnvironment"] = Value::Null;
    }
    collapse(&mut row, &collapsed);
    row
}

fn collapse(row: &mut Value, collapsed: &[&str]) {
    let Some(object) = row.as_object_mut() else {
        return;
    };
    if collapsed.contains(&"unhandled") {
        object.remove("isUnhandled");
    }
    if collapsed.contains(&"base") {
        let kept = ["id", "count", "userCount", "firstSeen", "lastSeen", "stats", "lifetime", "filtered"];
        object.retain(|key, _| kept.contains(&key.as_str()));
    }
}

/// The series of a row, unless none was wanted.
pub(super) fn set_series(view: &View<'_>, row: &mut Value, issue: &Issue, window: Window) {
    let period = view.call.get("groupStatsPeriod").unwrap_or("24h");
    row["stats"] = match period {
        "24h" => serde_json::json!({ "24h": series(issue, view.now, 24, 3600) }),
        "14d" => serde_json::json!({ "14d": series(issue, view.now, 14, 86_400) }),
        "auto" => {
            serde_json::json!({ "auto": series(issue, window.1, 24, ((window.1 - window.0) / 24).max(1)) })
        }
        _ => {
            row.as_object_mut().map(|object| object.remove("stats"));
            return;
        }
    };
}

/// `group=`: these issues, whatever their age. They have the numbers of the whole lifetime. There are no cursors.
fn by_id(view: &View<'_>, selected: &BTreeSet<u64>) -> Answer {
    let mut rows = Vec::new();
    for text in view.call.all("group") {
        let id: u64 = text.parse().map_err(|_| view.bad("Group ids must be integers"))?;
        let issue = view.org.issue(id).filter(|issue| view.exists(issue) && selected.contains(&issue.project));
        if let Some(issue) = issue {
            rows.push(finish(view, row(view, issue, (i64::MIN / 2, i64::MAX / 2))));
        }
    }
    Ok(Reply::list(&rows))
}
