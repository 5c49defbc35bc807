//! Adds up what requests have waited for, and how long. The progress display and the hint after a run show it.
//! Does not wait.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::sentry::limits::group::LimitGroup;

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A turn at the configured ceiling.
    Ceiling,
    /// The end of a window of the server's limit.
    Bucket(LimitGroup),
    /// The answer to another request, because the server limits requests in flight.
    Concurrency(LimitGroup),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ceiling => f.write_str("rate_limit"),
            Self::Bucket(group) => write!(f, "the server's limit on {}", group.what()),
            Self::Concurrency(group) => write!(f, "answers, as the server limits {} at once", group.what()),
        }
    }
}

/// Waiting times by cause. Waits for the server add up over parallel requests.
#[derive(Debug, Default, Clone)]
pub(crate) struct Waits(BTreeMap<Cause, Duration>);

impl Waits {
    /// Adds a wait.
    pub(crate) fn add(&mut self, cause: Cause, wait: Duration) {
        *self.0.entry(cause).or_default() += wait;
    }

    /// How long requests have waited for this cause.
    pub(crate) fn of(&self, cause: Cause) -> Duration {
        self.0.get(&cause).copied().unwrap_or_default()
    }

    /// The waits since `earlier`.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().map(|(cause, wait)| (*cause, wait.saturating_sub(earlier.of(*cause)))).collect())
    }

    /// The cause of the longest wait; `None` if nothing waited.
    pub(crate) fn longest(&self) -> Option<Cause> {
        let most = self.0.iter().max_by_key(|(_, wait)| **wait).filter(|(_, wait)| !wait.is_zero());
        most.map(|(cause, _)| *cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_of_late_counts() {
        let mut waits = Waits::default();
        assert_eq!(waits.longest(), None);
        waits.add(Cause::Ceiling, Duration::from_secs(9));
        let earlier = waits.clone();
        waits.add(Cause::Bucket(LimitGroup::Releases), Duration::from_secs(1));
        assert_eq!(waits.longest(), Some(Cause::Ceiling));
        assert_eq!(waits.since(&earlier).longest(), Some(Cause::Bucket(LimitGroup::Releases)));
    }
}
