//! Rows of a list with windows below which earlier runs could not read: found again by their times, so that what failed is
//! asked for once more. Does not know what is read below them.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::window::Window;
use crate::singer::pending::Pending;
use crate::streams::Stream;
use crate::streams::context::key_of;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::look_ahead::{Follow, LookAhead};
use crate::sync::tables::targets::Targets;
use crate::time::Time;

/// Asks again for what earlier runs could not read below rows that the list will not show in this run: those that are older
/// than its window, and those that an interrupted run has come past.
pub(crate) async fn read_again(
    session: &Session,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    left: &[&StreamOutput],
) -> Result<(), SyncError> {
    let targets = Targets::new(session, stream, left);
    let (end, children) = (targets.window.end, EmbeddedChildren::new(session, stream, targets.window.end, left));
    let pending = children.pending(targets.is_half_read());
    if pending.is_empty() {
        return Ok(());
    }
    let mut search = Search { session, stream, endpoint, children, missing: BTreeSet::new(), doubtful: false };
    search.missing.extend(pending.iter().map(|pending| pending.key.clone()));
    // Servers of some ages filter by one of a row's times, and others by the other one.
    let times = |pending: &Pending| [Some(pending.since), pending.until].into_iter().flatten().collect::<Vec<_>>();
    let seconds: BTreeSet<Time> = pending.iter().flat_map(times).collect();
    for start in seconds {
        search.within(Window { start, end: start + TimeDelta::seconds(1) }).await?;
    }
    // What is not there may have another time by now.
    let is_missing = |pending: &&Pending| search.missing.contains(&pending.key);
    if let Some(start) = pending.iter().filter(is_missing).map(|pending| pending.since).min() {
        search.within(Window { start, end }).await?;
    }
    if !search.doubtful {
        search.missing.iter().for_each(|key| search.children.forget(key));
    }
    session.output.state.change(|state| search.children.note_rows(state, None));
    Ok(())
}

struct Search<'a> {
    session: &'a Session,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    children: EmbeddedChildren<'a>,
    /// Keys of rows that were not found yet.
    missing: BTreeSet<String>,
    /// Rows have moved between two pages, and some may be hidden.
    doubtful: bool,
}

impl Search<'_> {
    /// Looks for the rows in a window, and reads what is below those that are there.
    async fn within(&mut self, window: Window) -> Result<(), SyncError> {
        let request = self.session.scope.request(self.endpoint, self.session.values()).within(window);
        let mut pages = LookAhead::new(&self.session.client, request, self.stream, Follow::Joined);
        while let Some(next) = pages.next().await? {
            self.doubtful |= !next.joins;
            for row in next.page.rows().flatten() {
                if self.missing.remove(&key_of(self.stream, &row)) {
                    self.children.of(&row).await?;
                }
            }
            if self.missing.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
