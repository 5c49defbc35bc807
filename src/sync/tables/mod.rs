//! Streams that are lists or objects of the API. Their row of the table is enough to read them: none has code of its own.

pub(crate) mod daily;
pub(crate) mod embedded;
pub(crate) mod joined;
pub(crate) mod lists;
pub(crate) mod projects;
pub(crate) mod root;
pub(crate) mod substreams;
