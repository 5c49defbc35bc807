//! The table of streams as a Singer catalog, and the streams that a catalog selects. Does not know how they are read.

pub(crate) mod discover;
pub(crate) mod query_schema;
pub(crate) mod select;
