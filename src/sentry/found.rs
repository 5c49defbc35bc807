//! What a look at the paths of an endpoint has found, today's and older ones. Sends nothing.

use crate::sentry::error::ApiError;
use crate::sentry::page::Page;

/// What one look at all paths of an endpoint has shown.
#[derive(Debug)]
pub(crate) struct Found {
    /// What the first path came to that answered as Sentry does.
    pub(crate) outcome: Outcome,
    /// Paths before it that look missing.
    pub(crate) missing: Vec<usize>,
    /// Why they do. A proxy may have answered for the server.
    pub(crate) doubt: Option<ApiError>,
    /// One of them gave a web page, which is not how this server answers of missing paths.
    pub(crate) foreign: bool,
}

impl Found {
    /// Whether no path answered as this server would.
    pub(crate) fn proves_nothing(&self) -> bool {
        self.foreign && matches!(self.outcome, Outcome::Nowhere)
    }
}

/// What the first path came to that answered as Sentry does.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The path with this index; its page.
    At(usize, Page),
    /// An error.
    Fails(ApiError),
    /// There is none.
    Nowhere,
}
