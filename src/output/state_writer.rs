//! Keeps the state of a run, and decides when it is written. Does not know how records are made.
//!
//! A STATE line covers only records that were queued before it. The state changes only here, under a lock that nobody
//! holds while waiting. A write first reserves a place in the queue to stdout. Then it makes the line from the newest
//! state and queues it at once. So no older state follows a newer one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::singer::message;
use crate::singer::state::{Bookmark, State};
use crate::singer::states::States;
use crate::singer::writer::{OutputClosed, Writer};

/// Longest time between STATE lines while records are written.
const INTERVAL: Duration = Duration::from_secs(2);
/// Records have at least this many times the bytes of the STATE lines between them, so that a state of a thousand
/// projects does not outweigh them. A small state follows every page.
const MIN_RATIO: u64 = 4;

/// The state, and the queue of its STATE lines to stdout.
#[derive(Debug)]
pub(crate) struct StateWriter {
    writer: Writer,
    inner: Mutex<Inner>,
    /// Bytes of records queued since the last STATE.
    uncovered: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    states: States,
    written: Option<Instant>,
    /// Length of the last STATE line.
    last_size: u64,
}

impl StateWriter {
    /// Begins with the states of the state file.
    pub(crate) fn new(writer: Writer, states: States) -> Self {
        let inner = Mutex::new(Inner { states, written: None, last_size: 0 });
        Self { writer, inner, uncovered: AtomicU64::new(0) }
    }

    /// The states, when the run is over.
    pub(crate) fn into_states(self) -> States {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).states
    }

    /// Reads from the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().states.current)
    }

    /// A copy of a stream's bookmark.
    pub(crate) fn bookmark(&self, tap_stream_id: &str) -> Bookmark {
        self.read(|state| state.bookmark(tap_stream_id))
    }

    /// Whether a full table is read to the end, by this run or by an interrupted run that it continues.
    pub(crate) fn has_read(&self, tap_stream_id: &str) -> bool {
        self.read(|state| state.run.as_ref().is_some_and(|run| run.done.contains(tap_stream_id)))
    }

    /// Notes that `bytes` of records are queued.
    pub(crate) fn note_uncovered(&self, bytes: usize) {
        self.uncovered.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Changes the state. The next STATE line shows it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock().states.current);
    }

    /// Changes the state and writes it. The caller must have queued the records that it covers.
    pub(crate) async fn advance(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        self.change(change);
        self.write(|_| true).await
    }

    /// Like `advance`, for one page. Does not write if STATE lines would outweigh the records.
    pub(crate) async fn advance_page(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        self.change(change);
        let is_due = self.is_due(&self.lock());
        // Another task may write a STATE line while this one waits for a place in the queue.
        if is_due { self.write(|inner| self.is_due(inner)).await } else { Ok(()) }
    }

    fn is_due(&self, inner: &Inner) -> bool {
        let light = inner.last_size * MIN_RATIO <= self.uncovered.load(Ordering::Relaxed);
        light || inner.written.is_none_or(|written| written.elapsed() >= INTERVAL)
    }

    /// Waits for a place in the queue, then writes the newest state if it `is_due` then.
    async fn write(&self, is_due: impl FnOnce(&Inner) -> bool) -> Result<(), OutputClosed> {
        let place = self.writer.reserve().await?;
        let mut inner = self.lock();
        if is_due(&inner) {
            let line = message::state_line(&inner.states);
            inner.written = Some(Instant::now());
            inner.last_size = line.len() as u64;
            self.uncovered.store(0, Ordering::Relaxed);
            place.send(line);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
