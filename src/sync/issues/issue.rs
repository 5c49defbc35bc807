//! One issue row: what the scan needs of it, and its record.
//!
//! In a list with a window, numbers are those of the window. Records have the numbers of the issue's whole life instead
//! (API §2.3), so that a short window never overwrites a true count.

use std::borrow::Cow;

use tracing::debug;

use crate::json::row::Row;
use crate::output::stream::Batch;
use crate::sentry::endpoints::ISSUE_DETAIL;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::pending::{Pending, Why};
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::drive::drive_in_order;
use crate::sync::session::error::SyncError;
use crate::sync::session::tolerance::{Answer, answer_of};
use crate::time::Time;

/// Detail requests at once; the server's bucket allows five a second.
const DETAILS_AT_ONCE: usize = 5;
/// Fields that count the window in a list, and the issue's whole life in `lifetime`.
const WINDOW_NUMBERS: [&str; 4] = ["count", "userCount", "firstSeen", "lastSeen"];

/// An issue row and what was read of it.
#[derive(Debug)]
pub(crate) struct IssueRow<'a> {
    row: &'a Row<'a>,
    /// Issue id.
    pub(crate) id: Cow<'a, str>,
    /// Project id.
    pub(crate) project: Cow<'a, str>,
    /// Time of the newest event (inside the window, where the server has one).
    pub(crate) last_seen: Option<Time>,
    lifetime: Option<Row<'a>>,
    /// Events inside the window.
    events: Option<u64>,
}

impl<'a> IssueRow<'a> {
    /// Reads a row. Returns `None` if the issue's or the project's id is missing. With `counted`, the row's `count` is the
    /// number of events in the window that events are read for.
    pub(crate) fn read(row: &'a Row<'a>, counted: bool) -> Option<Self> {
        let project = row.object("project").and_then(|project| project.text("id").map(Cow::into_owned));
        Some(Self {
            row,
            id: row.text("id")?,
            project: Cow::Owned(project?),
            last_seen: Window::second_of(row.text("lastSeen").as_deref()),
            lifetime: row.object("lifetime"),
            events: row.integer("count").filter(|_| counted),
        })
    }

    /// What the planner of events needs.
    pub(crate) fn to_changed(&self) -> ChangedIssue {
        let category = self.row.text("issueCategory");
        ChangedIssue {
            id: self.id.as_ref().into(),
            title: self.row.text("title").unwrap_or_default().as_ref().into(),
            events: self.events,
            lifetime: self.lifetime.as_ref().unwrap_or(self.row).integer("count"),
            last_seen: self
                .lifetime
                .as_ref()
                .and_then(|life| Window::second_of(life.text("lastSeen").as_deref()))
                .or(self.last_seen),
            is_error: category.is_none_or(|category| category == "error"),
            since: None,
        }
    }

    /// The numbers of the issue's whole life, where the row has them.
    fn lifetime_numbers(&self) -> Vec<(&'static str, &'a str)> {
        let Some(lifetime) = &self.lifetime else {
            return Vec::new();
        };
        let number = |name| Some((name, lifetime.get(name).filter(|value| *value != "null")?));
        WINDOW_NUMBERS.into_iter().filter_map(number).collect()
    }
}

/// Writes the records of issues, with their details if the configuration asks for them.
pub(crate) async fn write_issues(
    session: &Session,
    checkpoint: Option<&Checkpoint<'_>>,
    issues: &[&IssueRow<'_>],
) -> Result<(), SyncError> {
    let (Some(output), Some(checkpoint)) = (session.output.stream("issues"), checkpoint) else {
        return Ok(());
    };
    let mut batch = output.batch(issues.iter().map(|issue| issue.row.raw().len()).sum());
    if session.config.fetch_issue_details {
        let details = issues.iter().map(|issue| async {
            let left = Pending {
                why: Why::Failed,
                key: issue.id.to_string(),
                project: issue.project.to_string(),
                since: checkpoint.end(),
                until: None,
            };
            Ok::<_, SyncError>((*issue, detail(session, checkpoint, left).await?))
        });
        drive_in_order(DETAILS_AT_ONCE, details, |(issue, page)| push(&mut batch, issue, page.as_ref())).await?;
    } else {
        for issue in issues {
            push(&mut batch, issue, None);
        }
    }
    Ok(session.output.send(batch).await?)
}

/// The issue's detail; `None` where it was merged away or deleted since it was listed, and where it cannot be read. Then
/// each run asks for it again, while all others go on.
async fn detail(session: &Session, checkpoint: &Checkpoint<'_>, left: Pending) -> Result<Option<Page>, SyncError> {
    let mut values = session.values();
    values.push(("issue", left.key.clone()));
    let outputs = checkpoint.outputs();
    let result = session.client.get(&Request::new(&ISSUE_DETAIL, values)).await.map_err(SyncError::from);
    let error = match answer_of(result)? {
        Answer::Read(page) => {
            checkpoint.forget_pending(&left.key);
            return Ok(Some(page));
        }
        Answer::Gone(error) => {
            debug!("{error}");
            checkpoint.forget_pending(&left.key);
            for output in outputs {
                output.skip("details of an issue that is gone (404)");
            }
            return Ok(None);
        }
        Answer::Failed(error) => error,
    };
    let name = format!("issue {}", left.key);
    if !checkpoint.keep_pending(&left) {
        return Err(error.into());
    }
    for output in outputs {
        output.gap(format!("{name}: {error}"));
    }
    Ok(None)
}

/// Asks again for the details that earlier runs could not read.
pub(crate) async fn ask_for_details_again(session: &Session, checkpoint: &Checkpoint<'_>) -> Result<(), SyncError> {
    for left in checkpoint.all_pending().into_iter().filter(|_| session.config.fetch_issue_details) {
        if let Some(page) = detail(session, checkpoint, left).await?
            && let (Some(row), Some(output)) = (page.rows().next().flatten(), checkpoint.outputs().first())
        {
            let mut batch = output.batch(page.size());
            batch.push(&row, &[]);
            session.output.send(batch).await?;
        }
    }
    Ok(())
}

fn push(batch: &mut Batch<'_>, issue: &IssueRow<'_>, detail: Option<&Page>) {
    let mut overrides = issue.lifetime_numbers();
    let detail = detail.and_then(|page| page.rows().next()?);
    // A merged issue answers with the survivor, which has a row of its own. Then the listed row is written alone.
    let detail = detail.filter(|detail| detail.text("id").as_deref() == Some(issue.id.as_ref()));
    let Some(detail) = detail else {
        batch.push(issue.row, &overrides);
        return;
    };
    for name in WINDOW_NUMBERS {
        if !overrides.iter().any(|(known, _)| *known == name) {
            overrides.extend(issue.row.get(name).map(|value| (name, value)));
        }
    }
    let mut overrides: Vec<(&str, &str)> = overrides;
    let listed: Vec<_> = issue.row.fields().map(|field| (field.name(), field.value())).collect();
    for (name, value) in listed.iter().filter(|(name, _)| detail.get(name).is_none()) {
        if !overrides.iter().any(|(known, _)| known == name) {
            overrides.push((name, value));
        }
    }
    batch.push(&detail, &overrides);
}
