//! What the fuzz targets and the replay test (`tests/faults/fuzz_corpus.rs`) of tap-sentry share.

pub mod bodies;
