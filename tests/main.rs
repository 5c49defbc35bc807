//! The tests of tap-sentry run the real binary against a simulated Sentry. The tests document what a user may rely on:
//!
//! - `protocol`: the command line, the configuration, the catalog, stdout and the log
//! - `streams`: every stream and its schema, and the choice of projects
//! - `issues_and_events`: the two big streams, and sampling
//! - `state`: incremental runs, and runs that were killed
//! - `servers`: sentry.io, self-hosted Sentry, GlitchTip, and the connection to them
//! - `limits`: rate limits, the number of requests, memory
//! - `faults`: how a run ends if something goes wrong
//! - `install`: documents, packages, deployments
//! - `judge`: whole histories, in which everything may happen
//!
//! `laws` checks the sources and the table of streams, `support` runs the tap, and `simulator` is a crate of its own.
//! All modules are one program, so that they share one build.

mod faults;
mod install;
mod issues_and_events;
mod judge;
mod laws;
mod limits;
mod protocol;
mod servers;
mod state;
mod streams;
mod support;
