//! One run of the program, from parsed flags to an exit code. Each thing that the program does has a file of its own.
//!
//! Gets its output and its stop signal as arguments: does not know stdout or signals.

pub(crate) mod about;
mod check;
mod check_report;
mod discover;
pub(crate) mod ending;
mod hint;
mod inputs;
mod manual;
mod plan;
mod plan_report;
mod summary;
mod sync;

use std::io::Write;

use anyhow::{Context, Result};

use crate::cli::{Cli, Test};
use crate::commands::about::about;
use crate::commands::ending::Ending;
use crate::terminal::logging::critical;

/// Runs the program. `stop` resolves to the number of a signal that asks the run to end.
pub(crate) fn run(cli: &Cli, mut out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> Ending {
    if let Some(text) = text_without_run(cli) {
        return conclude(text.and_then(|text| print(&mut out, &text)).map(|()| Ending::Complete));
    }
    if cli.config.is_empty() {
        critical("--config is required for a sync (a file, or ENV; --discover needs none)");
        return Ending::Usage;
    }
    conclude(match cli.test {
        Some(_) => check::run(cli, |text| print(&mut out, text)),
        None if cli.plan => plan::run(cli, |text| print(&mut out, text)),
        None => sync::run(cli, out, stop),
    })
}

/// The text that some flags print instead of a run. They win over all other flags: Meltano adds them to the arguments
/// of a sync.
fn text_without_run(cli: &Cli) -> Option<Result<String>> {
    if cli.discover {
        return Some(discover::run(cli));
    }
    if cli.about {
        return Some(Ok(about(cli.format)));
    }
    if let Some(shell) = cli.completions {
        return Some(Ok(manual::completions(shell)));
    }
    if cli.man {
        return Some(manual::page());
    }
    (cli.test == Some(Test::Schema)).then(|| discover::schemas(cli))
}

fn print(out: &mut impl Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Logs the line that says why a run failed.
fn conclude(result: Result<Ending>) -> Ending {
    match result {
        Ok(ending) => ending,
        Err(error) => {
            critical(&format!("{error:#}"));
            Ending::Failed
        }
    }
}
