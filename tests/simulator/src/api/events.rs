//! Lists of events, of an issue and of a project (API §2.6, §2.7), and how the old server paged them.

use std::cmp::Reverse;
use std::ops::Range;

use super::index;
use super::page::{self, Keys, Link};
use super::view::{Answer, View, Wording};
use crate::hash::mix2;
use crate::http::reply::Reply;
use crate::organization::{Event, Issue};
use crate::render::event::{self, Context, Fineness, Form};

/// An event with its issue.
type Row<'a> = (&'a Issue, &'a Event);

/// The half-open window that a list covers, in epoch seconds.
fn window(view: &View<'_>, wording: Wording, inclusive: bool) -> Answer<(i64, i64)> {
    let asked = view.window(wording)?.filter(|_| view.settings.honours_dates);
    let (start, end) = asked.unwrap_or((view.horizon(), i64::MAX));
    let end = if inclusive { end.saturating_add(1) } else { end };
    if end <= view.horizon() {
        return Err(view.crash());
    }
    Ok((start.max(view.horizon()), end))
}

/// `…issues/{issue}/events/`: newest second first, without a fixed order inside a second.
pub(super) fn of_issue(view: &View<'_>, issue: &str) -> Answer {
    let issue = view.issue(issue)?;
    let (start, end) = window(view, Wording::Plain, view.is_sentry9())?;
    let events = issue.window(start, end);
    let rows = |range: Range<usize>| events[range].iter().map(|event| (issue, event)).collect();
    if view.is_sentry9() {
        let (range, link) = old_page(view, events.len(), |at| events[at].second())?;
        return Ok(reply(view, rows(range), link, Fineness::Seconds));
    }
    let (range, link) = new_page(view, events.len())?;
    let chosen = if sampled(view) {
        let mut all: Vec<_> = events.iter().collect();
        all.sort_unstable_by_key(|event| mix2(event.seed(), 0x5a));
        all[range].iter().map(|event| (issue, *event)).collect()
    } else if view.settings.unstable_ties {
        shuffled(view, events, range).into_iter().map(|event| (issue, event)).collect()
    } else {
        rows(range)
    };
    Ok(reply(view, chosen, link, Fineness::Seconds))
}

/// `projects/{org}/{project}/events/`: errors only, newest second first, then the larger id.
pub(super) fn of_project(view: &View<'_>, project: &str) -> Answer {
    let project = view.project(project)?;
    let asked = if view.is_sentry9() { (view.horizon(), i64::MAX) } else { window(view, Wording::Hidden, false)? };
    let places = view.index.borrow_mut().of(view.org, project.id);
    let second = |place: &index::Place| index::at(view.org, *place).1.second();
    let from = places.partition_point(|place| second(place) >= asked.1);
    let to = places.partition_point(|place| second(place) >= asked.0).max(from);
    let places = &places[from..to];
    if view.is_sentry9() {
        let (range, link) = old_page(view, places.len(), |at| second(&places[at]))?;
        let rows = places[range].iter().map(|place| index::at(view.org, *place)).collect();
        return Ok(reply(view, rows, link, Fineness::Seconds));
    }
    let (range, link) = new_page(view, places.len())?;
    let rows = if sampled(view) {
        let mut all: Vec<_> = places.iter().map(|place| index::at(view.org, *place)).collect();
        all.sort_unstable_by_key(|row| row.1.id());
        all[range].to_vec()
    } else {
        places[range].iter().map(|place| index::at(view.org, *place)).collect()
    };
    Ok(reply(view, rows, link, Fineness::Millis))
}

fn sampled(view: &View<'_>) -> bool {
    view.settings.honours_sample && view.switch("sample")
}

fn full(view: &View<'_>) -> bool {
    view.is_sentry9() || (view.settings.honours_full && view.switch("full"))
}

/// A page by row. Full rows come in smaller pages, whatever was asked.
fn new_page(view: &View<'_>, total: usize) -> Answer<(Range<usize>, Link)> {
    let asked = view.per_page()?;
    let limit = if full(view) { asked.min(view.settings.full_cap) } else { asked };
    Ok(page::by_row(view.cursor()?, limit, total))
}

/// A page by time in milliseconds.
fn old_page(view: &View<'_>, total: usize, second: impl Fn(usize) -> i64) -> Answer<(Range<usize>, Link)> {
    let keys = Keys { key: |at| second(at) * 1000, total, falling: true };
    Ok(page::by_key(view.cursor()?, view.per_page()?, &keys))
}

/// The rows of a page if rows of one second have another order in each request. The rows of each second that the page
/// touches are shuffled before the page is cut.
fn shuffled<'a>(view: &View<'_>, events: &'a [Event], range: Range<usize>) -> Vec<&'a Event> {
    if range.is_empty() {
        return Vec::new();
    }
    let (first, last) = (events[range.start].second(), events[range.end - 1].second());
    let from = events.partition_point(|event| event.second() > first);
    let to = events.partition_point(|event| event.second() >= last);
    let mut near: Vec<_> = events[from..to].iter().collect();
    near.sort_by_key(|event| (Reverse(event.second()), mix2(view.nonce, event.seed())));
    near[range.start - from..range.end - from].to_vec()
}

fn reply(view: &View<'_>, rows: Vec<Row<'_>>, link: Link, fineness: Fineness) -> Reply {
    let context = Context {
        org: view.org,
        form: if full(view) { Form::Full } else { Form::Short },
        fineness,
        sentry9: view.is_sentry9(),
        surprise: view.settings.extra_field,
    };
    let rows: Vec<_> = rows.into_iter().map(|(issue, event)| event::row(&context, issue, event)).collect();
    Reply::page(&rows, link)
}
