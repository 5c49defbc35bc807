//! The parents of a substream: reads it below one after the other, and goes on after those that an interrupted run did.

use tracing::info;

use crate::json::fingerprint::fingerprint;
use crate::sentry::dialect::Capability;
use crate::singer::pending::Pending;
use crate::singer::progress::Position;
use crate::streams::context::ChildContext;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::asked;
use crate::sync::tables::kept::GapsBefore;
use crate::sync::tables::substreams::Substream;
use crate::time::whole_second;

/// Which parents are done.
fn cover(parents: &[&ChildContext]) -> String {
    format!("{:016x}", fingerprint(parents.iter().map(|parent| parent.parent_key.as_str())))
}

/// Reads a substream and its children whole, parent by parent, in the order of their keys: lists may come in another order
/// in each run. Goes on after the last parent that an interrupted run did.
pub(crate) async fn walk_substream(
    session: &Session,
    child: &Substream<'_>,
    parents: &[ChildContext],
) -> Result<(), SyncError> {
    let (outputs, state) = (child.outputs(), &session.output.state);
    for output in &outputs {
        session.output.begin(output).await?;
    }
    if outputs.iter().all(|output| state.has_read(output.stream.tap_stream_id)) {
        return Ok(());
    }
    let (now, asked) = (whole_second(session.client.server_now()), asked(session, &outputs));
    let Some(checkpoint) = Checkpoint::of_rows(session, outputs.clone(), now, asked) else { return Ok(()) };
    let progress = checkpoint.left();
    let last_done = progress.as_ref().and_then(|progress| progress.position.item.as_ref());
    let mut parents: Vec<&ChildContext> = parents.iter().collect();
    parents.sort_by(|one, other| one.parent_key.cmp(&other.parent_key));
    parents.dedup_by(|one, other| one.parent_key == other.parent_key); // their list may have been read again
    let done = parents.partition_point(|parent| Some(&parent.parent_key) <= last_done);
    // One that came in since has not been read, wherever its key has it.
    let covered = progress.as_ref().and_then(|progress| progress.position.list.clone());
    let done = if covered == Some(cover(&parents[..done])) { done } else { 0 };
    // The parents that are done were read up to the end that the interrupted run had.
    let end = progress.filter(|_| done > 0).map_or(now, |progress| progress.end);
    let checkpoint = checkpoint.up_to(end);
    child.output.into_iter().for_each(|output| output.expect((parents.len() - done) as u64));
    if done > 0 {
        // What an interrupted run wrote may carry another version, or none.
        for output in &outputs {
            output.may_be_incomplete();
        }
    }
    let late_by = parents.iter().map(|parent| parent.late_by).max().unwrap_or_default();
    child.known.iter().for_each(|known| known.keep_longer(late_by));
    for parent in parents[..done].iter().filter(|parent| checkpoint.is_pending(&parent.parent_key)) {
        read_below(session, &checkpoint, child, parent).await?;
    }
    for (nth, parent) in parents.iter().enumerate().skip(done) {
        read_below(session, &checkpoint, child, parent).await?;
        let (item, list) = (Some(parent.parent_key.clone()), Some(cover(&parents[..=nth])));
        let position = Position { list, item, ..Position::default() };
        checkpoint.advance_to(Some(position), |state| child.note_rows(state, None)).await?;
    }
    child.settle(session).await?;
    if session.client.dialect.supports(Capability::PageBoundaries) {
        forget_gone(&checkpoint, &parents);
    }
    state.change(|state| child.note_rows(state, Some(end)));
    for output in outputs {
        session.finish(output, end).await?;
        info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
    }
    Ok(())
}

/// Reads the rows below one parent. If the list has windows, and the rows cannot be read, the parent is kept by its name:
/// the bookmark moves on for the others.
async fn read_below(
    session: &Session,
    checkpoint: &Checkpoint<'_>,
    child: &Substream<'_>,
    parent: &ChildContext,
) -> Result<(), SyncError> {
    let (before, start) = (GapsBefore::of(checkpoint.outputs()), child.start_below(session, parent));
    let was_there = child.of(session, parent, checkpoint.end()).await?;
    let Some(start) = start.filter(|_| !child.presence.is_absent()) else { return Ok(()) };
    if before.are_more_now() {
        before.keep(checkpoint, &Pending::failed(parent.parent_key.clone(), start, None));
    } else if was_there && checkpoint.is_pending(&parent.parent_key) {
        checkpoint.forget_pending(&parent.parent_key);
    }
    Ok(())
}

/// Forgets names of parents that are not there any more, unless the list of parents may not be whole.
fn forget_gone(checkpoint: &Checkpoint<'_>, parents: &[&ChildContext]) {
    if checkpoint.outputs().iter().any(|output| output.is_doubtful()) {
        return;
    }
    for pending in checkpoint.all_pending() {
        if !parents.iter().any(|parent| parent.parent_key == pending.key) {
            checkpoint.forget_pending(&pending.key);
        }
    }
}
