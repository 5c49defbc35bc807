//! The parents of a substream: reads it below one after the other, and goes on after those that an interrupted run did.

use tracing::info;

use crate::json::fingerprint::fingerprint;
use crate::singer::progress::Position;
use crate::singer::state::State;
use crate::streams::context::ChildContext;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::asked;
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
    let Some(owner) = outputs.first().map(|output| output.stream.tap_stream_id) else { return Ok(()) };
    for output in &outputs {
        session.output.begin(output).await?;
    }
    if outputs.iter().all(|output| state.has_read(output.stream.tap_stream_id)) {
        return Ok(());
    }
    let co_read = || outputs.iter().skip(1).map(|output| output.stream.tap_stream_id);
    let asked = asked(session, &outputs);
    let progress = state.bookmark(owner).progress.filter(|progress| progress.is_for(&asked));
    let last_done = progress.as_ref().and_then(|progress| progress.position.item.as_ref());
    let mut parents: Vec<&ChildContext> = parents.iter().collect();
    parents.sort_by(|one, other| one.parent_key.cmp(&other.parent_key));
    parents.dedup_by(|one, other| one.parent_key == other.parent_key); // their list may have been read again
    let done = parents.partition_point(|parent| Some(&parent.parent_key) <= last_done);
    // One that came in since has not been read, wherever its key has it.
    let covered = progress.as_ref().and_then(|progress| progress.position.list.clone());
    let done = if covered == Some(cover(&parents[..done])) { done } else { 0 };
    // The parents that are done were read up to the end that the interrupted run had.
    let now = whole_second(session.client.server_now());
    let end = progress.filter(|_| done > 0).map_or(now, |progress| progress.end);
    child.output.into_iter().for_each(|output| output.expect((parents.len() - done) as u64));
    if done > 0 {
        // What an interrupted run wrote may carry another version, or none.
        for output in &outputs {
            output.may_be_incomplete();
        }
    }
    let late_by = parents.iter().map(|parent| parent.late_by).max().unwrap_or_default();
    child.known.iter().for_each(|known| known.keep_longer(late_by));
    for (nth, parent) in parents.iter().enumerate().skip(done) {
        child.of(session, parent, end).await?;
        let (item, list) = (Some(parent.parent_key.clone()), Some(cover(&parents[..=nth])));
        let position = Position { list, item, ..Position::default() };
        // The position stays before what could not be read: a run that goes on from here tries it again.
        let change = |state: &mut State| {
            child.note_rows(state, None);
            if !outputs.iter().any(|output| output.has_gaps()) {
                let progress = state.progress_mut(owner, end);
                (progress.position, progress.co_read) = (position, co_read().map(str::to_owned).collect());
                progress.asked.clone_from(&asked);
            }
        };
        state.advance_page(change).await?;
    }
    child.settle(session).await?;
    state.change(|state| child.note_rows(state, Some(end)));
    for output in outputs {
        session.finish(output, end).await?;
        info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
    }
    Ok(())
}
