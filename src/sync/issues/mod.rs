//! The scan of issues: writes their records, and says whose events changed.

pub(crate) mod changed;
pub(crate) mod fan_out;
pub(crate) mod issue;
pub(crate) mod pages;
pub(crate) mod scan;
