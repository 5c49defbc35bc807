//! JSON as text: checked, split into rows and fields, repaired; never built into a tree.
//!
//! Knows neither Sentry nor Singer: pages are read with it, and records are written from it.

pub(crate) mod index;
pub(crate) mod row;
pub(crate) mod scan;
pub(crate) mod text;
