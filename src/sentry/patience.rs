//! How often a request is tried again, by what this server has shown. Sends nothing and waits for nothing.
//!
//! An endpoint that goes on failing while other requests are answered fails for a reason of its own. To wait for it as long
//! as for a server that restarts costs minutes for each of its requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::sentry::endpoint::Endpoint;

/// The patience of one run.
#[derive(Debug)]
pub(crate) struct Patience {
    /// Most retries of one request, as configured.
    most: u32,
    answered: AtomicU64,
    accepted: AtomicU64,
    /// How many requests of an endpoint were given up since one got better, by the endpoint's path today.
    given_up: Mutex<HashMap<&'static str, u32>>,
    /// When an endpoint gave its last good answer.
    progress: Mutex<HashMap<&'static str, Instant>>,
}

/// How many answers have come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Whole answers of any status.
    answered: u64,
    /// Those with rows, or an object.
    accepted: u64,
}

impl Answers {
    /// Whether any has come since.
    pub(crate) fn any_since(self, earlier: Self) -> bool {
        self.answered > earlier.answered
    }

    /// Whether a good one has come since.
    pub(crate) fn good_since(self, earlier: Self) -> bool {
        self.accepted > earlier.accepted
    }
}

impl Patience {
    /// Begins with the configured number of retries for every endpoint.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            answered: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            given_up: Mutex::default(),
            progress: Mutex::default(),
        }
    }

    /// Counts a whole answer of an endpoint.
    pub(crate) fn count(&self, endpoint: &Endpoint, good: bool) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if good {
            self.accepted.fetch_add(1, Ordering::Relaxed);
            lock(&self.progress).insert(endpoint.paths[0], Instant::now());
        }
    }

    /// When an endpoint gave its last good answer.
    pub(crate) fn progress(&self, endpoint: &Endpoint) -> Option<Instant> {
        lock(&self.progress).get(endpoint.paths[0]).copied()
    }

    /// The answers so far.
    pub(crate) fn answers(&self) -> Answers {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Answers { answered: load(&self.answered), accepted: load(&self.accepted) }
    }

    /// Whether the server has given a good answer in this run.
    pub(crate) fn knows_the_server(&self) -> bool {
        self.answers().accepted > 0
    }

    /// Most retries of a request of this endpoint: half of the configured number for each that was given up, and at least 1.
    pub(crate) fn retries(&self, endpoint: &Endpoint) -> u32 {
        let given_up = lock(&self.given_up).get(endpoint.paths[0]).copied().unwrap_or_default();
        self.most.checked_shr(given_up).unwrap_or_default().max(self.most.min(1))
    }

    /// A request was given up although others were answered.
    pub(crate) fn gave_up(&self, endpoint: &Endpoint) {
        *lock(&self.given_up).entry(endpoint.paths[0]).or_default() += 1;
    }

    /// A request got a good answer after it had failed: it is worth waiting again.
    pub(crate) fn paid_off(&self, endpoint: &Endpoint) {
        lock(&self.given_up).remove(endpoint.paths[0]);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentry::endpoints::{ISSUE_EVENTS, PROJECT_EVENTS};

    #[test]
    fn patience_halves_with_each_request_that_is_given_up_until_it_pays_off() {
        let patience = Patience::new(8);
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(patience.retries(&ISSUE_EVENTS));
            patience.gave_up(&ISSUE_EVENTS);
        }
        assert_eq!(seen, [8, 4, 2, 1, 1]);
        assert_eq!(patience.retries(&PROJECT_EVENTS), 8, "others keep theirs");
        patience.paid_off(&ISSUE_EVENTS);
        assert_eq!(patience.retries(&ISSUE_EVENTS), 8);
        for _ in 0..100 {
            patience.gave_up(&ISSUE_EVENTS);
        }
        assert_eq!(patience.retries(&ISSUE_EVENTS), 1);
        assert_eq!(Patience::new(0).retries(&ISSUE_EVENTS), 0, "who wants no retries gets none");
    }

    #[test]
    fn good_answers_are_told_from_any() {
        let patience = Patience::new(1);
        let before = patience.answers();
        patience.count(&ISSUE_EVENTS, false);
        let after = patience.answers();
        assert!(after.any_since(before) && !after.good_since(before) && !patience.knows_the_server());
        patience.count(&ISSUE_EVENTS, true);
        assert!(patience.answers().good_since(after) && patience.knows_the_server());
        assert!(patience.progress(&ISSUE_EVENTS).is_some() && patience.progress(&PROJECT_EVENTS).is_none());
    }
}
