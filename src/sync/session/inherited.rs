//! What of the state holds for this run: bookmarks of the same query, and times that the server's clock has reached. What
//! does not hold is said aloud and begins anew.

use chrono::TimeDelta;
use tracing::{info, warn};

use crate::singer::state::{Bookmark, State};
use crate::streams::{self, Stream, TimeFilter};
use crate::sync::session::{Session, reads_with};
use crate::time::{Time, format_time};

/// How far ahead of the server a time in the state may be. Clocks are never quite the same.
pub(crate) const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// Drops bookmarks of queries that asked for something else under the same name.
pub(crate) fn settle_queries(session: &Session) {
    let wanted = session.config.queries.iter().filter(|query| session.wants(&query.name));
    session.output.state.change(|state| {
        for query in wanted {
            let Some(bookmark) = state.bookmarks.get_mut(&query.name) else { continue };
            // A state that does not say holds: it is of an earlier version.
            if bookmark.query.as_ref().is_some_and(|before| *before != query.fingerprint()) {
                info!("{}: the query has changed since the last run, and begins at start_date", query.name);
                *bookmark = Bookmark::default();
            }
        }
    });
}

/// Drops times that are ahead of the server: they come from a clock that was wrong, and would hide what is before them.
pub(crate) async fn settle_times(session: &Session) {
    let all = session.output.streams().filter(|output| is_read_on(output.stream));
    let streams: Vec<&str> = all.map(|output| output.stream.tap_stream_id).collect();
    let has_times = |state: &State| streams.iter().any(|name| times(&state.bookmark(name)).next().is_some());
    if !session.output.state.read(has_times) {
        return;
    }
    // An error is no reason to end here: the streams will meet it again, and say what it means for them.
    let _ = session.ask_the_time().await;
    let now = session.client.server_now();
    session.output.state.change(|state| {
        for name in streams {
            if let Some(bookmark) = state.bookmarks.get_mut(name) {
                drop_ahead(name, bookmark, now);
            }
        }
    });
}

/// Whether a stream is read from its bookmark on. Of full tables a bookmark hides nothing.
fn is_read_on(stream: &Stream) -> bool {
    let is_filtered = |stream: &Stream| stream.time_filter != TimeFilter::None;
    reads_with(stream, "issues") || streams::line(stream).any(is_filtered)
}

/// The times that a bookmark holds.
fn times(bookmark: &Bookmark) -> impl Iterator<Item = Time> {
    let own = bookmark.projects.iter().flatten().filter_map(|(_, start)| *start);
    let end = bookmark.progress.as_ref().map(|progress| progress.end);
    own.chain([bookmark.start, bookmark.refreshed, end].into_iter().flatten()).collect::<Vec<_>>().into_iter()
}

fn drop_ahead(name: &str, bookmark: &mut Bookmark, now: Time) {
    let is_ahead = |time: &Time| *time > now + AHEAD;
    let complain = |what: &str, time: Time, then: &str| {
        let (time, now) = (format_time(time), format_time(now));
        warn!("{name}: {what} {time} lies in the future: the server's time is {now}; {then}");
    };
    if let Some(time) = bookmark.start.take_if(|time| is_ahead(time)) {
        complain("the bookmark", time, "the stream begins at start_date");
    }
    if let Some(time) = bookmark.refreshed.take_if(|time| is_ahead(time)) {
        complain("the last refresh", time, "all is read again");
    }
    if let Some(progress) = bookmark.progress.take_if(|progress| is_ahead(&progress.end)) {
        complain("the end of a half-read window", progress.end, "the window begins anew");
    }
    if let Some(projects) = &mut bookmark.projects {
        projects.retain(|id, start| {
            let ahead = start.filter(is_ahead);
            if let Some(time) = ahead {
                complain(&format!("the bookmark of project {id}"), time, "the project begins at start_date");
            }
            ahead.is_none()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_time;

    fn time(text: &str) -> Time {
        parse_time(text).expect("a time")
    }

    #[test]
    fn a_time_a_little_ahead_is_taken_and_one_further_ahead_is_dropped() {
        let now = time("2026-11-01T12:00:00Z");
        let (little, far) = (now + AHEAD, now + AHEAD + TimeDelta::seconds(1));
        let projects = [("1".to_owned(), None), ("2".to_owned(), Some(little)), ("3".to_owned(), Some(far))];
        let mut bookmark = Bookmark {
            start: Some(far),
            refreshed: Some(little),
            projects: Some(projects.into()),
            ..Bookmark::default()
        };
        drop_ahead("issues", &mut bookmark, now);
        assert_eq!((bookmark.start, bookmark.refreshed), (None, Some(little)));
        assert_eq!(bookmark.projects, Some([("1".to_owned(), None), ("2".to_owned(), Some(little))].into()));
        bookmark.refreshed = Some(far);
        drop_ahead("issues", &mut bookmark, now);
        assert_eq!(bookmark.refreshed, None);
    }
}
