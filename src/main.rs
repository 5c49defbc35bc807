//! tap-sentry: stdout, signals and the exit code. All else is in the library.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    ExitCode::from(tap_sentry::run(std::io::stdout(), stopped()))
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
