//! The tap reads sentry.io, self-hosted Sentry of any age, and GlitchTip, each of them whole.
//! It tells them apart by their answers. The connection is encrypted and its certificate is checked; proxies work.

mod dialects;
mod real;
mod transport;
