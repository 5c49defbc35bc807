//! Rows of a list with windows below which earlier runs could not read: found again by their times, so that what failed is
//! asked for once more. Does not know what is read below them.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::output::stream::StreamOutput;
use crate::sentry::dialect::Capability;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::window::Window;
use crate::singer::pending::Pending;
use crate::streams::Stream;
use crate::streams::context::key_of;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::widest_window;
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::joined::beginning;
use crate::sync::tables::look_ahead::{Follow, LookAhead};
use crate::time::Time;

/// Asks again for what earlier runs have left, as the targets knew it before the list was read.
pub(crate) async fn read_again(
    session: &Session,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    left: &[&StreamOutput],
    pending: &[Pending],
) -> Result<(), SyncError> {
    let end = widest_window(session, left).end;
    let children = EmbeddedChildren::new(session, stream, end, left);
    let pending: Vec<&Pending> = pending.iter().filter(|pending| children.is_pending(&pending.key)).collect();
    if pending.is_empty() {
        return Ok(());
    }
    let mut search = Search { session, stream, endpoint, children, missing: BTreeSet::new(), doubtful: false };
    search.missing.extend(pending.iter().map(|pending| pending.key.clone()));
    // Servers of some ages filter by one of a row's times, and others by the other one.
    let times = |pending: &&Pending| [Some(pending.since), pending.until].into_iter().flatten().collect::<Vec<_>>();
    let seconds: BTreeSet<Time> = pending.iter().flat_map(times).collect();
    for start in seconds {
        if search.missing.is_empty() {
            break;
        }
        search.within(Window { start, end: start + TimeDelta::seconds(1) }).await?;
    }
    // What is not there may have another time by now.
    if !search.missing.is_empty() {
        search.within(Window { start: beginning(session), end }).await?;
    }
    search.missing.iter().for_each(|key| search.children.miss(key, !search.doubtful));
    search.children.settle_missed();
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
    /// Rows may have been hidden between two pages.
    doubtful: bool,
}

impl Search<'_> {
    /// Looks for the rows in a window, and reads what is below those that are there.
    async fn within(&mut self, window: Window) -> Result<(), SyncError> {
        let request = self.session.scope.request(self.endpoint, self.session.values()).within(window);
        let mut pages = LookAhead::new(&self.session.client, request, self.stream, Follow::Joined);
        let mut pages_read = 0;
        while let Some(next) = pages.next().await? {
            pages_read += 1;
            // Some servers hide rows at the boundary of a page in every reading.
            let hides = pages_read > 1 && !self.session.client.dialect.supports(Capability::PageBoundaries);
            self.doubtful |= hides || !next.joins || next.page.rows().any(|row| row.is_none());
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
