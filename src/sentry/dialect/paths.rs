//! Remembers which path of an endpoint the server has, as its answers have shown. Knows no requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tracing::debug;

/// What is known of an endpoint's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The path with this index has answered.
    At(usize),
    /// The server has none of its paths.
    Nowhere,
}

/// After so many things whose path was not found, while none was, the server lacks the endpoint.
const MANY_MISSED: u32 = 3;

/// What is known, by the endpoint's path today.
#[derive(Debug, Default)]
pub(crate) struct KnownPaths {
    known: Mutex<HashMap<&'static str, Known>>,
    missed: Mutex<HashMap<&'static str, u32>>,
}

impl KnownPaths {
    /// What is known of the endpoint with this path today; `None` if nothing.
    pub(crate) fn of(&self, todays: &'static str) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(todays).copied()
    }

    /// One thing was not found. Returns whether there were many.
    pub(crate) fn missed(&self, todays: &'static str) -> bool {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = missed.entry(todays).or_default();
        *count += 1;
        *count >= MANY_MISSED
    }

    /// Remembers what an answer has shown, and logs it.
    pub(crate) fn learn(&self, todays: &'static str, known: Known) {
        match known {
            Known::At(0) => {}
            Known::At(_) => debug!("this server has an older path for {todays}"),
            Known::Nowhere => debug!("this server has no {todays}"),
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(todays, known);
    }
}
