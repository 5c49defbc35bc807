//! The command line: flags and their help, nothing else.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Singer tap for Sentry.
///
/// Reads a Sentry organization over its web API and writes Singer SCHEMA, RECORD and STATE messages to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "tap-sentry",
    version,
    help_expected = true,
    max_term_width = 80,
    after_help = "Examples:\n  tap-sentry --discover > catalog.json\n  tap-sentry --config config.json --catalog catalog.json | target-jsonl\n  tap-sentry --config config.json --catalog catalog.json --state state.json\n  tap-sentry --config config.json --plan"
)]
pub struct Cli {
    /// Print the catalog and stop; needs no config and no network
    #[arg(short, long)]
    pub discover: bool,

    /// Configuration file (JSON; comments are allowed)
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Catalog file that says which streams and fields to sync; without it, the default streams
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,

    /// Older name of --catalog
    #[arg(short, long, value_name = "FILE")]
    pub properties: Option<PathBuf>,

    /// State file to continue from
    #[arg(short, long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Say what a sync would cost in requests and time, and stop
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub plan: Option<PlanFormat>,

    /// Log more: -v shows every request, -vv the headers of answers too
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// A table.
    Text,
    /// One JSON object.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
