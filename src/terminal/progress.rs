//! The progress display for someone who watches a run on a terminal: a line for each stream, and one for the whole run.
//! Changes nothing in the run.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::stream::{StreamOutput, Tally};
use crate::sentry::limits::waits::Waits;
use crate::sync::session::Session;
use crate::terminal::screen::set_display;

/// Time between two updates.
const TICK: Duration = Duration::from_millis(250);
/// Updates over which the request rate is measured.
const RECENT: usize = 20;

/// Shows the run while it is polled; never ends. Without a terminal it only waits.
pub(crate) async fn show(session: &Session) {
    if !std::io::stderr().is_terminal() || std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
        return std::future::pending().await;
    }
    let mut display = Display::new(session);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        display.draw(session);
    }
}

/// Lines at the bottom of the terminal. Dropping it removes them.
struct Display<'a> {
    all: MultiProgress,
    streams: Vec<(&'a StreamOutput, ProgressBar)>,
    total: ProgressBar,
    started: Instant,
    /// Number of requests at the last updates, the newest last.
    requests: Vec<u64>,
    waits: Waits,
}

impl<'a> Display<'a> {
    fn new(session: &'a Session) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{prefix:<16} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |name: &'static str| all.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(name));
        let streams = session.output.streams().map(|output| (output, bar(output.stream.tap_stream_id))).collect();
        let total = bar("");
        set_display(Some(all.clone()));
        Self { all, streams, total, started: Instant::now(), requests: vec![0], waits: Waits::default() }
    }

    fn draw(&mut self, session: &Session) {
        let elapsed = self.started.elapsed();
        let mut left: Option<Duration> = None;
        for (output, bar) in &self.streams {
            let tally = output.tally();
            bar.set_message(describe(&tally));
            left = left.max(time_left(&tally, elapsed));
        }
        let requests = session.client.costs.total().requests;
        self.requests.push(requests);
        if self.requests.len() > RECENT {
            self.requests.remove(0);
        }
        let waits = session.client.waits();
        let reason = waits.since(&self.waits).longest().map(|cause| format!(", waiting for {cause}"));
        self.waits = waits;
        let left = left.map(|left| format!(", about {} left", HumanDuration(left))).unwrap_or_default();
        self.total.set_message(format!(
            "{} requests, {:.1} a second{}{left}",
            HumanCount(requests),
            self.rate(),
            reason.unwrap_or_default()
        ));
    }

    /// Requests per second over the last updates.
    #[expect(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^52")]
    fn rate(&self) -> f64 {
        let made = self.requests.last().unwrap_or(&0) - self.requests.first().unwrap_or(&0);
        let ticks = self.requests.len().saturating_sub(1).max(1) as f64;
        made as f64 / (ticks * TICK.as_secs_f64())
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        set_display(None);
        let _ = self.all.clear(); // fails if the terminal is gone; then there is nothing to clear
    }
}

fn describe(tally: &Tally) -> String {
    let records = HumanCount(tally.records);
    match tally.expected {
        Some(expected) if expected > 0 => {
            let percent = (tally.records.min(expected) * 100) / expected;
            format!("{records} of about {}  {percent} %", HumanCount(expected))
        }
        _ => format!("{records} records"),
    }
}

/// Time left at the pace so far. `None` if the stream does not say how many records it expects.
fn time_left(tally: &Tally, elapsed: Duration) -> Option<Duration> {
    let left = tally.expected?.checked_sub(tally.records).filter(|left| *left > 0)?;
    let done = u32::try_from(tally.records).ok().filter(|done| *done > 0)?;
    Some(elapsed / done * u32::try_from(left).ok()?)
}
