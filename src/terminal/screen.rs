//! Orders writes to stderr: log lines go above the progress display while there is one. Does not know what they say.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

static DISPLAY: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Sets the display that stays below the log lines; `None` removes it.
pub(crate) fn set_display(display: Option<MultiProgress>) {
    *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = display;
}

/// Writes log lines to stderr, above the display.
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
