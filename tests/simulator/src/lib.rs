//! A local Sentry.
