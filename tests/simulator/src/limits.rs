//! Rate limits: a fixed window and a ceiling on requests in flight, for each class of endpoint (API §1.7).
//! This file knows neither paths nor tokens. All callers share the limits.

use std::collections::BTreeMap;

/// The classes of endpoints that have a budget of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// All endpoints that are not named below share this one.
    Default,
    /// `projects/…/events/`
    ProjectEvents,
    /// `projects/…/events/{id}/`
    ProjectEvent,
    /// `projects/…/issues/`
    ProjectIssues,
    /// `organizations/…/issues/{id}/`
    Issue,
    /// `organizations/…/issues/{id}/events/{event}/`
    IssueEvent,
    /// `organizations/…/releases/`
    Releases,
    /// `organizations/…/members/`
    Members,
}

/// What a class may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Requests in a window.
    pub limit: u32,
    /// The window in seconds.
    pub seconds: u32,
    /// Requests in flight.
    pub concurrent: u32,
}

/// The budgets of all classes. A class without one uses the default bucket.
#[derive(Clone, Debug)]
pub struct Budgets(BTreeMap<Class, Budget>);

impl Default for Budgets {
    fn default() -> Self {
        let of = |limit, seconds, concurrent| Budget { limit, seconds, concurrent };
        Self(BTreeMap::from([
            (Class::Default, of(40, 1, 25)),
            (Class::ProjectEvents, of(60, 60, 1)),
            (Class::ProjectEvent, of(5, 1, 25)),
            (Class::ProjectIssues, of(5, 1, 25)),
            (Class::Issue, of(5, 1, 25)),
            (Class::IssueEvent, of(15, 1, 25)),
            (Class::Releases, of(40, 1, 25)),
            (Class::Members, of(40, 1, 25)),
        ]))
    }
}

impl Budgets {
    /// Replaces the budget of one class.
    pub fn set(&mut self, class: Class, budget: Budget) {
        self.0.insert(class, budget);
    }

    /// The budget of a class.
    ///
    /// # Panics
    /// Never: the default bucket always has one.
    pub fn of(&self, class: Class) -> Budget {
        *self.0.get(&class).unwrap_or(&self.0[&Class::Default])
    }
}

/// What the limiter says about one request.
pub(crate) struct Verdict {
    /// The headers every answer of a limited endpoint carries.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Why the request is refused, if it is.
    pub(crate) refusal: Option<String>,
}

/// What has been used of each budget.
#[derive(Default)]
pub(crate) struct Limiter {
    windows: BTreeMap<Class, (i64, u32)>,
    in_flight: BTreeMap<Class, u32>,
}

impl Limiter {
    /// Counts a request at a time in epoch seconds. If it is not refused, it takes a place in flight.
    pub(crate) fn admit(&mut self, class: Class, budget: Budget, now: i64) -> Verdict {
        let length = i64::from(budget.seconds.max(1));
        let window = now - now.rem_euclid(length);
        let used = self.windows.entry(class).or_default();
        if used.0 != window {
            *used = (window, 0);
        }
        used.1 += 1;
        let remaining = budget.limit.checked_sub(used.1);
        let mut headers = vec![
            ("X-Sentry-Rate-Limit-Remaining", remaining.unwrap_or(0).to_string()),
            ("X-Sentry-Rate-Limit-Limit", budget.limit.to_string()),
            ("X-Sentry-Rate-Limit-Reset", (window + length).to_string()),
            ("X-Sentry-Rate-Limit-ConcurrentLimit", budget.concurrent.to_string()),
        ];
        if remaining.is_none() {
            return Verdict { headers, refusal: Some(too_frequent(budget)) };
        }
        let flying = self.in_flight.entry(class).or_default();
        let refused = *flying >= budget.concurrent;
        if !refused {
            *flying += 1;
        }
        let free = budget.concurrent.saturating_sub(*flying);
        headers.push(("X-Sentry-Rate-Limit-ConcurrentRemaining", free.to_string()));
        Verdict { headers, refusal: refused.then(|| too_many(budget)) }
    }

    /// Frees a place in flight.
    pub(crate) fn release(&mut self, class: Class) {
        if let Some(flying) = self.in_flight.get_mut(&class) {
            *flying = flying.saturating_sub(1);
        }
    }
}

fn too_frequent(budget: Budget) -> String {
    format!(
        "You are attempting to use this endpoint too frequently. Limit is {} requests in {} seconds",
        budget.limit, budget.seconds
    )
}

fn too_many(budget: Budget) -> String {
    format!(
        "You are attempting to go above the allowed concurrency for this endpoint. Concurrency limit is {}",
        budget.concurrent
    )
}
