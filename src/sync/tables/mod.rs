//! Streams that are lists or objects of the API: read by the row of the table alone, without code of their own.

pub(crate) mod daily;
pub(crate) mod embedded;
pub(crate) mod projects;
pub(crate) mod root;
pub(crate) mod substreams;
