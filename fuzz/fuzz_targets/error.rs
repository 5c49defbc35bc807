//! Fuzzes the body of an error answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::error(data));
