//! The Singer protocol: catalog, messages, state, and the one owner of stdout.
//!
//! Nothing in this folder knows Sentry. It handles streams, schemas, bookmarks and raw JSON rows.

pub(crate) mod catalog;
pub(crate) mod frontier;
pub(crate) mod message;
pub(crate) mod pending;
pub(crate) mod progress;
pub(crate) mod projection;
pub(crate) mod selection;
pub(crate) mod state;
pub(crate) mod states;
pub(crate) mod types;
pub(crate) mod writer;
