//! Every stream is read whole, and its rows fit the schema that the catalog declares.
//! The streams `issues` and `events` have a folder of their own. Here are all others, among them the user's own
//! queries, and the choice of projects and organizations.

mod children;
pub mod drift;
mod embedded;
mod examples;
mod late;
mod lists;
mod monitors;
mod optional;
mod projects;
mod queries;
mod release_lists;
pub mod schemas;
mod series;
