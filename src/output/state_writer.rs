//! The state of a run, and when it is written. A STATE line covers only records that were queued before it.
//!
//! The state changes only here, under a lock that nobody waits with: a place in the queue to stdout is taken first, then
//! the line is made from the newest state and queued at once. So no older state can follow a newer one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::singer::message;
use crate::singer::state::{Bookmark, State};
use crate::singer::states::States;
use crate::singer::writer::{OutputClosed, Writer};

/// Longest time between STATE lines while records are written.
const INTERVAL: Duration = Duration::from_secs(2);
/// Records weigh at least this many times as much as the STATE lines between them, so that a state of a thousand
/// projects does not drown them; a small state follows every page.
const SHARE: u64 = 4;

/// The state, and the way of STATE lines to stdout.
#[derive(Debug)]
pub(crate) struct StateWriter {
    writer: Writer,
    kept: Mutex<Kept>,
    /// Bytes of records queued since the last STATE.
    uncovered: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    states: States,
    written: Option<Instant>,
    /// Length of the last STATE line.
    last_size: u64,
}

impl StateWriter {
    /// Begins with what the state file said.
    pub(crate) fn new(writer: Writer, states: States) -> Self {
        let kept = Mutex::new(Kept { states, written: None, last_size: 0 });
        Self { writer, kept, uncovered: AtomicU64::new(0) }
    }

    /// The states, when nothing more is to be read.
    pub(crate) fn into_states(self) -> States {
        self.kept.into_inner().unwrap_or_else(PoisonError::into_inner).states
    }

    /// Looks something up in the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().states.current)
    }

    /// A copy of a stream's bookmark.
    pub(crate) fn bookmark(&self, tap_stream_id: &str) -> Bookmark {
        self.read(|state| state.bookmark(tap_stream_id))
    }

    /// Whether this run, or an interrupted one that it continues, has read the whole of a full table.
    pub(crate) fn has_read(&self, tap_stream_id: &str) -> bool {
        self.read(|state| state.run.as_ref().is_some_and(|run| run.done.contains(tap_stream_id)))
    }

    /// Notes that so many bytes of records are queued.
    pub(crate) fn note_uncovered(&self, bytes: usize) {
        self.uncovered.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Changes the state. The next STATE line says it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock().states.current);
    }

    /// Changes the state and writes it. The records that it covers must have been queued before.
    pub(crate) async fn advance(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        self.change(change);
        self.write(|_| true).await
    }

    /// As `advance`, for one page: writes unless STATE lines would outweigh the records.
    pub(crate) async fn advance_page(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        self.change(change);
        let is_due = self.is_due(&self.lock());
        // Another reader may write a STATE while this one waits for a place in the queue.
        if is_due { self.write(|kept| self.is_due(kept)).await } else { Ok(()) }
    }

    fn is_due(&self, kept: &Kept) -> bool {
        let light = kept.last_size * SHARE <= self.uncovered.load(Ordering::Relaxed);
        light || kept.written.is_none_or(|written| written.elapsed() >= INTERVAL)
    }

    /// Writes the state as it is once there is room in the queue, if it still `is_due` then.
    async fn write(&self, is_due: impl FnOnce(&Kept) -> bool) -> Result<(), OutputClosed> {
        let place = self.writer.reserve().await?;
        let mut kept = self.lock();
        if is_due(&kept) {
            let line = message::state_line(&kept.states);
            kept.written = Some(Instant::now());
            kept.last_size = line.len() as u64;
            self.uncovered.store(0, Ordering::Relaxed);
            place.send(line);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
