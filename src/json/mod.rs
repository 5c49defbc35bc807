//! JSON as text: checks it, splits it into rows and fields, and repairs it. Never builds a tree.
//!
//! Pages are read with it, and records are written with it. Knows neither Sentry nor Singer.

pub(crate) mod fingerprint;
pub(crate) mod index;
pub(crate) mod row;
pub(crate) mod scan;
pub(crate) mod text;
