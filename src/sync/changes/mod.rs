//! Sync windows: issues, and what depends on changed issues, up to one end.

pub(crate) mod bookmarks;
pub(crate) mod dependents;
mod hidden;
pub(crate) mod window;
pub(crate) mod windows;
