//! Fuzzes the state file and its way back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::state(data));
