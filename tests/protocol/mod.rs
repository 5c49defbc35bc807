//! What a user or a pipeline sees of the tap: flags, exit codes, the catalog, messages on stdout and the log on stderr.
//! A configuration may come from files and from the environment. The token never shows.

mod check;
mod cli;
mod config_sources;
mod discover;
mod pipes;
mod secrets;
mod selection;
mod terminal;
