//! Gets one page: waits for a permit, sends the request, judges the answer, and repeats if necessary.
//!
//! A URL is made of our own base and the server's cursor, so that every request goes to the configured host.
//! Does not know what the rows mean.

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

/// Most requests of one list in flight.
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
    /// Shown in the summary of a run.
    pub(crate) costs: Costs,
    /// What this server can do.
    pub(crate) dialect: Dialect,
}

impl Client {
    /// Builds the client. Sends nothing. An error says which setting is wrong.
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

    /// Whether an answer has told the server's clock, or the server was seen not to tell it.
    pub(crate) fn knows_the_time(&self) -> bool {
        self.limits.knows_the_time()
    }

    /// Whether this server has shown that it limits requests.
    pub(crate) fn is_limited(&self) -> bool {
        self.limits.is_limited()
    }

    /// The quota of a group's bucket; `None` if the server does not limit it.
    pub(crate) fn quota(&self, group: LimitGroup) -> Option<Quota> {
        self.limits.quota(group)
    }

    /// What requests have waited for so far, and how long.
    pub(crate) fn waits(&self) -> Waits {
        self.limits.waits()
    }

    /// Average time of a request so far; zero before the first.
    pub(crate) fn latency(&self) -> Duration {
        let total = self.costs.total();
        total.busy.checked_div(u32::try_from(total.requests).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    /// Requests of a group that must be in flight to use the whole rate: at least 1, at most what the server allows.
    pub(crate) fn useful_at_once(&self, group: LimitGroup) -> usize {
        let quota = self.quota(group).filter(|_| self.is_limited());
        let rate = quota.map_or(f64::INFINITY, |quota| f64::from(quota.limit) / quota.window).min(self.rate_limit);
        let most = quota.map_or(u32::MAX, |quota| quota.concurrency).min(MOST_AT_ONCE);
        let wanted = (rate * self.latency().as_secs_f64()).ceil().clamp(1.0, f64::from(most));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small number")]
        let wanted = wanted as usize;
        wanted
    }

    /// Time by the server's clock. It is our own clock until an answer has a `Date` that can be believed.
    pub(crate) fn server_now(&self) -> DateTime<Utc> {
        self.limits.server_now()
    }

    /// Gets one page, however long the server makes us wait. An error is final and says why there is no page.
    pub(crate) async fn get(&self, request: &Request) -> Result<Page, ApiError> {
        let all = request.asks_for_all_projects() && self.dialect.supports(Capability::AllProjects);
        match self.get_form(request, all).await {
            // A server that does not know project=-1 takes it for a project that the token may not see.
            Err(error) if all && error.tolerance() == Tolerance::Hidden => {
                let page = self.get_form(request, false).await.map_err(|_| error)?;
                // Ask once more: only a second refusal is an answer to project=-1. It narrows the lists of the whole run.
                match self.get_form(request, true).await {
                    Err(error) if error.tolerance() == Tolerance::Hidden => {
                        self.dialect.refused(Capability::AllProjects);
                        Ok(page)
                    }
                    result => result,
                }
            }
            result => result,
        }
    }

    /// Gets a page from the path that the server is known to have. If none is known yet, finds it.
    async fn get_form(&self, request: &Request, all_projects: bool) -> Result<Page, ApiError> {
        match self.dialect.path_of(request.endpoint) {
            Some(Known::At(index)) => self.get_path(request, index, all_projects, true).await.into_result(),
            Some(Known::Nowhere) => {
                let path = request.path(0, all_projects, !self.dialect.supports(Capability::PerPage));
                Err(ApiError::not_here(path, request.endpoint.scope))
            }
            None => self.find_path(request, all_projects).await,
        }
    }

    /// Tries the endpoint's paths until one answers. Waits and tries again after a transient answer.
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
                Found::Transient(error) if failures >= most => return Err(error.into_unavailable()),
                Found::Transient(error) => {
                    let wait = retry::backoff(failures);
                    failures += 1;
                    self.record_retry(request, &error, wait, Verdict::Retry, (failures, most));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Tries each path, today's first. An error is final.
    async fn try_paths(&self, request: &Request, all_projects: bool) -> Result<Found, ApiError> {
        let mut found = Found::Missing(ApiError::not_here(request.describe(), request.endpoint.scope));
        for index in 0..request.endpoint.paths.len() {
            found = match self.get_path(request, index, all_projects, false).await {
                Attempt::Page(page) => return Ok(Found::At(index, page)),
                // A web page may come from a proxy, and is transient. If the server answers missing paths with web
                // pages, it is final.
                Attempt::MayBeMissing(error) if self.dialect.supports(Capability::MissingPaths) => {
                    Found::Transient(error)
                }
                Attempt::MayBeMissing(error) => found.or(Found::Lacking(error.into_missing())),
                Attempt::NotHere(error) => found.or(Found::Missing(error)),
                Attempt::Fail(error) if found.is_transient() && error.tolerance() == Tolerance::Gone => found,
                Attempt::Fail(error) | Attempt::Wait(_, error, _) => return Err(error),
            };
        }
        Ok(found)
    }

    /// Tries one path until its answer is final. A path that is `known` to work cannot be missing. If it looks missing,
    /// a proxy or a brown-out has answered, so it is tried again.
    async fn get_path(&self, request: &Request, index: usize, all_projects: bool, known: bool) -> Attempt {
        let path = request.path(index, all_projects, !self.dialect.supports(Capability::PerPage));
        let max_retries = request.max_retries.unwrap_or(self.max_retries);
        let (mut failures, mut limited) = (0, 0);
        loop {
            let attempt = match self.attempt(request, &path, failures).await {
                Attempt::NotHere(error) | Attempt::MayBeMissing(error) if known => answer::transient(error, failures),
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
                // A request may allow fewer retries of error answers. A broken connection is no answer.
                _ if error.is_unanswered() => (&mut failures, self.max_retries),
                _ => (&mut failures, max_retries),
            };
            if *tries >= most {
                return Attempt::Fail(error.given_up(*tries + 1));
            }
            *tries += 1;
            self.record_retry(request, &error, wait, verdict, (*tries, most));
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts and logs that a request will be sent again. `tries` is the number of this retry, and the most allowed.
    fn record_retry(&self, request: &Request, error: &ApiError, wait: Duration, verdict: Verdict, tries: (u32, u32)) {
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

    /// Sends the request once and judges the answer. `failures` is the number of failures before it.
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
    /// The path with this index; its page.
    At(usize, Page),
    /// None, for this request.
    Missing(ApiError),
    /// None, for every request.
    Lacking(ApiError),
    /// Unknown: a proxy may have answered.
    Transient(ApiError),
}

impl Found {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// The finding of the next path. A transient one stays, because a proxy may have answered for the server.
    fn or(self, other: Self) -> Self {
        if self.is_transient() { self } else { other }
    }
}
