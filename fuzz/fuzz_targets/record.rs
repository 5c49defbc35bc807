//! Fuzzes one row on its way to one record.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tap_sentry::fuzz::record(data));
