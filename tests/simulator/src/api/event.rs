//! One event, by project or by issue (API §2.8).

use super::index;
use super::view::{Answer, View};
use crate::http::reply::Reply;
use crate::organization::{Event, Issue};
use crate::render::event::{self, Context, Fineness, Form};
use crate::render::sentry9;

/// What the endpoint below an issue says if it does not find the event.
const LONG: &str = "Event not found. The event ID may be incorrect, or it's age exceeded the retention period.";

/// `projects/{org}/{project}/events/{event}/`
pub(super) fn of_project(view: &View<'_>, project: &str, event: &str) -> Answer {
    let project = view.project(project)?;
    let places = view.index.borrow_mut().of(view.org, project.id);
    let wanted = Wanted::read(view, event);
    let found = places.iter().map(|place| index::at(view.org, *place)).find(|row| wanted.is(view, row.1));
    let (issue, event) = found.ok_or_else(|| Reply::detail(404, "Event not found"))?;
    Ok(detail(view, issue, event))
}

/// `…issues/{issue}/events/{event}/`, where the event may be `latest`, `oldest` or `recommended`.
pub(super) fn of_issue(view: &View<'_>, issue: &str, event: &str) -> Answer {
    let issue = view.issue(issue)?;
    let events = issue.window(view.horizon(), i64::MAX);
    let found = match event {
        "latest" | "recommended" => events.first(),
        "oldest" => events.last(),
        _ => {
            let wanted = Wanted::read(view, event);
            events.iter().find(|event| wanted.is(view, event))
        }
    };
    let text = if view.is_sentry9() { "Event not found" } else { LONG };
    let event = found.ok_or_else(|| Reply::detail(404, text))?;
    Ok(detail(view, issue, event))
}

/// How a path names an event: by its id, or on the old server by its row.
struct Wanted {
    id: Option<u128>,
    row: Option<u64>,
}

impl Wanted {
    fn read(view: &View<'_>, text: &str) -> Self {
        let hex = text.len() == 32 && (!view.is_sentry9() || text == text.to_lowercase());
        Self {
            id: if hex { u128::from_str_radix(text, 16).ok() } else { None },
            row: text.parse().ok().filter(|_| view.is_sentry9()),
        }
    }

    fn is(&self, view: &View<'_>, event: &Event) -> bool {
        let kept = event.second() >= view.horizon();
        kept && (self.id == Some(event.id()) || self.row.is_some_and(|row| row == sentry9::row_id(event)))
    }
}

fn detail(view: &View<'_>, issue: &Issue, event: &Event) -> Reply {
    let context = Context {
        org: view.org,
        form: Form::Detail,
        fineness: if view.is_sentry9() { Fineness::Seconds } else { Fineness::Micros },
        sentry9: view.is_sentry9(),
        surprise: view.settings.extra_field,
    };
    Reply::text(event::row(&context, issue, event))
}
