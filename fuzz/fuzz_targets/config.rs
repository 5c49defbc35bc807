//! Fuzzes the configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::config(data));
