//! What users see on stderr: log lines, and the display of progress on terminals.

pub(crate) mod logging;
pub(crate) mod progress;
pub(crate) mod screen;
