//! Sync windows: issues, and what depends on changed issues, up to one end.

pub(crate) mod bookmarks;
pub(crate) mod dependents;
pub(crate) mod window;
pub(crate) mod windows;
