//! Sends one GET and reads its answer to the end. Handles connections, certificates, redirects and the token.
//!
//! Every request goes to the configured host: redirects are followed on the same host only. Judges nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::TimeDelta;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue};
use reqwest::redirect;
use tracing::trace;

use crate::sentry::answer::Answer;
use crate::sentry::body::{self, Broken};
use crate::sentry::token::Token;

/// Most redirects on the same host for one request. A renamed project needs one (API §1.1).
const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// After this many broken connections, every request uses a connection of its own. Some application servers close each
/// connection after its answer without saying so. If it is kept, it breaks the next request.
const MANY_BROKEN: u32 = 2;

/// The part of the configuration that the client needs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Ends in `/api/0/`.
    pub(crate) base_url: reqwest::Url,
    /// The token. It is sent with every request.
    pub(crate) token: Token,
    /// Most requests per second, over all endpoints.
    pub(crate) rate_limit: f64,
    /// Most retries of one request.
    pub(crate) max_retries: u32,
    /// Longest silence on a connection.
    pub(crate) request_timeout: Duration,
    /// Sent as `User-Agent`.
    pub(crate) user_agent: String,
    /// PEM certificates that are trusted beside those of the system.
    pub(crate) ca_bundle: Option<Vec<u8>>,
}

/// The HTTP connection to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    token: Token,
    /// Number of requests that got no whole answer.
    broken: AtomicU32,
}

impl Transport {
    /// Sets up the HTTP client. Sends nothing. An error says which setting is wrong.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        // Fails if a provider is installed already, which is as good.
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
            // Plain HTTP needs no certificates. To read those of the system takes longer than the rest of the start.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().context("cannot set up the HTTP client")?;
        Ok(Self { http, token: settings.token.clone(), broken: AtomicU32::new(0) })
    }

    /// Sends a request and reads its answer. An error means that no whole answer came.
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, Broken> {
        let answer = self.send(url).await;
        if answer.is_err() {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn send(&self, url: &str) -> Result<Answer, Broken> {
        let mut request = self.http.get(url);
        if self.broken.load(Ordering::Relaxed) >= MANY_BROKEN {
            request = request.header(CONNECTION, "close");
        }
        let response = request.send().await?;
        let heard = Instant::now();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        for (name, value) in &headers {
            trace!("{name}: {}", self.token.redact(&String::from_utf8_lossy(value.as_bytes())));
        }
        let mut answer = Answer::new(status, &headers, body::read(response).await?);
        // The server's clock has gone on while the body came, however slowly that was.
        let since = TimeDelta::from_std(heard.elapsed()).unwrap_or_default();
        answer.served_at = answer.served_at.and_then(|at| at.checked_add_signed(since));
        Ok(answer)
    }
}

/// Follows redirects on our own host. Refuses others, which would carry the token to another host.
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
