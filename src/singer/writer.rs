//! The only owner of stdout. Whole lines come in through a bounded channel, and are written in that order.
//!
//! Writes on a thread of its own: a slow target fills the channel and so slows the readers, but never delays the
//! network's timers. Flushes when it has nothing left to write. Does not know what the lines mean.

use std::io::Write;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Batches that may wait for the target. Each is at most one page of records.
const WAITING_BATCHES: usize = 8;

/// Nothing can be written any more: the target closed its end of the pipe, or the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputClosed;

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stdout is closed: the program that reads this tap's output has gone away")
    }
}

impl std::error::Error for OutputClosed {}

/// Hands lines to the writing thread. Clones share one channel, which keeps the order.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    lines: mpsc::Sender<Vec<u8>>,
}

/// The writing thread. Wait for it at the end.
#[derive(Debug)]
pub(crate) struct WriterThread(JoinHandle<std::io::Result<()>>);

impl Writer {
    /// Starts the thread that owns `out`.
    pub(crate) fn spawn(out: impl Write + Send + 'static) -> (Self, WriterThread) {
        let (lines, queue) = mpsc::channel(WAITING_BATCHES);
        let thread = std::thread::spawn(move || write_all(out, queue));
        (Self { lines }, WriterThread(thread))
    }

    /// Queues whole lines; waits while the target is slower than the server.
    pub(crate) async fn write(&self, lines: Vec<u8>) -> Result<(), OutputClosed> {
        if lines.is_empty() {
            return Ok(());
        }
        self.lines.send(lines).await.map_err(|_| OutputClosed)
    }

    /// Reserves a place in the queue; waits while the target is slower than the server.
    pub(crate) async fn reserve(&self) -> Result<Place<'_>, OutputClosed> {
        self.lines.reserve().await.map(Place).map_err(|_| OutputClosed)
    }
}

/// A place in the queue. Becomes free again if it is dropped unused.
#[derive(Debug)]
pub(crate) struct Place<'a>(mpsc::Permit<'a, Vec<u8>>);

impl Place<'_> {
    /// Queues whole lines without waiting.
    pub(crate) fn send(self, lines: Vec<u8>) {
        self.0.send(lines);
    }
}

impl WriterThread {
    /// Waits until everything is written. Drop every `Writer` first.
    pub(crate) fn finish(self) -> std::io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(std::io::Error::other("the writing thread panicked")))
    }

    /// Waits at most `limit`: a target that no longer reads must not keep the tap from ending.
    pub(crate) fn finish_within(self, limit: Duration) -> std::io::Result<()> {
        let deadline = Instant::now() + limit;
        while !self.0.is_finished() {
            if Instant::now() >= deadline {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    "the reader of stdout did not take the last lines",
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finish()
    }
}

fn write_all(mut out: impl Write, mut queue: mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
    while let Some(lines) = queue.blocking_recv() {
        out.write_all(&lines)?;
        if queue.is_empty() {
            out.flush()?;
        }
    }
    out.flush()
}
