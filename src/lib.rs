//! A Singer tap for Sentry: reads an organization over Sentry's web API and writes SCHEMA, RECORD and STATE lines.
//!
//! The map, in the direction that data goes; the arrows between the lots are in ARCHITECTURE.md:
//!
//! - `cli` and `config`: what users type and write, checked once.
//! - `commands`: what the program does, each from inputs to an exit code; `terminal`: what users see of it on stderr.
//! - `streams`: the table of streams, one row each; `catalog`: the table as a Singer catalog, and what one selects.
//! - `sentry`: the web API: endpoints, pages, limits, errors, and what this server can do. Knows nothing of Singer.
//! - `singer`: the protocol: catalog, records, state, and the one owner of stdout. Knows nothing of Sentry.
//! - `output`: selected streams on their way out, and when the state is written.
//! - `sync`: joins the two: tables, sync windows of issues and events, bookmarks.
//! - `json` and `time`: leaves. Bodies become records without ever becoming trees.
//!
//! This is a program, and the library is only its inside: [`run`] is all that `main` needs. The modules are private, so
//! that the compiler tells what is dead. [`internals`] is the one door for tests and tools.

#![warn(unreachable_pub)]

mod catalog;
mod cli;
mod commands;
mod config;
mod json;
mod output;
mod sentry;
mod singer;
mod streams;
mod sync;
mod terminal;
mod time;

/// What each fuzz target does with its input. Replayed over the kept corpus by the tests.
#[cfg(any(test, feature = "fuzzing"))]
#[path = "../fuzz/bodies.rs"]
#[expect(clippy::missing_panics_doc, reason = "a panic is how a target reports")]
pub mod fuzz;

use std::io::Write;

use clap::Parser;

/// Runs the program as the command line says, with `out` for stdout, and returns its exit code. `stop` resolves to the
/// number of a signal that asks the run to end.
pub fn run(out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> u8 {
    let cli = cli::Cli::parse();
    terminal::logging::start(cli.verbose);
    commands::run(&cli, out, stop).code()
}

/// The tables that the program is made from, for the tests and tools of this repository. Nothing here is promised to
/// anyone else, and nothing here does anything.
pub mod internals {
    pub use crate::commands::about::CAPABILITIES;
    pub use crate::config::options::{ConfigOption, Kind, OPTIONS};
    pub use crate::sentry::dialect::Capability;
    pub use crate::sentry::endpoint::{Endpoint, PageSize, Rows};
    pub use crate::sentry::endpoints;
    pub use crate::sentry::limits::group::LimitGroup;
    pub use crate::streams::stream::{Added, Embed, Replication, Source, Step, Stream, TimeFilter};

    /// The table of streams.
    pub mod streams {
        pub use crate::streams::rows::{all, find};
    }

    /// What is wrong with the text of a configuration file, if anything is.
    pub fn config_problem(text: &str) -> Option<String> {
        crate::config::Config::parse(text).err().map(|error| format!("{error:#}"))
    }
}
