//! The HTTP side: one method that gets a page. Permit, pace, send, judge, and again if need be.
//!
//! Every request goes to the configured host: URLs are built from our own base and the server's cursor, and
//! redirects are followed on the same host only.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue};
use reqwest::redirect;
use tracing::{debug, info, trace, warn};

use crate::sentry::answer::{self, Answer, Attempt};
use crate::sentry::body::{self, Broken};
use crate::sentry::bucket::Room;
use crate::sentry::costs::Costs;
use crate::sentry::endpoint::Class;
use crate::sentry::error::{ApiError, ErrorKind, Verdict};
use crate::sentry::page::Page;
use crate::sentry::paths::{Known, KnownPaths};
use crate::sentry::rate_limit::RateLimits;
use crate::sentry::request::{ALL_PROJECTS, Request};
use crate::sentry::retry;
use crate::sentry::token::Token;
use crate::sentry::waits::Waits;

/// Same-host redirects followed for one request; a renamed project needs one (API §1.1).
const MAX_REDIRECTS: usize = 5;
/// Requests that one walk has in flight at most.
const MOST_AT_ONCE: u32 = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Broken connections from which on every request asks for a connection of its own (some application servers
/// close each connection after its answer without saying so, and a kept one then breaks the next request).
const MANY_BROKEN: u32 = 2;

/// What the client needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Ends in `/api/0/`.
    pub base_url: reqwest::Url,
    /// Sent with every request.
    pub token: Token,
    /// Requests per second over everything.
    pub rate_limit: f64,
    /// Retries of one request before it fails.
    pub max_retries: u32,
    /// Longest silence on a connection.
    pub request_timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// PEM certificates trusted beside the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

/// A client for one organization's server.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Token,
    limits: RateLimits,
    rate_limit: f64,
    max_retries: u32,
    /// The path that this server has answered, per endpoint; keyed by today's path.
    known_paths: KnownPaths,
    /// Until a server has refused `project=-1`.
    knows_all_projects: AtomicBool,
    glitchtip: AtomicBool,
    /// Connections that broke before an answer; a server with many of them closes each after one answer.
    broken: AtomicU32,
    /// For the summary.
    pub costs: Costs,
}

impl Client {
    /// Builds the client; nothing is sent yet.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        use anyhow::Context;
        // A second call finds the provider installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        let authorization =
            settings.token.header().context("api_token holds characters that no HTTP header may carry")?;
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(&settings.user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(settings.request_timeout)
            .redirect(same_host_only(&settings.base_url))
            .referer(false);
        if let Some(pem) = &settings.ca_bundle {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).context("ca_bundle is not a PEM file")?;
            builder = builder.tls_certs_merge(certificates);
        }
        let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
        if settings.base_url.scheme() == "http" && proxies.iter().all(|name| std::env::var_os(name).is_none()) {
            // Reading the system's certificates takes longer than all the rest of the start, and here they serve nothing.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build().context("cannot set up the HTTP client")?,
            base: settings.base_url.to_string(),
            token: settings.token.clone(),
            limits: RateLimits::new(settings.rate_limit),
            rate_limit: settings.rate_limit,
            max_retries: settings.max_retries,
            known_paths: KnownPaths::default(),
            knows_all_projects: AtomicBool::new(true),
            glitchtip: AtomicBool::new(false),
            broken: AtomicU32::new(0),
            costs: Costs::begin(),
        })
    }

    /// Whether anything has been heard of the server that could tell its clock.
    pub fn knows_the_time(&self) -> bool {
        self.costs.total().requests > 0
    }

    /// Whether this server has shown that it limits requests.
    pub fn is_limited(&self) -> bool {
        self.limits.is_limited()
    }

    /// What the bucket of a class has to give; `None` where the server does not limit it.
    pub fn room(&self, class: Class) -> Option<Room> {
        self.limits.room(class)
    }

    /// What requests have waited for so far.
    pub fn waits(&self) -> Waits {
        self.limits.waits()
    }

    /// How long a request takes on average, so far.
    pub fn latency(&self) -> Duration {
        let total = self.costs.total();
        total.busy.checked_div(u32::try_from(total.requests).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    /// Requests of a class that must fly at once to use all of the rate, as far as the server lets them.
    pub fn useful_at_once(&self, class: Class) -> usize {
        let room = self.room(class).filter(|_| self.is_limited());
        let rate = room.map_or(f64::INFINITY, |room| f64::from(room.limit) / room.window).min(self.rate_limit);
        let most = room.map_or(u32::MAX, |room| room.concurrency).min(MOST_AT_ONCE);
        let wanted = (rate * self.latency().as_secs_f64()).ceil().clamp(1.0, f64::from(most));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small number")]
        let wanted = wanted as usize;
        wanted
    }

    /// Whether the server has shown itself to be GlitchTip (see `link.rs`): pages by `limit`, web pages for unknown paths.
    pub fn is_glitchtip(&self) -> bool {
        self.glitchtip.load(Ordering::Relaxed)
    }

    /// The server's clock; ours until an answer has told.
    pub fn server_now(&self) -> DateTime<Utc> {
        self.limits.server_now()
    }

    /// Gets one page, however long the server makes us wait, or says why it cannot be had.
    pub async fn get(&self, request: &Request) -> Result<Page, ApiError> {
        let asks_for_all = request.endpoint.query.contains(&ALL_PROJECTS) && !request.narrowed;
        let all = asks_for_all && self.knows_all_projects.load(Ordering::Relaxed);
        match self.get_form(request, all).await {
            // Servers that do not know project=-1 take it for a project that may not be seen.
            Err(error) if all && error.kind == ErrorKind::Forbidden => {
                let page = self.get_form(request, false).await.map_err(|_| error)?;
                // Asked once more, since a 403 that passes must not narrow the lists of the whole run.
                if let Ok(page) = self.get_form(request, true).await {
                    return Ok(page);
                }
                if self.knows_all_projects.swap(false, Ordering::Relaxed) {
                    info!("This server does not know project=-1: lists hold what the token's own projects have");
                }
                Ok(page)
            }
            result => result,
        }
    }

    async fn get_form(&self, request: &Request, all_projects: bool) -> Result<Page, ApiError> {
        let paths = request.endpoint.paths;
        match self.known_paths.of(paths[0]) {
            Some(Known::At(index)) => return self.get_path(request, index, all_projects, true).await.into_result(),
            Some(Known::Nowhere) => {
                return Err(ApiError::not_here(request.path(0, all_projects, true), request.endpoint.scope));
            }
            None => {}
        }
        let most = request.max_retries.unwrap_or(self.max_retries);
        for failures in 0.. {
            // A web page in place of an answer may be a proxy's and pass; a 404 from every path is an answer.
            let mut passing = None;
            let (mut missing, mut lacks) = (None, false);
            for index in 0..paths.len() {
                match self.get_path(request, index, all_projects, false).await {
                    Attempt::Page(page) => {
                        self.known_paths.learn(paths[0], Known::At(index));
                        return Ok(page);
                    }
                    Attempt::NotHere(error) if error.kind == ErrorKind::NotFound => missing = Some(error),
                    Attempt::NotHere(error) if self.is_glitchtip() => {
                        lacks |= index + 1 == paths.len();
                        missing = Some(ApiError { kind: ErrorKind::NotFound, ..error });
                    }
                    Attempt::NotHere(error) => passing = Some(error),
                    Attempt::Fail(error) if error.kind == ErrorKind::NotFound && passing.is_some() => {}
                    Attempt::Fail(error) | Attempt::Wait(_, error, _) => return Err(error),
                }
            }
            let wait = retry::backoff(failures);
            match (passing, missing) {
                (Some(error), _) if failures >= most => return Err(ApiError { kind: ErrorKind::Unavailable, ..error }),
                (Some(error), _) => self.announce(request, &error, wait, Verdict::Retry, (failures + 1, most)),
                (None, Some(error)) => {
                    if lacks {
                        self.known_paths.learn(paths[0], Known::Nowhere);
                    }
                    return Err(error);
                }
                (None, None) => {}
            }
            tokio::time::sleep(wait).await;
        }
        unreachable!("the loop above ends by returning")
    }

    /// Tries one path until it answers for good. A path that is `known` to work cannot be missing: there, what looks
    /// like it is taken for a passing page of a proxy or a brown-out.
    async fn get_path(&self, request: &Request, index: usize, all_projects: bool, known: bool) -> Attempt {
        let path = request.path(index, all_projects, self.is_glitchtip());
        let max_retries = request.max_retries.unwrap_or(self.max_retries);
        let (mut failures, mut limited) = (0, 0);
        loop {
            let attempt = match self.attempt(request, &path, failures).await {
                Attempt::NotHere(error) if known => answer::passing(error, failures),
                attempt => attempt,
            };
            let Attempt::Wait(wait, error, verdict) = attempt else {
                return attempt;
            };
            let (tries, most) = match verdict {
                Verdict::RateLimited if request.takes_no => {
                    self.costs.count(request.endpoint, |cost| cost.limited += 1);
                    return Attempt::Fail(error);
                }
                Verdict::RateLimited => (&mut limited, retry::MAX_LIMITED),
                // A request may ask for less patience with answers, but a broken connection is no answer.
                _ if error.status.is_none() => (&mut failures, self.max_retries),
                _ => (&mut failures, max_retries),
            };
            if *tries >= most {
                let detail = format!("{} (given up after {} attempts)", error.detail, *tries + 1);
                return Attempt::Fail(ApiError { detail, ..error });
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
        } else if error.status.is_none() && tries.0 == 1 {
            debug!("{error}; trying again in {seconds:.1} s");
        } else {
            warn!("{error}; trying again in {seconds:.1} s ({} of {})", tries.0, tries.1);
        }
    }

    /// Sends the request once and judges the answer.
    async fn attempt(&self, request: &Request, path: &str, failures: u32) -> Attempt {
        let endpoint = request.endpoint;
        let permit = self.limits.permit(endpoint.class).await;
        let started = Instant::now();
        let url = format!("{}{path}", self.base);
        debug!("GET {url}");
        self.costs.count(endpoint, |cost| cost.requests += 1);
        let answer = match self.send(&url).await {
            Ok(answer) => answer,
            Err(error) => {
                self.broken.fetch_add(1, Ordering::Relaxed);
                return answer::network_failure(endpoint, path, &error, failures);
            }
        };
        if answer.link_is_printed_set && !self.glitchtip.swap(true, Ordering::Relaxed) {
            info!("This server is GlitchTip: it has no windows of time, and web pages where Sentry has endpoints");
        }
        self.limits.observe(&permit, answer.limits, answer.served_at, answer.status < 400);
        drop(permit);
        debug!("{} {url} in {:.3} s, {} bytes", answer.status, started.elapsed().as_secs_f64(), answer.body.len());
        self.costs.count(endpoint, |cost| {
            cost.bytes += answer.body.len() as u64;
            cost.busy += started.elapsed();
        });
        let until_reset = self.limits.until_reset(answer.limits);
        answer::judge_answer(endpoint, path, answer, failures, until_reset, &self.token)
    }

    async fn send(&self, url: &str) -> Result<Answer, Broken> {
        let mut request = self.http.get(url);
        if self.broken.load(Ordering::Relaxed) >= MANY_BROKEN {
            request = request.header(CONNECTION, "close");
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        for (name, value) in &headers {
            trace!("{name}: {}", self.token.redact(&String::from_utf8_lossy(value.as_bytes())));
        }
        Ok(Answer::new(status, &headers, body::read(response).await?))
    }
}

/// Follows redirects that stay on our own host, and refuses to carry the token anywhere else.
fn same_host_only(base: &reqwest::Url) -> redirect::Policy {
    let origin = base.origin();
    redirect::Policy::custom(move |attempt| {
        if attempt.url().origin() != origin {
            let host = attempt.url().host_str().unwrap_or("nowhere").to_owned();
            return attempt.error(format!("the server redirects to another host ({host}), which is not followed"));
        }
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        attempt.follow()
    })
}
