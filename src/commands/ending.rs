//! How the program ends, and its exit code.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything selected was read whole.
    Complete,
    /// The run failed, or finished with gaps.
    Failed,
    /// The command line was wrong.
    Usage,
    /// The signal of this number stopped the run.
    Stopped(u8),
}

impl Ending {
    /// The exit code. For a signal it is 128 plus its number, as in shells.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Stopped(signal) => 128 + signal,
        }
    }
}
