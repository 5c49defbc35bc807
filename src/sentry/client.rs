//! Gets one page: waits for a permit, sends the request, judges the answer, and repeats if necessary.
//!
//! A URL is made of our own base and the server's cursor, so that every request goes to the configured host.
//! Does not know what the rows mean.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tracing::{debug, info, warn};

use crate::sentry::answer::{self, Asked, Attempt};
use crate::sentry::attempts::{Again, Attempts, Next, Reason};
use crate::sentry::costs::Costs;
use crate::sentry::dialect::paths::Known;
use crate::sentry::dialect::{Capability, Dialect};
use crate::sentry::endpoint::Endpoint;
use crate::sentry::endpoints::ORGANIZATION;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::found::{Found, Outcome};
use crate::sentry::judge::Verdict;
use crate::sentry::limits::RateLimits;
use crate::sentry::limits::bucket::Quota;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::limits::waits::Waits;
use crate::sentry::page::Page;
use crate::sentry::patience::{Answers, Patience};
use crate::sentry::request::{PathForm, Request};
use crate::sentry::retry;
use crate::sentry::token::Token;
use crate::sentry::transport::{Settings, Transport};

/// Longer waits for a limit of the server are said.
const LONG: Duration = Duration::from_mins(1);
/// Most retries of a path that looks missing, as long as the server has answered nothing.
const NOBODY_THERE: u32 = 3;
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
    patience: Patience,
    /// Shown in the summary of a run.
    pub(crate) costs: Costs,
    /// What this server can do.
    pub(crate) dialect: Dialect,
    /// Something was hidden from the token.
    has_met_hidden: AtomicBool,
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
            patience: Patience::new(settings.max_retries),
            costs: Costs::begin(),
            dialect: Dialect::default(),
            has_met_hidden: AtomicBool::new(false),
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

    /// Time by the server's clock; ours until an answer has a `Date` that can be believed.
    pub(crate) fn server_now(&self) -> DateTime<Utc> {
        self.limits.server_now()
    }

    /// Whether the path that the endpoint was read from answers in one piece.
    pub(crate) fn answers_in_one_piece(&self, endpoint: &Endpoint) -> bool {
        matches!(self.dialect.path_of(endpoint), Some(Known::At(index)) if endpoint.answers_in_one_piece(index))
    }

    /// Whether something was hidden from the token (403).
    pub(crate) fn has_met_hidden(&self) -> bool {
        self.has_met_hidden.load(Ordering::Relaxed)
    }

    /// Gets one page, however long the server makes us wait. An error is final and says why there is no page.
    pub(crate) async fn get(&self, request: &Request) -> Result<Page, ApiError> {
        self.get_of_all(request).await.inspect_err(|error| {
            self.has_met_hidden.fetch_or(error.tolerance() == Tolerance::Hidden, Ordering::Relaxed);
        })
    }

    async fn get_of_all(&self, request: &Request) -> Result<Page, ApiError> {
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
        let mut failures = 0;
        loop {
            match self.dialect.path_of(request.endpoint) {
                Some(Known::At(index)) => {
                    return self.get_path(request, index, all_projects, true).await.into_result();
                }
                Some(Known::Nowhere) => return Err(self.not_here(request, all_projects)),
                None => {}
            }
            let mut found = self.try_paths(request, all_projects).await;
            let Some(doubt) = found.doubt.take() else { return self.believe(request, found.outcome, None) };
            if !found.proves_nothing() && self.are_missing(request, &found.missing, all_projects).await {
                return self.believe(request, found.outcome, Some(doubt));
            }
            let most = self.most_retries(request);
            if failures >= most {
                return Err(doubt.given_up(failures + 1));
            }
            let (error, wait) = (doubt, retry::backoff(failures));
            failures += 1;
            self.record_retry(request, &Again { wait, error, reason: Reason::Failed, tries: (failures, most) });
            tokio::time::sleep(wait).await;
        }
    }

    fn not_here(&self, request: &Request, all_projects: bool) -> ApiError {
        let path = request.path(0, self.dialect.path_form(all_projects));
        ApiError::not_here(path, request.endpoint.scope)
    }

    /// Retries while nothing is known of an endpoint. As long as nothing at all has been answered, the address or the
    /// organization is most likely wrong: sentry.io answers 404 with an empty body for an unknown one (API §1.1).
    fn most_retries(&self, request: &Request) -> u32 {
        let most = request.max_retries.unwrap_or(u32::MAX).min(self.patience.retries(request.endpoint));
        if self.patience.knows_the_server() { most } else { most.min(NOBODY_THERE) }
    }

    /// Tries each path, today's first, until one answers as Sentry does.
    async fn try_paths(&self, request: &Request, all_projects: bool) -> Found {
        let (mut missing, mut doubt, mut foreign) = (Vec::new(), None, false);
        for index in 0..request.endpoint.paths.len() {
            let outcome = match self.get_path(request, index, all_projects, false).await {
                Attempt::Page(page) => Outcome::At(index, page),
                Attempt::WebPage(error) => {
                    foreign |= self.dialect.supports(Capability::MissingPaths);
                    missing.push(index);
                    doubt = Some(error);
                    continue;
                }
                Attempt::Missing(error) => {
                    missing.push(index);
                    doubt = Some(error);
                    continue;
                }
                Attempt::Removed(_) => continue,
                Attempt::Refused(error) | Attempt::Fail(error) | Attempt::Wait(_, error, _) => Outcome::Fails(error),
            };
            return Found { outcome, missing, doubt, foreign };
        }
        Found { outcome: Outcome::Nowhere, missing, doubt, foreign }
    }

    /// Whether these paths look missing again, while the server answers. A proxy may have answered in its place.
    async fn are_missing(&self, request: &Request, paths: &[usize], all_projects: bool) -> bool {
        let before = self.patience.answers();
        tokio::time::sleep(retry::backoff(0)).await;
        // A server that answers missing paths with web pages has shown itself already.
        if self.dialect.supports(Capability::MissingPaths) && !self.answers_others(request, before).await {
            return false;
        }
        for index in paths {
            let attempt = self.get_path(request, *index, all_projects, false).await;
            if !matches!(attempt, Attempt::Missing(_) | Attempt::WebPage(_) | Attempt::Removed(_)) {
                return false;
            }
        }
        true
    }

    /// Learns what was found. `doubt` is what a path said that is missing.
    fn believe(&self, request: &Request, outcome: Outcome, doubt: Option<ApiError>) -> Result<Page, ApiError> {
        let endpoint = request.endpoint;
        match (outcome, doubt) {
            (Outcome::At(index, page), _) => {
                self.dialect.learn_path(endpoint, Known::At(index));
                Ok(page)
            }
            (Outcome::Fails(error), _) => Err(error),
            // One thing may have a name that a router in between does not let through.
            (Outcome::Nowhere, Some(doubt)) if endpoint.names_a_thing() && !self.dialect.misses(endpoint) => Err(doubt),
            (Outcome::Nowhere, _) => {
                self.dialect.learn_path(endpoint, Known::Nowhere);
                Err(self.not_here(request, false))
            }
        }
    }

    /// Tries one path until its answer is final. A path that is `known` to work cannot be missing.
    async fn get_path(&self, request: &Request, index: usize, all_projects: bool, known: bool) -> Attempt {
        let path = request.path(index, self.dialect.path_form(all_projects));
        let (mut attempts, mut failed) = (Attempts::new(request, &self.patience, known), None);
        loop {
            let attempt = match self.attempt(request, &path, attempts.failures()).await {
                Attempt::Wait(_, error, Verdict::RateLimited) if request.fail_on_429 => {
                    self.costs.count(request.endpoint, |cost| cost.limited += 1);
                    Attempt::Fail(error)
                }
                attempt => attempt,
            };
            match attempts.next(attempt, self.patience.progress(request.endpoint)) {
                Next::Done(Attempt::Removed(error)) if known => {
                    self.dialect.learn_path(request.endpoint, Known::Nowhere);
                    return Attempt::Fail(error);
                }
                Next::Done(attempt) => {
                    if attempts.failures() > 0 && matches!(attempt, Attempt::Page(_)) {
                        self.patience.paid_off(request.endpoint);
                    }
                    return attempt;
                }
                Next::GivenUp { error, limited: true } => return Attempt::Fail(error),
                Next::GivenUp { error, limited: false } => {
                    let since = failed.unwrap_or_else(|| self.patience.answers());
                    return Attempt::Fail(self.give_up(request, error, since).await);
                }
                Next::Again(again) => {
                    failed = Some(self.patience.answers());
                    self.record_retry(request, &again);
                    tokio::time::sleep(again.wait).await;
                }
            }
        }
    }

    /// The error of a request that was tried often enough. `since` are the answers when it had last failed.
    async fn give_up(&self, request: &Request, error: ApiError, since: Answers) -> ApiError {
        if self.answers_others(request, since).await {
            self.patience.gave_up(request.endpoint);
        }
        if self.patience.answers().any_since(since) { error.while_others_are_answered() } else { error }
    }

    /// Whether the server gives good answers to other requests. If none has come since then, asks it for the organization.
    async fn answers_others(&self, request: &Request, since: Answers) -> bool {
        let organization = request.values.iter().find(|(name, _)| *name == "organization");
        if let Some(organization) = organization.filter(|_| !self.patience.answers().good_since(since)) {
            let probe = Request::new(&ORGANIZATION, vec![organization.clone()]);
            drop(self.attempt(&probe, &probe.path(0, PathForm::default()), 0).await);
        }
        self.patience.answers().good_since(since)
    }

    /// Counts and logs that a request will be sent again.
    fn record_retry(&self, request: &Request, again: &Again) {
        let Again { wait, error, reason, tries } = again;
        let seconds = wait.as_secs_f64();
        self.costs.count(request.endpoint, |cost| {
            cost.waited += *wait;
            *(if *reason == Reason::Limited { &mut cost.limited } else { &mut cost.retries }) += 1;
        });
        match reason {
            Reason::Limited if *wait > LONG => info!("{error}; waiting {seconds:.0} s, as the server asks"),
            Reason::Limited => debug!("{error}; waiting {seconds:.1} s"),
            Reason::Doubted => debug!("{error}; asking once more in {seconds:.1} s"),
            Reason::Failed if error.is_unanswered() && tries.0 == 1 => {
                debug!("{error}; trying again in {seconds:.1} s");
            }
            Reason::Failed => warn!("{error}; trying again in {seconds:.1} s ({} of {})", tries.0, tries.1),
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
        let asked = Asked { request, path, token: &self.token, base_url: &self.base };
        let attempt = answer::judge_answer(&asked, answer, failures, until_reset);
        self.patience.count(endpoint, matches!(attempt, Attempt::Page(_)));
        attempt
    }
}
