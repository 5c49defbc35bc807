//! Counts what a run has cost so far: requests, retries, bytes and waits, by endpoint. Knows no limits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sentry::endpoint::Endpoint;

/// The cost of some requests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Requests sent, retries included.
    pub(crate) requests: u64,
    /// Requests sent again after an error.
    pub(crate) retries: u64,
    /// Answers with status 429.
    pub(crate) limited: u64,
    /// Bytes of all bodies, uncompressed.
    pub(crate) bytes: u64,
    /// Time from sending to the end of the answer. Times of parallel requests add up.
    pub(crate) busy: Duration,
    /// Time that requests waited after errors and refusals. It adds up likewise.
    pub(crate) waited: Duration,
}

impl Cost {
    /// Adds another cost.
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.limited += other.limited;
        self.bytes += other.bytes;
        self.busy += other.busy;
        self.waited += other.waited;
    }
}

/// The first path of an endpoint, and its query, because several endpoints share a path.
type Key = (&'static str, &'static [(&'static str, &'static str)]);

/// The costs of a run, by endpoint.
#[derive(Debug)]
pub(crate) struct Costs {
    began: Instant,
    costs: Mutex<HashMap<Key, Cost>>,
}

impl Costs {
    /// Begins with no costs. The time runs from now on.
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), costs: Mutex::default() }
    }

    /// How long the run has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Changes the cost of an endpoint by `count`.
    pub(crate) fn count(&self, endpoint: &Endpoint, count: impl FnOnce(&mut Cost)) {
        count(self.lock().entry((endpoint.paths[0], endpoint.query)).or_default());
    }

    /// The cost of one endpoint.
    pub(crate) fn of(&self, endpoint: &Endpoint) -> Cost {
        self.lock().get(&(endpoint.paths[0], endpoint.query)).copied().unwrap_or_default()
    }

    /// The cost of all endpoints.
    pub(crate) fn total(&self) -> Cost {
        let mut total = Cost::default();
        for cost in self.lock().values() {
            total.add(*cost);
        }
        total
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Cost>> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
