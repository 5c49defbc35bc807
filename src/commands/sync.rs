//! A sync, one organization after the other. It ends when all are read, at a signal, or when nothing can be written any
//! more. Does not know how streams are read.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::runtime::Runtime;
use tracing::info;

use crate::cli::Cli;
use crate::commands::ending::Ending;
use crate::commands::inputs::{Inputs, announce, runtime};
use crate::commands::summary::summarize;
use crate::singer::writer::Writer;
use crate::sync::schedule;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::terminal::progress::show;

/// How long a stopped run waits for the target to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Syncs to `out`. `stop` resolves to the number of a signal that asks the run to end.
pub(crate) fn run(cli: &Cli, out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> Result<Ending> {
    let inputs = Inputs::read(cli)?;
    let runtime = runtime()?;
    let (writer, thread) = Writer::spawn(out);
    let (mut stop, mut states, mut failures) = (Box::pin(stop), inputs.states.clone(), Vec::new());
    for config in inputs.config.each_organization() {
        let session = inputs.session(&runtime, config, states, writer.clone())?;
        announce(&session);
        let outcome = runtime.block_on(async {
            tokio::select! {
                biased;
                signal = &mut stop => Err(signal),
                result = schedule::run(&session) => Ok(result),
                () = show(&session) => unreachable!("a display has no end"),
            }
        });
        match outcome {
            Err(signal) => {
                stopped(&runtime, &session, signal);
                drop((session, writer));
                let _ = thread.finish_within(LAST_LINES); // if the target is gone, nothing can be done
                return Ok(Ending::Stopped(signal));
            }
            Ok(result) => failures.extend(finish(&session, &runtime, result).err()),
        }
        states = session.output.state.into_states();
        if matches!(failures.last(), Some(SyncError::Closed(_))) {
            break;
        }
    }
    drop(writer); // closes the channel: the thread writes what it has and ends
    let written = thread.finish().context("cannot write to stdout");
    let ending = verdict(failures)?;
    written.map(|()| ending)
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
