//! How the program ends, and the exit code that says it.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything selected was read whole.
    Complete,
    /// Failed, or finished with gaps.
    Failed,
    /// Wrong usage.
    Usage,
    /// Stopped by a signal of this number.
    Stopped(u8),
}

impl Ending {
    /// The exit code; a stop is 128 plus the signal, as shells have it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Stopped(signal) => 128 + signal,
        }
    }
}
