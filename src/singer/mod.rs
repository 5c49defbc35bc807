//! The Singer protocol: catalog, messages, state, and the one owner of stdout.
//!
//! Nothing in this folder knows Sentry: it deals in streams, schemas, bookmarks and raw JSON rows.

pub mod catalog;
pub mod message;
pub mod progress;
pub mod projection;
pub mod selection;
pub mod state;
pub mod states;
pub mod types;
pub mod writer;
