//! Fuzzes the catalog and what selection makes of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::catalog(data));
