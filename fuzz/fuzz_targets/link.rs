//! Fuzzes the Link header.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::link(data));
