//! HTTP/1.1 by hand, so that a fault can be placed at any byte. Knows nothing of Sentry.

pub(crate) mod call;
pub(crate) mod reply;
pub(crate) mod wire;
