//! The attempts at one request: how many there were, and whether it is sent again. Sends nothing and waits for nothing.

use std::time::Duration;

use crate::sentry::answer::Attempt;
use crate::sentry::error::ApiError;
use crate::sentry::judge::Verdict;
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
    limited: u32,
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

/// The next attempt.
#[derive(Debug)]
pub(crate) struct Again {
    /// After this time.
    pub(crate) wait: Duration,
    /// Because of this.
    pub(crate) error: ApiError,
    /// Because the server limits requests.
    pub(crate) limited: bool,
    /// Number of this retry, and the most allowed.
    pub(crate) tries: (u32, u32),
}

impl Attempts {
    /// None yet. A path that is `known` to work cannot be missing. If it looks missing, a proxy has answered.
    pub(crate) fn new(request: &Request, patience: &Patience, known: bool) -> Self {
        let most_unanswered = patience.retries(request.endpoint);
        // A request may allow fewer retries of error answers. A broken connection is no answer.
        let most = request.max_retries.map_or(most_unanswered, |most| most.min(most_unanswered));
        Self { known, failures: 0, most, most_unanswered, limited: 0, refusal: None }
    }

    /// How often it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// What follows from the next attempt.
    pub(crate) fn next(&mut self, attempt: Attempt) -> Next {
        match attempt {
            Attempt::Missing(error) | Attempt::WebPage(error) if self.known => {
                self.fail(retry::backoff(self.failures), error)
            }
            Attempt::Refused(error) => self.refuse(error),
            Attempt::Wait(wait, error, Verdict::RateLimited) => self.limit(wait, error),
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
        Next::Again(Again { wait, error, limited: false, tries: (self.failures, most) })
    }

    fn limit(&mut self, wait: Duration, error: ApiError) -> Next {
        if self.limited >= retry::MAX_LIMITED {
            return Next::GivenUp { error: error.given_up(self.limited + 1), limited: true };
        }
        self.limited += 1;
        Next::Again(Again { wait, error, limited: true, tries: (self.limited, retry::MAX_LIMITED) })
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
        Next::Again(Again { wait: retry::backoff(0), error, limited: false, tries: (1, 1) })
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
        assert!(is_again(&attempts.next(Attempt::Refused(error("invalid sort")))));
        assert!(matches!(attempts.next(Attempt::Refused(error("invalid sort"))), Next::Done(Attempt::Fail(_))));
    }

    #[test]
    fn refusals_that_change_are_failures() {
        let mut attempts = attempts(true);
        for nth in 0..3 {
            assert!(is_again(&attempts.next(Attempt::Refused(error(&format!("sort {nth}"))))), "{nth}");
        }
        assert!(matches!(attempts.next(Attempt::Refused(error("sort 4"))), Next::GivenUp { limited: false, .. }));
    }

    #[test]
    fn only_a_path_that_is_not_known_may_be_missing() {
        assert!(matches!(attempts(false).next(Attempt::Missing(error(""))), Next::Done(Attempt::Missing(_))));
        let mut known = attempts(true);
        for _ in 0..2 {
            assert!(is_again(&known.next(Attempt::Missing(error("")))));
        }
        assert!(matches!(known.next(Attempt::Missing(error(""))), Next::GivenUp { .. }));
    }
}
