//! THE TABLE: one row per stream, its schema beside it by `include_str!`.
//!
//! What is fetched is data here; how it is fetched is written once, in `sync`. Laws that every row must keep are
//! tests (`tests/laws.rs`). The rows stand in `rows/`, in files by what they are about.

pub(crate) mod context;
pub(crate) mod derive;
pub(crate) mod extract;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod stream;

pub(crate) use crate::streams::rows::{all, children, find, line};
pub(crate) use crate::streams::stream::{EVENT_DETAIL_ONLY, Embed, Replication, Source, Step, Stream, TimeFilter};
