//! The way to pages: one method that gets one. Permit, pace, send, judge, and again if need be.
//!
//! URLs are built from our own base and the server's cursor, so that every request goes to the configured host.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tracing::{debug, warn};

use crate::sentry::answer::{self, Attempt};
use crate::sentry::costs::Costs;
use crate::sentry::dialect::paths::Known;
use crate::sentry::dialect::{Capability, Dialect};
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::judge::Verdict;
use crate::sentry::limits::RateLimits;
use crate::sentry::limits::bucket::Quota;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::limits::waits::Waits;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::retry;
use crate::sentry::token::Token;
use crate::sentry::transport::{Settings, Transport};

/// Requests of one list that are in flight at most.
const MOST_AT_ONCE: u32 = 8;

/// A client for one organization's server.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
    base: String,
    token: Token,
    limits: RateLimits,
    rate_limit: f64,
    max_retries: u32,
    /// For the summary.
    pub(crate) costs: Costs,
    /// What this server can do.
    pub(crate) dialect: Dialect,
}

impl Client {
    /// Builds the client; nothing is sent yet.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            transport: Transport::new(settings)?,
            base: settings.base_url.to_string(),
            token: settings.token.clone(),
            limits: RateLimits::new(settings.rate_limit),
            rate_limit: settings.rate_limit,
            max_retries: settings.max_retries,
            costs: Costs::begin(),
            dialect: Dialect::default(),
        })
    }

    /// Whether anything has been heard of the server that could tell its clock.
    pub(crate) fn knows_the_time(&self) -> bool {
        self.costs.total().requests > 0
    }

    /// Whether this server has shown that it limits requests.
    pub(crate) fn is_limited(&self) -> bool {
        self.limits.is_limited()
    }

    /// What the bucket of a group has to give; `None` where the server does not limit it.
    pub(crate) fn quota(&self, group: LimitGroup) -> Option<Quota> {
        self.limits.quota(group)
    }

    /// What requests have waited for so far.
    pub(crate) fn waits(&self) -> Waits {
        self.limits.waits()
    }

    /// How long a request takes on average, so far.
    pub(crate) fn latency(&self) -> Duration {
        let total = self.costs.total();
        total.busy.checked_div(u32::try_from(total.requests).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    /// Requests of a group that must be in flight at once to use all of the rate, as far as the server lets them.
    pub(crate) fn useful_at_once(&self, group: LimitGroup) -> usize {
        let quota = self.quota(group).filter(|_| self.is_limited());
        let rate = quota.map_or(f64::INFINITY, |quota| f64::from(quota.limit) / quota.window).min(self.rate_limit);
        let most = quota.map_or(u32::MAX, |quota| quota.concurrency).min(MOST_AT_ONCE);
        let wanted = (rate * self.latency().as_secs_f64()).ceil().clamp(1.0, f64::from(most));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small number")]
        let wanted = wanted as usize;
        wanted
    }

    /// The server's clock; ours until an answer has told.
    pub(crate) fn server_now(&self) -> DateTime<Utc> {
        self.limits.server_now()
    }

    /// Gets one page, however long the server makes us wait, or says why it cannot be had.
    pub(crate) async fn get(&self, request: &Request) -> Result<Page, ApiError> {
        let all = request.asks_for_all_projects() && self.dialect.supports(Capability::AllProjects);
        match self.get_form(request, all).await {
            // Servers that do not know project=-1 take it for a project that may not be seen.
            Err(error) if all && error.tolerance() == Tolerance::Hidden => {
                let page = self.get_form(request, false).await.map_err(|_| error)?;
                // Asked once more, since a 403 that passes must not narrow the lists of the whole run.
                if let Ok(page) = self.get_form(request, true).await {
                    return Ok(page);
                }
                self.dialect.refused(Capability::AllProjects);
                Ok(page)
            }
            result => result,
        }
    }

    /// Gets a page from the path that the server is known to have, or finds out which it has.
    async fn get_form(&self, request: &Request, all_projects: bool) -> Result<Page, ApiError> {
        match self.dialect.path_of(request.endpoint) {
            Some(Known::At(index)) => self.get_path(request, index, all_projects, true).await.into_result(),
            Some(Known::Nowhere) => Err(ApiError::not_here(request.describe(), request.endpoint.scope)),
            None => self.find_path(request, all_projects).await,
        }
    }

    /// Tries the endpoint's paths until one answers. Answers that may pass are waited out.
    async fn find_path(&self, request: &Request, all_projects: bool) -> Result<Page, ApiError> {
        let most = request.max_retries.unwrap_or(self.max_retries);
        let mut failures = 0;
        loop {
            match self.try_paths(request, all_projects).await? {
                Found::At(index, page) => {
                    self.dialect.learn_path(request.endpoint, Known::At(index));
                    return Ok(page);
                }
                Found::Missing(error) => return Err(error),
                Found::Lacking(error) => {
                    self.dialect.learn_path(request.endpoint, Known::Nowhere);
                    return Err(error);
                }
                Found::Passing(error) if failures >= most => return Err(error.into_unavailable()),
                Found::Passing(error) => {
                    let wait = retry::backoff(failures);
                    failures += 1;
                    self.announce(request, &error, wait, Verdict::Retry, (failures, most));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Tries each path once, today's first. An error is final.
    async fn try_paths(&self, request: &Request, all_projects: bool) -> Result<Found, ApiError> {
        let mut found = Found::Missing(ApiError::not_here(request.describe(), request.endpoint.scope));
        for index in 0..request.endpoint.paths.len() {
            found = match self.get_path(request, index, all_projects, false).await {
                Attempt::Page(page) => return Ok(Found::At(index, page)),
                // A web page in place of an answer may be a proxy's and pass; where servers answer so, it is an answer.
                Attempt::MayBeMissing(error) if self.dialect.supports(Capability::MissingPaths) => {
                    Found::Passing(error)
                }
                Attempt::MayBeMissing(error) => found.or(Found::Lacking(error.into_missing())),
                Attempt::NotHere(error) => found.or(Found::Missing(error)),
                Attempt::Fail(error) if found.is_passing() && error.tolerance() == Tolerance::Gone => found,
                Attempt::Fail(error) | Attempt::Wait(_, error, _) => return Err(error),
            };
        }
        Ok(found)
    }

    /// Tries one path until it answers for good. A path that is `known` to work cannot be missing: there, what looks
    /// like it is taken for a passing page of a proxy or a brown-out.
    async fn get_path(&self, request: &Request, index: usize, all_projects: bool, known: bool) -> Attempt {
        let path = request.path(index, all_projects, !self.dialect.supports(Capability::PerPage));
        let max_retries = request.max_retries.unwrap_or(self.max_retries);
        let (mut failures, mut limited) = (0, 0);
        loop {
            let attempt = match self.attempt(request, &path, failures).await {
                Attempt::NotHere(error) | Attempt::MayBeMissing(error) if known => answer::passing(error, failures),
                attempt => attempt,
            };
            let Attempt::Wait(wait, error, verdict) = attempt else {
                return attempt;
            };
            let (tries, most) = match verdict {
                Verdict::RateLimited if request.fail_on_429 => {
                    self.costs.count(request.endpoint, |cost| cost.limited += 1);
                    return Attempt::Fail(error);
                }
                Verdict::RateLimited => (&mut limited, retry::MAX_LIMITED),
                // A request may ask for less patience with answers, but a broken connection is no answer.
                _ if error.is_unanswered() => (&mut failures, self.max_retries),
                _ => (&mut failures, max_retries),
            };
            if *tries >= most {
                return Attempt::Fail(error.given_up(*tries + 1));
            }
            *tries += 1;
            self.announce(request, &error, wait, verdict, (*tries, most));
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts and logs that a request will be sent again: its `tries`, and the most there may be.
    fn announce(&self, request: &Request, error: &ApiError, wait: Duration, verdict: Verdict, tries: (u32, u32)) {
        let seconds = wait.as_secs_f64();
        let limited = verdict == Verdict::RateLimited;
        self.costs.count(request.endpoint, |cost| {
            cost.waited += wait;
            *(if limited { &mut cost.limited } else { &mut cost.retries }) += 1;
        });
        if limited {
            debug!("{error}; waiting {seconds:.1} s");
        } else if error.is_unanswered() && tries.0 == 1 {
            debug!("{error}; trying again in {seconds:.1} s");
        } else {
            warn!("{error}; trying again in {seconds:.1} s ({} of {})", tries.0, tries.1);
        }
    }

    /// Sends the request once and judges the answer.
    async fn attempt(&self, request: &Request, path: &str, failures: u32) -> Attempt {
        let endpoint = request.endpoint;
        let permit = self.limits.permit(endpoint.limit_group).await;
        let started = Instant::now();
        let url = format!("{}{path}", self.base);
        debug!("GET {url}");
        self.costs.count(endpoint, |cost| cost.requests += 1);
        let answer = match self.transport.get(&url).await {
            Ok(answer) => answer,
            Err(error) => return answer::network_failure(endpoint, path, &error, failures),
        };
        self.dialect.observe(answer.link_is_python_set);
        self.limits.observe(&permit, answer.limits, answer.served_at, answer.is_accepted());
        drop(permit);
        debug!("{} {url} in {:.3} s, {} bytes", answer.status, started.elapsed().as_secs_f64(), answer.body.len());
        self.costs.count(endpoint, |cost| {
            cost.bytes += answer.body.len() as u64;
            cost.busy += started.elapsed();
        });
        let until_reset = self.limits.until_reset(answer.limits);
        answer::judge_answer(endpoint, path, answer, failures, until_reset, &self.token)
    }
}

/// Which of an endpoint's paths the server has.
enum Found {
    /// That of this number, with its answer.
    At(usize, Page),
    /// None, as far as this request goes.
    Missing(ApiError),
    /// None, for every request.
    Lacking(ApiError),
    /// Nobody knows: what answered may be a proxy's.
    Passing(ApiError),
}

impl Found {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Passing(_))
    }

    /// What another path says, unless this one may have been answered by a proxy.
    fn or(self, other: Self) -> Self {
        if self.is_passing() { self } else { other }
    }
}
