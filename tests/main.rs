//! The tests of tap-sentry: the real binary against a local Sentry, and laws that the sources must keep.
//!
//! One program, so that all modules share one build; each module's duty is in its first lines.

mod abreast;
mod cli;
mod config_sources;
mod dialects;
mod discover;
mod docs;
mod doctor;
mod drift;
mod errors;
mod events;
mod examples;
mod faults;
mod fuzz_corpus;
mod growth;
mod incremental;
mod kill;
mod laws;
mod limits;
mod machines;
mod old_servers;
mod pipes;
mod plan;
mod projects;
mod queries;
mod real;
mod requests;
mod sampling;
mod schemas;
mod secrets;
mod selection;
mod streams;
mod support;
mod sync;
mod terminal;
mod transport;
mod unpacked;
mod vouching;
