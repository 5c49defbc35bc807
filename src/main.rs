//! tap-sentry.
fn main() {}
