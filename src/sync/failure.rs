//! Why reading ended early: the server, or the way to the target.

use crate::sentry::error::ApiError;

/// Why a walk ended early.
#[derive(Debug)]
pub enum WalkError {
    /// A request failed.
    Api(ApiError),
    /// Nothing can be written any more, or the run cannot go on for another reason.
    Stop(anyhow::Error),
}

impl From<ApiError> for WalkError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<crate::singer::writer::OutputClosed> for WalkError {
    fn from(error: crate::singer::writer::OutputClosed) -> Self {
        Self::Stop(error.into())
    }
}
