//! A Singer tap for Sentry: reads an organization over Sentry's web API and writes SCHEMA, RECORD and STATE lines.
//!
//! The map, in the direction that data goes:
//!
//! - [`cli`] and [`config`]: what users type and write, checked once; [`logging`], [`progress`] and [`screen`]:
//!   what they read on stderr.
//! - [`about`] and [`manual`]: what the tap says of itself.
//! - [`streams`]: the table of streams, one row each; [`discover`] prints it as a catalog.
//! - [`sentry`]: the web API: endpoints, pages, rate limits, errors. Knows nothing of Singer.
//! - [`singer`]: the protocol: catalog, records, state, and the one owner of stdout. Knows nothing of Sentry.
//! - [`sync`]: joins the two: windows, the issue walk, the plan for events, bookmarks.
//! - [`json`], [`sampling`] and [`time`]: leaves. Bodies become records without ever becoming trees.

pub mod about;
pub mod cli;
pub mod config;
pub mod discover;
pub mod json;
pub mod logging;
pub mod manual;
pub mod progress;
pub mod run;
pub mod sampling;
pub mod screen;
pub mod sentry;
pub mod singer;
pub mod streams;
pub mod sync;
pub mod time;
