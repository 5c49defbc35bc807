//! Which path of an endpoint a server has, as its answers have shown. Knows no requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tracing::debug;

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its path of this number has answered.
    At(usize),
    /// The server has none of them.
    Nowhere,
}

/// Endpoints by today's path.
#[derive(Debug, Default)]
pub(crate) struct KnownPaths(Mutex<HashMap<&'static str, Known>>);

impl KnownPaths {
    /// What is known of the endpoint with this path today.
    pub(crate) fn of(&self, todays: &'static str) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(todays).copied()
    }

    /// Remembers what an answer has shown.
    pub(crate) fn learn(&self, todays: &'static str, known: Known) {
        match known {
            Known::At(0) => {}
            Known::At(_) => debug!("this server has an older path for {todays}"),
            Known::Nowhere => debug!("this server has no {todays}"),
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(todays, known);
    }
}
