//! THE TABLE: one row per stream, with its schema by `include_str!`.
//!
//! Says what is read; `sync` knows how to read it. The rows are in `rows/`, one file for each subject. `tests/laws.rs`
//! checks the laws that every row must keep.

pub(crate) mod context;
pub(crate) mod derive;
pub(crate) mod extract;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod stream;

pub(crate) use crate::streams::rows::{all, children, find, line, root};
pub(crate) use crate::streams::stream::{EVENT_DETAIL_ONLY, Embed, Replication, Source, Step, Stream, TimeFilter};
