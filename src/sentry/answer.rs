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
use crate::sentry::link::{is_python_set, next_cursor};
use crate::sentry::page::Page;
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
    next: Option<String>,
    has_link: bool,
    hits: Option<u64>,
    retry_after: Option<Duration>,
}

/// What follows from one attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The answer is a page.
    Page(Page),
    /// This server does not have the path. It answered 404 without Sentry's body.
    NotHere(ApiError),
    /// The path may be missing, or a proxy or a brown-out may have answered: a web page, 405 or 410.
    MayBeMissing(ApiError),
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
            Self::NotHere(error) | Self::MayBeMissing(error) | Self::Fail(error) | Self::Wait(_, error, _) => {
                Err(error)
            }
        }
    }
}

impl Answer {
    /// Reads the headers that are needed. Bytes of the body that are not UTF-8 become U+FFFD. Only broken servers send
    /// such bytes.
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.trim().parse().ok());
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
                reset: text("x-sentry-rate-limit-reset").and_then(|reset| reset.trim().parse().ok()),
                concurrent: number("x-sentry-rate-limit-concurrentlimit"),
            },
            served_at: served_at.map(|date| date.with_timezone(&Utc)),
            is_html: text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html")),
            has_link: headers.contains_key(LINK),
            link_is_python_set: text(LINK.as_str()).is_some_and(is_python_set),
            hits: number("x-hits").map(u64::from),
            next: headers.get(LINK).and_then(|link| next_cursor(&String::from_utf8_lossy(link.as_bytes()))),
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

/// Judges an answer. `failures` counts earlier failures of the request. `until_reset` is the time until the bucket's
/// window ends, if headers tell it. The error never holds the token.
pub(crate) fn judge_answer(
    endpoint: &'static Endpoint,
    path: &str,
    mut answer: Answer,
    failures: u32,
    until_reset: Option<Duration>,
    token: &Token,
) -> Attempt {
    let html = answer.looks_like_html();
    let status = answer.status;
    let error = |detail: String, kind| {
        ApiError::new(kind, Some(status), path.to_owned(), token.redact(&detail), endpoint.scope)
    };
    if answer.status < 300 && !html {
        return match Page::parse(std::mem::take(&mut answer.body), endpoint.rows) {
            Ok(mut page) => {
                page.next = answer.next.take();
                page.hits = answer.hits;
                page.has_link = answer.has_link;
                debug!("{} rows, next cursor: {}", page.len(), page.next.as_deref().unwrap_or("none"));
                Attempt::Page(page)
            }
            Err(Malformed::NotJson) => {
                let error = error("the body is not whole JSON".into(), ErrorKind::Unavailable);
                Attempt::Wait(retry::backoff(failures), error, Verdict::Retry)
            }
            Err(Malformed::OtherShape) => {
                Attempt::Fail(error("the body is JSON of another shape than expected".into(), ErrorKind::Protocol))
            }
        };
    }
    let shape = match serde_json::from_str::<&serde_json::value::RawValue>(&answer.body) {
        _ if html => BodyShape::Html,
        Ok(_) => BodyShape::Json,
        Err(_) => BodyShape::Other,
    };
    let error = error(read_detail(&answer.body), kind_of_status(answer.status));
    match judge(answer.status, shape) {
        Verdict::NotHere => Attempt::NotHere(error),
        Verdict::MayBeMissing => Attempt::MayBeMissing(error),
        Verdict::Retry => {
            Attempt::Wait(answer.retry_after.unwrap_or_else(|| retry::backoff(failures)), error, Verdict::Retry)
        }
        Verdict::RateLimited => {
            let wait = retry::with_jitter(limited_wait(&answer, until_reset, failures));
            Attempt::Wait(wait, error, Verdict::RateLimited)
        }
        Verdict::Accept | Verdict::Fail => Attempt::Fail(error),
    }
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

/// Tries again after an answer that looks like a missing path where the path is known to be there.
pub(crate) fn transient(error: ApiError, failures: u32) -> Attempt {
    Attempt::Wait(retry::backoff(failures), error.into_unavailable(), Verdict::Retry)
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
