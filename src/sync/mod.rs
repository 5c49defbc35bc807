//! Joins the two worlds: reads Sentry and writes Singer. The only place that knows both.
//!
//! `schedule` says what runs, in which order and side by side. It calls four readers, which know nothing of each other
//! beyond what stands in ARCHITECTURE.md: `tables` (lists, objects and what hangs on their rows), `changes` (windows of
//! issues and of what depends on them), `issues` (the scan of issues) and `events`. All of them share a `session`.

pub(crate) mod changes;
pub(crate) mod events;
pub(crate) mod issues;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod tables;
