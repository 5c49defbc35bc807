//! Decides what follows from an answer, or from the lack of one. Sends nothing and waits for nothing.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LINK, RETRY_AFTER};
use tracing::{debug, warn};

use crate::json::scan::Malformed;
use crate::sentry::body::Broken;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::{ApiError, ErrorKind, read_detail};
use crate::sentry::judge::{BodyShape, Verdict, judge, kind_of_status};
use crate::sentry::limits::bucket::LimitHeaders;
use crate::sentry::link::{End, is_python_set, next_page};
use crate::sentry::page::Page;
use crate::sentry::refusal::names_what_was_asked;
use crate::sentry::request::Request;
use crate::sentry::retry;
use crate::sentry::token::Token;

/// First wait after a broken connection. Many servers close idle connections, and a new connection works at once.
const RECONNECT: Duration = Duration::from_millis(50);
/// Wait after a 429 for too many requests in flight. No window has to end.
const CONCURRENCY_WAIT: Duration = Duration::from_millis(200);

/// Advice about a certificate that no known authority has signed.
const UNTRUSTED: &str =
    " (the server's certificate is not trusted: name the PEM file of the authority that signed it in ca_bundle)";

/// What came back for one request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The whole body as text.
    pub(crate) body: String,
    /// Headers about the rate limit.
    pub(crate) limits: LimitHeaders,
    /// Whether the `Link` header has GlitchTip's form.
    pub(crate) link_is_python_set: bool,
    /// The server's time when the answer was whole: its `Date`, and the time that the body took.
    pub(crate) served_at: Option<DateTime<Utc>>,
    is_html: bool,
    /// The cursor of the next page, or why there is none.
    next: Result<String, End>,
    hits: Option<u64>,
    retry_after: Option<Duration>,
}

/// What follows from one attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The answer is a page.
    Page(Page),
    /// The path may be missing, or a proxy may have answered: 404 without Sentry's body.
    Missing(ApiError),
    /// The same, by a web page or 405. Only some servers answer so of a missing path.
    WebPage(ApiError),
    /// The server has turned the path off: 410.
    Removed(ApiError),
    /// The server says that it does not know what was asked for. A passing error may say the same.
    Refused(ApiError),
    /// Send the same request again after this time.
    Wait(Duration, ApiError, Verdict),
    /// Final.
    Fail(ApiError),
}

impl Attempt {
    /// The page, or why there is none.
    pub(crate) fn into_result(self) -> Result<Page, ApiError> {
        match self {
            Self::Page(page) => Ok(page),
            Self::Missing(error)
            | Self::WebPage(error)
            | Self::Removed(error)
            | Self::Refused(error)
            | Self::Fail(error)
            | Self::Wait(_, error, _) => Err(error),
        }
    }
}

impl Answer {
    /// Reads the headers that are needed. Bytes of the body that are not UTF-8 become U+FFFD. Only broken servers send
    /// such bytes.
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.trim().parse().ok());
        let links: Vec<_> = headers.get_all(LINK).iter().map(|link| String::from_utf8_lossy(link.as_bytes())).collect();
        let served_at = text(DATE.as_str()).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Self {
            status,
            body: String::from_utf8(body).unwrap_or_else(|error| {
                warn!("an answer holds bytes that are not UTF-8; they are replaced by U+FFFD");
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }),
            limits: LimitHeaders {
                limit: number("x-sentry-rate-limit-limit"),
                remaining: number("x-sentry-rate-limit-remaining"),
                reset: text("x-sentry-rate-limit-reset").and_then(|reset| reset.trim().parse().ok()).map(in_seconds),
                concurrent: number("x-sentry-rate-limit-concurrentlimit"),
            },
            served_at: served_at.map(|date| date.with_timezone(&Utc)),
            is_html: text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html")),
            link_is_python_set: links.iter().any(|link| is_python_set(link)),
            hits: number("x-hits").map(u64::from),
            next: next_page(links.iter().map(AsRef::as_ref)),
            retry_after: retry::retry_after(text(RETRY_AFTER.as_str())),
        }
    }

    /// Whether the server accepted the request.
    pub(crate) fn is_accepted(&self) -> bool {
        self.status < 400
    }

    fn looks_like_html(&self) -> bool {
        self.is_html && self.body.trim_start().starts_with('<')
    }
}

/// What an answer is the answer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The request.
    pub(crate) request: &'a Request,
    /// Its path and query, as sent.
    pub(crate) path: &'a str,
    /// The token that it was sent with. No error shows it.
    pub(crate) token: &'a Token,
    /// Where it was sent to.
    pub(crate) base_url: &'a str,
}

impl Asked<'_> {
    fn error(&self, kind: ErrorKind, status: u16, detail: &str) -> ApiError {
        let scope = self.request.endpoint.scope;
        ApiError::new(kind, Some(status), self.path.to_owned(), self.token.redact(detail), scope)
    }
}

/// Judges an answer. `failures` counts earlier failures of the request. `until_reset` is the time until the bucket's
/// window ends, if headers tell it.
pub(crate) fn judge_answer(
    asked: &Asked<'_>,
    mut answer: Answer,
    failures: u32,
    until_reset: Option<Duration>,
) -> Attempt {
    let html = answer.looks_like_html();
    let status = answer.status;
    let error = |detail: &str, kind| asked.error(kind, status, detail);
    let endpoint = asked.request.endpoint;
    if answer.status < 300 && !html {
        return match Page::parse(std::mem::take(&mut answer.body), endpoint.rows) {
            Ok(mut page) => {
                match answer.next {
                    Ok(cursor) => page.next = Some(cursor),
                    Err(end) => page.end = end,
                }
                page.hits = answer.hits;
                debug!("{} rows, next cursor: {}", page.len(), page.next.as_deref().unwrap_or("none"));
                Attempt::Page(page)
            }
            Err(Malformed::NotJson) => {
                let error = error("the body is not whole JSON", ErrorKind::Unavailable);
                Attempt::Wait(retry::backoff(failures), error, Verdict::Retry)
            }
            Err(Malformed::OtherShape) => {
                Attempt::Fail(error("the body is JSON of another shape than expected", ErrorKind::Protocol))
            }
        };
    }
    let shape = if html { BodyShape::Html } else { BodyShape::of(&answer.body) };
    let error = error(&read_detail(&answer.body), kind_of_status(status));
    let backoff = || answer.retry_after.unwrap_or_else(|| retry::backoff(failures));
    match judge(status, shape) {
        Verdict::Missing => Attempt::Missing(error.into_foreign(asked.base_url)),
        Verdict::WebPage => Attempt::WebPage(error.into_foreign(asked.base_url)),
        Verdict::Foreign => Attempt::Wait(backoff(), error.into_foreign(asked.base_url), Verdict::Retry),
        Verdict::Removed => Attempt::Removed(error),
        Verdict::Refused if names_what_was_asked(&answer.body, asked.request.parameters()) => Attempt::Refused(error),
        Verdict::Refused | Verdict::Retry => Attempt::Wait(backoff(), error.into_unavailable(), Verdict::Retry),
        Verdict::RateLimited => {
            Attempt::Wait(limited_wait(&answer, until_reset, failures), error, Verdict::RateLimited)
        }
        // A server that does not know project=-1 takes it for a project that the token may not see.
        Verdict::Fail if status == 403 && asked.request.names_all_projects() => Attempt::Refused(error),
        Verdict::Accept | Verdict::Fail => Attempt::Fail(error),
    }
}

/// An epoch time in seconds. Some servers and proxies send milliseconds, which would lie in the far future.
fn in_seconds(time: u64) -> u64 {
    const FAR: u64 = 100_000_000_000;
    if time > FAR { time / 1000 } else { time }
}

/// How long to wait after a 429: what `Retry-After` says, else until the window ends, else a back-off (API §1.7).
fn limited_wait(answer: &Answer, until_reset: Option<Duration>, failures: u32) -> Duration {
    if let Some(wait) = answer.retry_after {
        return wait;
    }
    match (until_reset, answer.limits.remaining) {
        (Some(wait), Some(0) | None) => wait,
        (Some(_), Some(_)) => CONCURRENCY_WAIT,
        (None, _) => retry::backoff(failures + 2),
    }
}

/// Decides what follows if no whole answer came.
pub(crate) fn network_failure(endpoint: &'static Endpoint, path: &str, broken: &Broken, failures: u32) -> Attempt {
    let (retry, detail) = match broken {
        Broken::Network(error) => (retry_at_once(error), innermost(error)),
        Broken::Gzip(_) => (Some(true), broken.to_string()),
        Broken::TooLong => (None, broken.to_string()),
    };
    let kind = if retry.is_some() { ErrorKind::Unavailable } else { ErrorKind::Protocol };
    let error = ApiError::new(kind, None, path.to_owned(), detail, endpoint.scope);
    match retry {
        None => Attempt::Fail(error),
        Some(at_once) if at_once && failures == 0 => Attempt::Wait(RECONNECT, error, Verdict::Retry),
        Some(_) => Attempt::Wait(retry::backoff(failures), error, Verdict::Retry),
    }
}

/// Whether to try again at once; `None` if trying again cannot help.
fn retry_at_once(error: &reqwest::Error) -> Option<bool> {
    let is_final = error.is_redirect() || error.is_builder() || has_bad_certificate(error);
    (!is_final).then(|| !error.is_connect() && !error.is_timeout())
}

/// Whether the server's certificate was refused. Trying again cannot help.
fn has_bad_certificate(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // The source of an io::Error is not the error that it wraps, but that one's source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}

/// The innermost cause, which tells most. The outer error would repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let kind = match error {
        _ if error.is_timeout() => "timed out",
        _ if error.is_connect() => "cannot connect",
        _ if error.is_redirect() => "redirect refused",
        _ => "the connection broke",
    };
    let advice = if has_bad_certificate(error) { UNTRUSTED } else { "" };
    format!("{kind}: {cause}{advice}")
}
