//! What requests have waited for, and how long: for the progress display and for the hint after a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::sentry::limits::group::LimitGroup;

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The configured ceiling.
    Ceiling,
    /// A window of the server's.
    Bucket(LimitGroup),
    /// An answer to another request, where the server allows so many at once.
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

/// Waiting times, added up over requests that wait side by side.
#[derive(Debug, Default, Clone)]
pub(crate) struct Waits(BTreeMap<Cause, Duration>);

impl Waits {
    /// Adds a wait.
    pub(crate) fn add(&mut self, cause: Cause, wait: Duration) {
        *self.0.entry(cause).or_default() += wait;
    }

    /// How long this was waited for.
    pub(crate) fn of(&self, cause: Cause) -> Duration {
        self.0.get(&cause).copied().unwrap_or_default()
    }

    /// What has been added since.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().map(|(cause, wait)| (*cause, wait.saturating_sub(earlier.of(*cause)))).collect())
    }

    /// What was waited for longest, if anything was.
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
