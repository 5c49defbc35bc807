//! What users see on stderr: log lines, and a progress display on terminals. Never touches stdout.

pub(crate) mod logging;
pub(crate) mod progress;
pub(crate) mod screen;
