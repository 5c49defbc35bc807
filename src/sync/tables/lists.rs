//! Reads a root stream of the table from beginning to end: what projects that came in have from before, what an interrupted
//! run left half read, and then everything up to now.

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::streams::context::ChildContext;
use crate::streams::{Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::tolerance::tolerate_part;
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::joined::Joined;
use crate::sync::tables::root::RootWalk;
use crate::sync::tables::substreams::Substream;

/// Reads a root stream and the children that are read with its rows. Returns the context of each row, for children that
/// have endpoints of their own.
pub(crate) async fn walk_root(session: &Session, stream: &'static Stream) -> Result<Vec<ChildContext>, SyncError> {
    let own_lists = stream.time_filter == TimeFilter::None;
    let children = if own_lists { Substream::below(session, stream) } else { Vec::new() };
    let (mut contexts, mut missing, above) = (Vec::new(), None, session.values());
    let mut keep = |row: &Row<'_>| match ChildContext::read(stream, row, &above) {
        Ok(context) if !children.is_empty() => contexts.push(context),
        Ok(_) => {}
        Err(field) => missing = Some(field),
    };
    walk_rows(session, stream, !children.is_empty(), &mut keep).await?;
    for output in children.iter().flat_map(Substream::outputs) {
        if let Some(field) = missing {
            output.gap(format!("a parent row without {field}"));
        }
    }
    Ok(contexts)
}

/// Reads a root stream and the children that are read with its rows, and moves their bookmarks. `each` sees every row,
/// perhaps twice. With `must` it sees them even if an interrupted run has written them all.
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
    if stream.time_filter == TimeFilter::StartEnd {
        session.ask_the_time().await?;
    }
    if let Some(joined) = Joined::of(session, &left) {
        let outputs = joined.outputs.clone();
        let read = RootWalk::of_joined(session, stream, joined).read_joined(endpoint, each).await;
        tolerate_part(&outputs, read)?; // the others go on, and their bookmark waits
    }
    let mut walk = RootWalk::to_now(session, stream, &left);
    if walk.resume() {
        // What an interrupted run wrote may carry another version, or none.
        for output in &left {
            output.may_be_incomplete();
        }
        walk.pages(endpoint, each).await?;
        let found = walk.skip_to.is_none();
        if found {
            walk.finish().await?;
        }
        if found && stream.time_filter == TimeFilter::None {
            return Ok(());
        }
        // The window was an old one, or the row is gone where the interrupted run stopped. Read again, up to now.
        walk = RootWalk::to_now(session, stream, &left);
    }
    walk.pages(endpoint, each).await?;
    walk.finish().await
}
