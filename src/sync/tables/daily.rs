//! Series with a value for each day. They are read in slices of whole days, oldest first, so that each slice fits into one
//! answer. Today is read again in every run, since its values still grow.

use chrono::{NaiveTime, TimeDelta};
use tracing::{debug, info, warn};

use crate::json::text::unescape;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::sentry::series::Series;
use crate::sentry::window::Window;
use crate::streams::{Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{stream_start, warn_of_lost};
use crate::sync::session::tolerance::tolerate_part;
use crate::sync::tables::joined::Joined;
use crate::time::{Time, whole_second};

/// The most days that are asked for at once: all that a server keeps.
const MOST_DAYS: i64 = 90;

/// Reads a daily stream from the day of its bookmark to today. Moves the bookmark slice by slice.
pub(crate) async fn walk_days(session: &Session, stream: &'static Stream) -> Result<(), SyncError> {
    let (Source::Endpoint(endpoint), Some(output)) = (&stream.source, session.output.stream(stream.tap_stream_id))
    else {
        return Ok(());
    };
    session.output.begin(output).await?;
    session.ask_the_time().await?;
    let now = whole_second(session.client.server_now());
    if let Some(joined) = Joined::of(session, &[output]) {
        let request = joined.request(session, endpoint, session.values());
        let days = Window { start: kept_days(day_of(joined.window.start), now), end: day_of(joined.window.end) };
        let read = read_slices(session, output, &request, days, |_| ()).await;
        if tolerate_part(&[output], read)?.is_some() {
            session.output.state.advance_page(|state| joined.finish(state)).await?;
        }
    }
    let request = session.scope.request(endpoint, session.values());
    let days = Window { start: first_day(session, output, now), end: day_of(now) + TimeDelta::days(1) };
    // Slices come oldest first, so the bookmark may follow them. It stays before a gap.
    let follow = |end: Time| {
        if end < now && !output.has_gaps() {
            session.output.state.change(|state| {
                let bookmark = state.bookmark_mut(stream.tap_stream_id);
                bookmark.start = Some(end);
                session.describe(output, bookmark);
            });
        }
    };
    read_slices(session, output, &request, days, follow).await?;
    session.finish(output, now).await?;
    info!("{}: {} records", stream.tap_stream_id, output.tally().records);
    Ok(())
}

/// Reads days in slices that fit into one answer, oldest first. `done` is told the end of each.
async fn read_slices(
    session: &Session,
    output: &StreamOutput,
    request: &Request,
    days: Window,
    done: impl Fn(Time),
) -> Result<(), SyncError> {
    let mut start = days.start;
    let (mut count, mut most) = (MOST_DAYS, MOST_DAYS);
    while start < days.end {
        let end = (start + TimeDelta::days(count)).min(days.end);
        let half = ((end - start).num_days() / 2).max(1);
        match read(session, request, output, Window { start, end }).await? {
            Answer::Refused => {
                (count, most) = (half, half);
                continue;
            }
            Answer::Full => {
                count = half;
                continue;
            }
            Answer::Whole { has_room: true } => count = (count * 2).min(most),
            Answer::Whole { has_room: false } => {}
        }
        start = end;
        done(end);
        session.output.state.advance_page(|_| ()).await?;
    }
    Ok(())
}

/// The first whole day from `start` on that the server still has. Part of a day would give wrong numbers.
fn kept_days(start: Time, now: Time) -> Time {
    let kept = Window { start, end: now }.within_retention(now).start;
    if kept > start { day_of(kept) + TimeDelta::days(1) } else { start }
}

/// The day of the bookmark, or the first that the server still has.
fn first_day(session: &Session, output: &StreamOutput, now: Time) -> Time {
    let start = day_of(stream_start(session, output));
    let oldest = kept_days(start, now);
    warn_of_lost(session, output, Window { start, end: oldest });
    oldest
}

/// What became of one slice.
enum Answer {
    /// The server does not answer for so many days.
    Refused,
    /// Groups may be missing. Fewer days have to be asked for.
    Full,
    /// All of it is written.
    Whole {
        /// More days would fit into one answer.
        has_room: bool,
    },
}

/// Reads one slice. Writes it, unless it has to be smaller.
async fn read(session: &Session, request: &Request, output: &StreamOutput, slice: Window) -> Result<Answer, SyncError> {
    let mut has_room = true;
    let can_be_smaller = slice.end - slice.start > TimeDelta::days(1);
    let mut pages = Pages::new(&session.client, of_days(request.clone(), slice));
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(Answer::Whole { has_room }),
            Err(error) if can_be_smaller && error.tolerance() == Tolerance::NotOnThisServer => {
                debug!("{error}; asking for fewer days");
                return Ok(Answer::Refused);
            }
            Err(error) => return Err(error.into()),
        };
        // A full answer may have lost groups, unless it has a next page.
        if page.next.is_none() && page.series.as_ref().is_some_and(Series::is_full) {
            if can_be_smaller {
                debug!("{}: {slice} may not fit into one answer; asking for fewer days", output.stream.tap_stream_id);
                return Ok(Answer::Full);
            }
            output.gap(format!("{slice}: more groups than the server gives in one answer"));
        }
        has_room &= page.next.is_none() && page.series.as_ref().is_some_and(Series::has_room);
        check_days(output, request.endpoint, slice, &page)?;
        let mut batch = output.batch(page.size());
        for row in page.rows().flatten() {
            let day = Window::second_of(row.text("interval_start").as_deref());
            // Servers round the range to more days.
            if day.is_some_and(|day| slice.contains(day)) {
                batch.push_derived(&row, &session.values(), Vec::new());
            }
        }
        session.output.send(batch).await?;
    }
}

/// Checks that every interval is a day. Names the days that the server left out.
fn check_days(output: &StreamOutput, endpoint: &'static Endpoint, slice: Window, page: &Page) -> Result<(), ApiError> {
    let mut left = slice.start;
    for interval in page.series.iter().flat_map(|series| &series.intervals) {
        let text = unescape(interval.trim_matches('"'));
        let Some(day) = Window::second_of(Some(&text)).filter(|time| *time == day_of(*time)) else {
            let detail = format!("the interval {text} does not begin with a day");
            return Err(ApiError::malformed(endpoint.paths[0].to_owned(), endpoint.scope, detail));
        };
        if day == left {
            left += TimeDelta::days(1);
        }
    }
    if left < slice.end {
        warn!("{}: the server says nothing of {}", output.stream.tap_stream_id, Window { start: left, ..slice });
    }
    Ok(())
}

/// The request for whole days. Servers count the end into the range and round it up. So the end is the last second of the
/// last day (API §3).
fn of_days(request: Request, days: Window) -> Request {
    request.within(Window { end: days.end - TimeDelta::seconds(1), ..days })
}

/// The smallest request that shows whether a stream can be read. For a daily series it asks for today.
pub(crate) fn smallest(session: &Session, stream: &Stream, request: Request) -> Request {
    if stream.time_filter != TimeFilter::Days {
        return request;
    }
    let start = day_of(session.client.server_now());
    of_days(request, Window { start, end: start + TimeDelta::days(1) })
}

/// The beginning of the day, in UTC.
fn day_of(time: Time) -> Time {
    time.date_naive().and_time(NaiveTime::MIN).and_utc()
}
