//! The table of streams as a Singer catalog, and back: what is discovered, and what a catalog selects.

pub(crate) mod discover;
pub(crate) mod query_schema;
pub(crate) mod select;
