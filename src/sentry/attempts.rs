//! The attempts at one request: how many there were, and whether it is sent again. Sends nothing and waits for nothing.

use std::time::{Duration, Instant};

use crate::sentry::answer::Attempt;
use crate::sentry::error::ApiError;
use crate::sentry::judge::Verdict;
use crate::sentry::limited::Refusals;
use crate::sentry::patience::Patience;
use crate::sentry::request::Request;
use crate::sentry::retry;

/// The attempts so far.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// The path is known to work, so it cannot be missing.
    known: bool,
    failures: u32,
    /// Most retries of error answers.
    most: u32,
    /// Most retries of broken connections.
    most_unanswered: u32,
    limited: Refusals,
    /// What the server said when it last refused the request.
    refusal: Option<String>,
}

/// What follows from an attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// It is the last one.
    Done(Attempt),
    /// It was tried often enough.
    GivenUp {
        /// The last error.
        error: ApiError,
        /// The server limits requests. So it is there.
        limited: bool,
    },
    /// The request is sent again.
    Again(Again),
}

/// Why a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It failed.
    Failed,
    /// It was refused, which is believed when it comes twice.
    Doubted,
    /// The server limits requests.
    Limited,
}

/// The next attempt.
#[derive(Debug)]
pub(crate) struct Again {
    /// After this time.
    pub(crate) wait: Duration,
    /// Because of this.
    pub(crate) error: ApiError,
    /// What kind of reason that is.
    pub(crate) reason: Reason,
    /// Number of this retry, and the most allowed. Limits are waited out by time.
    pub(crate) tries: (u32, u32),
}

impl Attempts {
    /// None yet. A path that is `known` to work cannot be missing. If it looks missing, a proxy has answered.
    pub(crate) fn new(request: &Request, patience: &Patience, known: bool) -> Self {
        let most_unanswered = patience.retries(request.endpoint);
        // A request may allow fewer retries of error answers. A broken connection is no answer.
        let most = request.max_retries.map_or(most_unanswered, |most| most.min(most_unanswered));
        Self { known, failures: 0, most, most_unanswered, limited: Refusals::default(), refusal: None }
    }

    /// How often it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// What follows from the next attempt. `progress` is when the endpoint gave its last good answer.
    pub(crate) fn next(&mut self, attempt: Attempt, progress: Option<Instant>) -> Next {
        match attempt {
            Attempt::Missing(error) | Attempt::WebPage(error) if self.known => {
                self.fail(retry::backoff(self.failures), error)
            }
            Attempt::Refused(error) => self.refuse(error),
            Attempt::Wait(wait, error, Verdict::RateLimited) => self.limit(wait, error, progress),
            Attempt::Wait(wait, error, _) => self.fail(wait, error),
            done => Next::Done(done),
        }
    }

    fn fail(&mut self, wait: Duration, error: ApiError) -> Next {
        let most = if error.is_unanswered() { self.most_unanswered } else { self.most };
        if self.failures >= most {
            return Next::GivenUp { error: error.given_up(self.failures + 1), limited: false };
        }
        self.failures += 1;
        Next::Again(Again { wait, error, reason: Reason::Failed, tries: (self.failures, most) })
    }

    fn limit(&mut self, said: Duration, error: ApiError, progress: Option<Instant>) -> Next {
        match self.limited.next(said, Instant::now(), progress) {
            Some(wait) => {
                let (wait, count) = (retry::with_jitter(wait), self.limited.count());
                Next::Again(Again { wait, error, reason: Reason::Limited, tries: (count, count) })
            }
            None => Next::GivenUp { error: error.given_up(self.limited.count() + 1), limited: true },
        }
    }

    /// A refusal is believed if the server says the same again.
    fn refuse(&mut self, error: ApiError) -> Next {
        let before = self.refusal.replace(error.detail().to_owned());
        if before.as_deref() == Some(error.detail()) {
            return Next::Done(Attempt::Fail(error));
        }
        if before.is_some() {
            return self.fail(retry::backoff(self.failures), error.into_unavailable());
        }
        Next::Again(Again { wait: retry::backoff(0), error, reason: Reason::Doubted, tries: (1, 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentry::endpoints::ORGANIZATION_ISSUES;
    use crate::sentry::error::ErrorKind;

    fn attempts(known: bool) -> Attempts {
        Attempts::new(&Request::new(&ORGANIZATION_ISSUES, Vec::new()), &Patience::new(2), known)
    }

    fn error(detail: &str) -> ApiError {
        ApiError::new(ErrorKind::BadRequest, Some(400), String::new(), detail.to_owned(), "")
    }

    fn is_again(next: &Next) -> bool {
        matches!(next, Next::Again(_))
    }

    #[test]
    fn a_refusal_is_final_once_it_comes_twice() {
        let mut attempts = attempts(true);
        assert!(is_again(&attempts.next(Attempt::Refused(error("invalid sort")), None)));
        assert!(matches!(attempts.next(Attempt::Refused(error("invalid sort")), None), Next::Done(Attempt::Fail(_))));
    }

    #[test]
    fn refusals_that_change_are_failures() {
        let mut attempts = attempts(true);
        for nth in 0..3 {
            assert!(is_again(&attempts.next(Attempt::Refused(error(&format!("sort {nth}"))), None)), "{nth}");
        }
        assert!(matches!(attempts.next(Attempt::Refused(error("sort 4")), None), Next::GivenUp { limited: false, .. }));
    }

    #[test]
    fn only_a_path_that_is_not_known_may_be_missing() {
        assert!(matches!(attempts(false).next(Attempt::Missing(error("")), None), Next::Done(Attempt::Missing(_))));
        let mut known = attempts(true);
        for _ in 0..2 {
            assert!(is_again(&known.next(Attempt::Missing(error("")), None)));
        }
        assert!(matches!(known.next(Attempt::Missing(error("")), None), Next::GivenUp { .. }));
    }
}
