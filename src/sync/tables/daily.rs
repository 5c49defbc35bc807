//! Series with a value for each day. They are read in slices of whole days, oldest first, so that each slice fits into one
//! answer. Today is read again in every run, since its values still grow, and so are the days before of which values come late.
//!
//! That a day has no rows is known only from an answer that names the day.

use std::collections::BTreeSet;

use chrono::{NaiveTime, TimeDelta};
use tracing::{debug, info};

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
use crate::sync::session::hidden::without_lost_projects;
use crate::sync::session::starts::{stream_start, warn_of_lost};
use crate::sync::session::tolerance::tolerate_stream;
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
    let read = without_lost_projects(session, true, async || read_joined(session, endpoint, output, now).await).await;
    tolerate_stream(session, stream.tap_stream_id, read).await?; // the others go on, and their bookmark waits
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

/// Reads what projects that came in have from before, if there are any.
async fn read_joined(
    session: &Session,
    endpoint: &'static Endpoint,
    output: &StreamOutput,
    now: Time,
) -> Result<(), SyncError> {
    let Some(joined) = Joined::of(session, &[output]) else { return Ok(()) };
    let request = joined.request(session, endpoint, session.values());
    let days = Window { start: kept_days(day_of(joined.window.start), now), end: day_of(joined.window.end) };
    read_slices(session, output, &request, days, |_| ()).await?;
    Ok(session.output.state.advance_page(|state| joined.finish(state)).await?)
}

/// Reads days in slices that fit into one answer, oldest first. `done` is told up to which day all is written.
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
            Answer::Whole { has_room, silent } => {
                count = if has_room { (count * 2).min(most) } else { count };
                ask_again(session, request, output, silent, &done).await?;
            }
        }
        start = end;
        done(end);
        session.output.state.advance_page(|_| ()).await?;
    }
    Ok(())
}

/// Asks for each day that an answer did not name by itself. A day that stays silent is a gap.
async fn ask_again(
    session: &Session,
    request: &Request,
    output: &StreamOutput,
    silent: BTreeSet<Time>,
    done: &impl Fn(Time),
) -> Result<(), SyncError> {
    let mut unread: Vec<Window> = Vec::new();
    for start in silent {
        let day = Window { start, end: start + TimeDelta::days(1) };
        match (read(session, request, output, day).await?, unread.last_mut()) {
            (Answer::Whole { silent, .. }, _) if silent.is_empty() => {}
            (_, Some(last)) if last.end == day.start => last.end = day.end,
            _ => unread.push(day),
        }
    }
    for days in unread {
        done(days.start);
        output.gap(format!("the server says nothing of {days}"));
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
    /// All that the server says of it is written.
    Whole {
        /// More days would fit into one answer.
        has_room: bool,
        /// Days that the answer does not name. Nothing is known of them.
        silent: BTreeSet<Time>,
    },
}

/// Reads one slice. Writes it, unless it has to be smaller.
async fn read(session: &Session, request: &Request, output: &StreamOutput, slice: Window) -> Result<Answer, SyncError> {
    let (mut has_room, mut silent) = (true, days_of(slice));
    let can_be_smaller = slice.end - slice.start > TimeDelta::days(1);
    let mut pages = Pages::new(&session.client, of_days(request.clone(), slice));
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(Answer::Whole { has_room, silent }),
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
        for day in named_days(request.endpoint, &page)? {
            silent.remove(&day);
        }
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

/// The days that an answer names. A day without rows is known by its name alone. An error means that an interval is no day.
fn named_days(endpoint: &'static Endpoint, page: &Page) -> Result<Vec<Time>, ApiError> {
    let day = |interval: &String| {
        let text = unescape(interval.trim_matches('"'));
        Window::second_of(Some(&text)).filter(|time| *time == day_of(*time)).ok_or_else(|| {
            let detail = format!("the interval {text} does not begin with a day");
            ApiError::malformed(endpoint.paths[0].to_owned(), endpoint.scope, detail)
        })
    };
    page.series.iter().flat_map(|series| &series.intervals).map(day).collect()
}

/// The first seconds of all days in a range of whole days.
fn days_of(slice: Window) -> BTreeSet<Time> {
    let after = |day: &Time| Some(*day + TimeDelta::days(1));
    std::iter::successors(Some(slice.start), after).take_while(|day| *day < slice.end).collect()
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
