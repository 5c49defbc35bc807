//! `organizations/{org}/issues/{issue}/`: one issue (API §2.5).

use serde_json::Value;

use super::finish;
use super::view::{Answer, View};
use crate::http::reply::Reply;
use crate::render::issue as render;
use crate::render::numbers::Numbers;

/// The detail. For a merged issue, it is that of the issue it was merged into.
pub(super) fn detail(view: &View<'_>, issue: &str) -> Answer {
    let issue = view.issue(issue)?;
    let mut row = render::base(view.org, issue);
    render::set_numbers(&mut row, &Numbers::lifetime(issue));
    if issue.window(view.horizon(), i64::MAX).is_empty() {
        row["lastSeen"] = Value::Null;
    }
    let collapsed: Vec<_> = view.call.all("collapse").collect();
    render::set_detail(&mut row, view.org, issue, view.now, &collapsed);
    for name in view.call.all("expand") {
        render::expand(&mut row, issue, name);
    }
    if view.is_sentry9() {
        render::age(&mut row);
    }
    Ok(Reply::text(finish(view, row)))
}
