//! Reads the rows of one list or object of the table, writes them, and reads their children: what projects that came in have
//! from before, what an interrupted run left half read, and then everything up to now.
//!
//! A list with a window of time goes on where an interrupted run stopped. Others begin anew: a place in them proves
//! nothing, since rows come and go before it.

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::streams::context::ChildContext;
use crate::streams::{Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::hidden::without_lost_projects;
use crate::sync::session::tolerance::{Answer, answer_of, tolerate_stream};
use crate::sync::tables::again::read_again;
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::joined::Joined;
use crate::sync::tables::root_walk::RootWalk;
use crate::sync::tables::substreams::Substream;
use crate::sync::tables::targets::Targets;

/// Reads a root stream and the children that are read with its rows. Returns the context of each row that came, for
/// children that have endpoints of their own. A list that ended early is a gap in all of them.
pub(crate) async fn walk_root(session: &Session, stream: &'static Stream) -> Result<Vec<ChildContext>, SyncError> {
    let own_lists = stream.time_filter == TimeFilter::None;
    let children = if own_lists { Substream::below(session, stream) } else { Vec::new() };
    let (mut contexts, mut missing, above) = (Vec::new(), None, session.values());
    let mut keep = |row: &Row<'_>| match ChildContext::read(stream, row, &above) {
        Ok(context) if !children.is_empty() => contexts.push(context),
        Ok(_) => {}
        Err(field) => missing = Some(field),
    };
    let must = !children.is_empty();
    let read = async || walk_rows(session, stream, must, &mut keep).await;
    let result = without_lost_projects(session, session.scope.asks_by_id(stream), read).await;
    for output in children.iter().flat_map(Substream::outputs) {
        if let Some(field) = missing {
            output.gap(format!("a parent row without {field}"));
        }
    }
    tolerate_stream(session, stream.tap_stream_id, result).await?;
    Ok(contexts)
}

/// Reads a root stream and the children that are read with its rows, and moves their bookmarks. `each` sees every row of
/// a table without a window once, and others perhaps more often. With `must` it sees them even if an interrupted run has
/// written them all.
pub(crate) async fn walk_rows(
    session: &Session,
    stream: &'static Stream,
    must: bool,
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), SyncError> {
    let Source::Endpoint(endpoint) = &stream.source else { return Ok(()) };
    let mut left: Vec<&StreamOutput> = session.output.stream(stream.tap_stream_id).into_iter().collect();
    left.extend(EmbeddedChildren::outputs_below(session, stream));
    for output in &left {
        session.output.begin(output).await?;
    }
    left.retain(|output| !session.output.state.has_read(output.stream.tap_stream_id));
    if left.is_empty() && !must {
        return Ok(());
    }
    let walk = || RootWalk::new(session, stream, Targets::new(session, stream, &left));
    let mut pending = Vec::new();
    if stream.time_filter == TimeFilter::StartEnd {
        session.ask_the_time().await?;
        pending = Targets::new(session, stream, &left).left_by_earlier_runs();
        let read = async || read_joined(session, stream, endpoint, &left, each).await;
        let read = without_lost_projects(session, true, read).await;
        tolerate_stream(session, stream.tap_stream_id, read).await?; // the others go on, and their bookmark waits
        // Its window ended when that run began. So the list is read again, up to now.
        go_on(walk(), endpoint, each).await?;
    }
    read_whole(walk(), endpoint, each).await?;
    // Last, so that a run that is killed again and again comes to its end all the same.
    let again = async || read_again(session, stream, endpoint, &left, &pending).await;
    let again = without_lost_projects(session, session.scope.asks_by_id(stream), again).await;
    if let Answer::Gone(error) | Answer::Failed(error) = answer_of(again)? {
        // The state has the names still.
        let below = EmbeddedChildren::outputs_below(session, stream).into_iter();
        below.for_each(|output| output.kept_gap(format!("what failed before could not be looked for: {error}")));
    }
    Ok(())
}

/// Reads what projects that came in have from before, if there are any.
async fn read_joined(
    session: &Session,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    left: &[&StreamOutput],
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), SyncError> {
    let Some(joined) = &Joined::of(session, left) else { return Ok(()) };
    let walk = || RootWalk::new(session, stream, Targets::of_joined(session, stream, joined));
    if go_on(walk(), endpoint, each).await? { Ok(()) } else { read_whole(walk(), endpoint, each).await }
}

/// Reads what an interrupted run left of its window. Returns whether the window is read: there was one, and the list kept to
/// the order that the progress was made from. Without that nothing is known of the newer part.
async fn go_on(
    mut walk: RootWalk<'_>,
    endpoint: &'static Endpoint,
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<bool, SyncError> {
    if !walk.resume() {
        return Ok(false);
    }
    walk.read(endpoint, each).await?;
    if walk.is_out_of_order() {
        return Ok(false);
    }
    walk.targets.finish().await?;
    Ok(true)
}

async fn read_whole(
    mut walk: RootWalk<'_>,
    endpoint: &'static Endpoint,
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), SyncError> {
    walk.read(endpoint, each).await?;
    walk.targets.finish().await
}
