//! The command line: flags and their help. Does not know what the flags do.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  tap-sentry --discover > catalog.json
  tap-sentry --config config.json --test
  tap-sentry --config config.json --plan
  tap-sentry --config config.json --catalog catalog.json | target-jsonl
  tap-sentry --config config.json --catalog catalog.json --state state.json
  tap-sentry --config ENV       (TAP_SENTRY_API_TOKEN and so on, or .env)

Exit codes: 0 everything was read; 1 something was not, see the last line of
the log; 2 wrong usage; 130 and 143 stopped by a signal.";

/// Singer tap for Sentry.
///
/// Reads a Sentry organization over its web API and writes Singer SCHEMA, RECORD and STATE messages to stdout.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
#[command(name = "tap-sentry", version, help_expected = true, max_term_width = 80, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Configuration file (JSON; comments are allowed), or ENV for variables and the file .env; later ones win
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,

    /// Catalog file that says which streams and fields to sync; without it, the default streams
    #[arg(long, value_name = "FILE")]
    pub(crate) catalog: Option<PathBuf>,

    /// Older name of --catalog
    #[arg(short, long, value_name = "FILE")]
    pub(crate) properties: Option<PathBuf>,

    /// State file to continue from
    #[arg(short, long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Print the catalog and stop; needs no config and no network
    #[arg(short, long, help_heading = "Instead of a sync")]
    pub(crate) discover: bool,

    /// Check config, token and server, stream by stream, and stop; "schema" writes the SCHEMA messages alone
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        hide_possible_values = true,
        help_heading = "Instead of a sync"
    )]
    pub(crate) test: Option<Test>,

    /// Say what a sync would cost in requests and time, and stop
    #[arg(long, help_heading = "Instead of a sync")]
    pub(crate) plan: bool,

    /// Print what this tap is and which settings it takes, and stop
    #[arg(long, help_heading = "Instead of a sync")]
    pub(crate) about: bool,

    /// How --test, --plan and --about print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Instead of a sync")]
    pub(crate) format: Format,

    /// Print a completion script for a shell, and stop
    #[arg(long, value_name = "SHELL", help_heading = "Instead of a sync")]
    pub(crate) completions: Option<Shell>,

    /// Print the manual page, and stop
    #[arg(long, help_heading = "Instead of a sync")]
    pub(crate) man: bool,

    /// Log more: -v shows every request, -vv the headers of answers too
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// Config, token, server and every selected stream.
    #[value(alias = "true", alias = "records")]
    All,
    /// Nothing: the schemas are written.
    Schema,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For documents.
    Markdown,
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
