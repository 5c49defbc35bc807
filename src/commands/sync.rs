//! A sync, one organization after the other. It ends when all are read, at a signal, when its time is over, or when
//! nothing can be written any more. Does not know how streams are read.

use std::future::pending;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use chrono::TimeDelta;
use tokio::runtime::Runtime;
use tracing::{info, warn};

use crate::cli::Cli;
use crate::commands::ending::Ending;
use crate::commands::inputs::{Inputs, announce, runtime};
use crate::commands::summary::summarize;
use crate::config::Config;
use crate::output::accepted::accepts;
use crate::singer::writer::Writer;
use crate::sync::schedule;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::terminal::progress::show;

/// How long a stopped run waits for the target to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How the sync of one organization ended.
enum End {
    /// By itself.
    Ended(Result<(), SyncError>),
    /// By the signal of this number.
    Signal(u8),
    /// The time for the run is over.
    OutOfTime,
}

/// Syncs to `out`. `stop` resolves to the number of a signal that asks the run to end.
pub(crate) fn run(cli: &Cli, out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> Result<Ending> {
    let began = Instant::now();
    let inputs = Inputs::read(cli)?;
    let runtime = runtime()?;
    let (writer, thread) = Writer::spawn(out);
    let (mut stop, mut states, mut failures) = (Box::pin(stop), inputs.states.clone(), Vec::new());
    let deadline = inputs.config.max_run.map(|most| began + most);
    let mut organizations = inputs.config.each_organization().into_iter();
    let mut idle = inputs.config.accepted_gaps.clone();
    while let Some(config) = organizations.next() {
        let session = inputs.session(&runtime, config, states, writer.clone())?;
        announce(&session);
        let end = runtime.block_on(async {
            tokio::select! {
                biased;
                signal = &mut stop => End::Signal(signal),
                result = schedule::run(&session) => End::Ended(result),
                () = reach(deadline) => End::OutOfTime,
                () = show(&session) => unreachable!("a display has no end"),
            }
        });
        match end {
            End::Signal(signal) => {
                stopped(&runtime, &session, signal);
                drop((session, writer));
                let _ = thread.finish_within(LAST_LINES); // if the target is gone, nothing can be done
                return Ok(Ending::Stopped(signal));
            }
            End::OutOfTime => {
                idle.clear(); // what was not read may have them
                failures.extend(out_of_time(&session, &runtime, organizations).err());
                break;
            }
            End::Ended(result) => {
                idle.retain(|entry| result.is_ok() && !occurred(entry, &session));
                failures.extend(finish(&session, &runtime, result).err());
            }
        }
        states = session.output.state.into_states();
        if matches!(failures.last(), Some(SyncError::Closed(_))) {
            break;
        }
    }
    for entry in idle {
        info!("accepted_gaps: {entry:?} did not occur");
    }
    drop(writer); // closes the channel: the thread writes what it has and ends
    let written = thread.finish().context("cannot write to stdout");
    let ending = verdict(failures)?;
    written.map(|()| ending)
}

/// Resolves when the time is over.
async fn reach(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// Says what is left for the next run, and ends this one as if it were over: with a last STATE, and the gaps that it has.
fn out_of_time(session: &Session, runtime: &Runtime, others: impl Iterator<Item = Config>) -> Result<(), SyncError> {
    let others = others.map(|config| format!("all of {}", config.organization));
    let left: Vec<String> = unfinished(session).map(str::to_owned).chain(others).collect();
    warn!("max_run_minutes are over; left for the next run: {}", left.join(", "));
    let written = runtime.block_on(session.output.state.advance(|_| ())).map_err(SyncError::from);
    finish(session, runtime, written)
}

/// Whether an entry of `accepted_gaps` accepts a gap of the organization.
fn occurred(entry: &str, session: &Session) -> bool {
    session.output.streams().any(|output| {
        let text = |what: &str| format!("{}: {what}", output.stream.tap_stream_id);
        output.tally().gaps.iter().any(|gap| accepts(entry, &text(&gap.what)))
    })
}

/// The streams that this run has not read to its own time.
fn unfinished(session: &Session) -> impl Iterator<Item = &'static str> {
    let began = session.client.server_now() - session.client.costs.elapsed() - TimeDelta::seconds(2);
    let is_read = move |name: &str| {
        let bookmark = session.output.state.bookmark(name).start;
        session.output.state.has_read(name) || bookmark.is_some_and(|bookmark| bookmark >= began)
    };
    session.output.streams().map(|output| output.stream.tap_stream_id).filter(move |name| !is_read(name))
}

/// Writes a last STATE. Waits only `LAST_LINES` for a target that no longer reads.
fn stopped(runtime: &Runtime, session: &Session, signal: u8) {
    info!("stopped by signal {signal}; the state says how far the run came");
    let last = async { tokio::time::timeout(LAST_LINES, session.output.state.advance(|_| ())).await };
    let _ = runtime.block_on(last);
    summarize(session);
}

/// Writes the last STATE of a failed run, logs the summary, and returns how the run ended.
fn finish(session: &Session, runtime: &Runtime, result: Result<(), SyncError>) -> Result<(), SyncError> {
    if matches!(&result, Err(SyncError::Api(_) | SyncError::Failed(_))) {
        // With a last STATE, the next run does not read again what this one read.
        let _ = runtime.block_on(session.output.state.advance(|_| ()));
    }
    let missing = summarize(session);
    match (result, missing) {
        (Ok(()), Some(missing)) => {
            Err(SyncError::Failed(anyhow!("finished with gaps, which the next run will try again: {missing}")))
        }
        (result, _) => result,
    }
}

fn verdict(failures: Vec<SyncError>) -> Result<Ending> {
    let mut errors: Vec<_> = failures.into_iter().map(SyncError::into_anyhow).collect();
    match errors.len() {
        0 => Ok(Ending::Complete),
        1 => Err(errors.remove(0)),
        _ => bail!("{}", errors.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>().join("; ")),
    }
}
