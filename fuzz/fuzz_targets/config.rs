//! Fuzzes the configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry_fuzz::bodies::config(data));
