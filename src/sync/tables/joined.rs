//! Projects that came in after a list of the organization was read: seen by the token for the first time, renamed into a
//! pattern, chosen, or moved in. The bookmark does not cover them, so they are read from `start_date` up to it.

use std::collections::BTreeSet;

use tracing::info;

use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::endpoints::MAX_PROJECT_IDS;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::state::State;
use crate::sync::session::Session;
use crate::sync::session::starts::start_after;
use crate::time::Time;

/// Projects that bookmarks of streams do not cover, and what is to be read of them.
pub(crate) struct Joined<'a> {
    /// The streams whose bookmarks do not cover them.
    pub(crate) outputs: Vec<&'a StreamOutput>,
    /// From `start_date` to the latest of the bookmarks.
    pub(crate) window: Window,
    ids: BTreeSet<String>,
}

impl<'a> Joined<'a> {
    /// What has to be read for these streams, which come from the same list.
    pub(crate) fn of(session: &Session, outputs: &[&'a StreamOutput]) -> Option<Self> {
        let (mut some, mut ids, mut end) = (Vec::new(), BTreeSet::new(), None);
        for output in outputs {
            let Some((start, joined)) = joined(session, output) else { continue };
            let (name, count) = (output.stream.tap_stream_id, joined.len());
            info!("{name}: {count} projects that were not there before are read from start_date");
            end = end.max(Some(start));
            ids.extend(joined);
            some.push(*output);
        }
        let window = Window { start: beginning(session), end: end? };
        Some(Self { outputs: some, window, ids })
    }

    /// The request for their rows. An address has no room for too many of them, so then it asks for all.
    pub(crate) fn request(&self, session: &Session, endpoint: &'static Endpoint, values: PathValues) -> Request {
        if self.ids.len() > MAX_PROJECT_IDS {
            return session.scope.request(endpoint, values);
        }
        Request::new(endpoint, values).of_projects(&self.ids)
    }

    /// What progress in it holds for.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        let of = |id: &String| format!("project {id} from {}", self.window);
        let streams = self.outputs.iter().map(|output| output.stream.tap_stream_id.to_owned());
        self.ids.iter().map(of).chain(streams).collect()
    }

    /// Notes that they are read. The bookmarks of streams without gaps cover them from now on.
    pub(crate) fn finish(&self, state: &mut State) {
        for output in self.outputs.iter().filter(|output| !output.has_gaps()) {
            let bookmark = state.bookmark_mut(output.stream.tap_stream_id);
            bookmark.project_ids.get_or_insert_default().extend(self.ids.iter().cloned());
            bookmark.progress = None;
        }
    }
}

/// The bookmark of a stream, and the projects of this run that it does not cover, if there are any.
pub(crate) fn joined(session: &Session, output: &StreamOutput) -> Option<(Time, BTreeSet<String>)> {
    let bookmark = session.output.state.bookmark(output.stream.tap_stream_id);
    let (start, known) = (bookmark.start.filter(|_| !output.full_table)?, bookmark.project_ids?);
    let joined = &session.scope.covered_by(output.stream)? - &known;
    (!joined.is_empty()).then_some((start, joined))
}

/// Where they are read from.
pub(crate) fn beginning(session: &Session) -> Time {
    start_after(None, session.config.start_date, session.config.lookback)
}
