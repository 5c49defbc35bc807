//! Streams that are lists or objects of the API. Their row of the table is enough to read them: none has code of its own.

mod again;
pub(crate) mod daily;
pub(crate) mod embedded;
pub(crate) mod embedded_list;
pub(crate) mod joined;
mod kept;
mod known_rows;
mod look_ahead;
mod order;
pub(crate) mod parents;
pub(crate) mod presence;
pub(crate) mod projects;
pub(crate) mod root;
mod root_walk;
mod seen_rows;
pub(crate) mod substreams;
mod targets;
