//! tap-sentry: parse, start logging, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use tap_sentry::cli::Cli;
use tap_sentry::{logging, run};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbose);
    ExitCode::from(run::run(&cli, std::io::stdout(), stopped()).code())
}

/// Resolves when the run is asked to end: 2 is SIGINT, 15 is SIGTERM.
async fn stopped() -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    }
}
