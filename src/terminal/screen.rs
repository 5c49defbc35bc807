//! Who may write to stderr, and in what order: log lines go above the progress display while there is one.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

static DISPLAY: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Puts a display below the log lines to come, or takes it away.
pub(crate) fn set_display(display: Option<MultiProgress>) {
    *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = display;
}

/// Where log lines go.
#[derive(Debug)]
pub(crate) struct Screen;

impl Write for Screen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let display = DISPLAY.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let write = || io::stderr().write_all(line);
        display.map_or_else(write, |display| display.suspend(write))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
