//! tap-sentry.
