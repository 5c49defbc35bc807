//! Why reading ended early: the server, the way to the target, or something else that nobody expected.

use crate::sentry::error::ApiError;
use crate::singer::writer::OutputClosed;

/// Why reading ended early.
#[derive(Debug)]
pub(crate) enum SyncError {
    /// A request failed. How far that is tolerated is decided in `tolerance.rs`.
    Api(ApiError),
    /// Nothing can be written any more.
    Closed(OutputClosed),
    /// The run cannot go on for another reason, which the message names.
    Failed(anyhow::Error),
}

impl SyncError {
    /// The error as a message alone.
    pub(crate) fn into_anyhow(self) -> anyhow::Error {
        match self {
            Self::Api(error) => error.into(),
            Self::Closed(error) => error.into(),
            Self::Failed(error) => error,
        }
    }
}

impl From<ApiError> for SyncError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<OutputClosed> for SyncError {
    fn from(error: OutputClosed) -> Self {
        Self::Closed(error)
    }
}

impl From<anyhow::Error> for SyncError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
