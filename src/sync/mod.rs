//! Joins the two worlds: reads Sentry and writes Singer. The only place that knows both.
//!
//! `schedule` says what runs, in which order and side by side. `tables` reads lists and objects, and the children of their
//! rows. `changes` reads windows of issues and of their dependents; it uses `issues` (the issue scan) and `events`. All of
//! them share a `session`.

pub(crate) mod changes;
pub(crate) mod events;
pub(crate) mod issues;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod tables;
