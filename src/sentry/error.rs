//! Errors of requests: their kinds, how far each can be tolerated, and the advice to the user. Does not decide retries.

use std::fmt;

use crate::sentry::token::TokenKind;

/// Kinds of failure. [`Tolerance`] is what they mean; other files decide by tolerance, never by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// 401: the token is not accepted.
    Unauthorized,
    /// 403: the token may not read this.
    Forbidden,
    /// 404 in Sentry's JSON: this does not exist, or no longer.
    NotFound,
    /// The server does not have the path: 410, or nothing of Sentry's each time while others are answered.
    NotHere,
    /// 400 that names what the server does not know, and 422.
    BadRequest,
    /// Another status that says no.
    Refused,
    /// Retries did not help: errors, no answers, or rate limits.
    Unavailable,
    /// Retries brought no whole answer to this request, while the server answered others.
    Broken,
    /// Something between tap and server answered, and not Sentry.
    Foreign,
    /// The answer makes no sense: another shape, a redirect to another host.
    Protocol,
    /// A list that may go on, and cannot be followed.
    Cut,
}

/// How far an error can be tolerated. It follows from the kind and from whether there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// It was deleted or merged since it was listed. It is skipped and counted.
    Gone,
    /// This server does not have the endpoint. Nothing is said of the things that it would list.
    NotHere,
    /// This server does not accept this form of the request. Another form is tried, if there is one.
    NotOnThisServer,
    /// The token may not see it. It is a gap, unless another request gets it.
    Hidden,
    /// It exists but could not be read. The rest is read, and the run ends with exit code 1.
    Gap,
    /// Nothing else can be read either. The run ends.
    EndOfRun,
}

/// A request that failed finally.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    kind: ErrorKind,
    /// Status of the last answer, if there was one.
    status: Option<u16>,
    /// Path and query, without host.
    path: String,
    /// The message of the server or the network, without secrets.
    detail: String,
    /// The token scope that the endpoint needs.
    scope: &'static str,
}

impl ApiError {
    /// `status` is absent if there was no answer. `detail` must hold no secrets.
    pub(crate) fn new(kind: ErrorKind, status: Option<u16>, path: String, detail: String, scope: &'static str) -> Self {
        Self { kind, status, path, detail, scope }
    }

    /// The answer makes no sense, although its status and shape are right.
    pub(crate) fn malformed(path: String, scope: &'static str, detail: String) -> Self {
        Self::new(ErrorKind::Protocol, None, path, detail, scope)
    }

    /// A list whose end is not proved.
    pub(crate) fn cut(path: String, scope: &'static str, detail: String) -> Self {
        Self::new(ErrorKind::Cut, None, path, detail, scope)
    }

    /// The server is known not to have the path.
    pub(crate) fn not_here(path: String, scope: &'static str) -> Self {
        Self::new(ErrorKind::NotHere, None, path, "this server does not have it".to_owned(), scope)
    }

    /// The answer is not of Sentry's API. Names what to look at: only the user knows what stands in between.
    #[must_use]
    pub(crate) fn into_foreign(self, base_url: &str) -> Self {
        let what = if self.detail.is_empty() { "an empty body" } else { &self.detail };
        let detail = format!(
            "{what}, which is no answer of Sentry's API: check base_url ({base_url}) and any proxy or router in between"
        );
        Self { kind: ErrorKind::Foreign, detail, ..self }
    }

    /// The same error, while the server has answered other requests. So it is there.
    #[must_use]
    pub(crate) fn while_others_are_answered(self) -> Self {
        if self.kind != ErrorKind::Unavailable || self.status.is_some() {
            return self;
        }
        let detail = format!("{}; the server answers other requests", self.detail);
        Self { kind: ErrorKind::Broken, detail, ..self }
    }

    /// The same error; the answer is now taken for a transient one.
    #[must_use]
    pub(crate) fn into_unavailable(self) -> Self {
        Self { kind: ErrorKind::Unavailable, ..self }
    }

    /// The same error after so many attempts.
    #[must_use]
    pub(crate) fn given_up(self, attempts: u32) -> Self {
        let times = if attempts == 1 { "attempt" } else { "attempts" };
        Self { detail: format!("{} (given up after {attempts} {times})", self.detail), ..self }
    }

    /// How far it can be tolerated.
    pub(crate) fn tolerance(&self) -> Tolerance {
        match self.kind {
            ErrorKind::NotFound => Tolerance::Gone,
            ErrorKind::NotHere => Tolerance::NotHere,
            ErrorKind::BadRequest => Tolerance::NotOnThisServer,
            ErrorKind::Forbidden => Tolerance::Hidden,
            ErrorKind::Protocol | ErrorKind::Cut | ErrorKind::Refused | ErrorKind::Broken | ErrorKind::Foreign => {
                Tolerance::Gap
            }
            // If there was no answer, the next request would get none either.
            ErrorKind::Unavailable if self.status.is_some() => Tolerance::Gap,
            ErrorKind::Unavailable | ErrorKind::Unauthorized => Tolerance::EndOfRun,
        }
    }

    /// Whether all rows of a list came that the server gave, and only its end is not proved.
    pub(crate) fn is_cut(&self) -> bool {
        self.kind == ErrorKind::Cut
    }

    /// Whether there was no answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.status.is_none()
    }

    /// The message, without secrets.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it may mean that an old server does not know the request. Version 9.1.2 answers 500 to a list of several
    /// projects. Other errors that pass, such as 503 and a 400 for a timeout, mean nothing of the kind.
    pub(crate) fn may_mean_unknown(&self) -> bool {
        match self.kind {
            ErrorKind::BadRequest | ErrorKind::NotFound | ErrorKind::NotHere => true,
            ErrorKind::Unavailable => self.status == Some(500),
            _ => false,
        }
    }

    /// Advice to the user, in one sentence, about an error of the token, the organization or the whole server.
    pub(crate) fn advice(&self, token: TokenKind, organization: &str, base_url: &str) -> String {
        match self.kind {
            ErrorKind::Unauthorized => {
                format!("the server at {base_url} does not accept api_token: check that it is whole, not revoked, and was made on this server")
            }
            _ if token == TokenKind::Organization => {
                "api_token is an organization token (sntrys_), which can read releases only: create an internal integration \
                 (Settings > Developer Settings) or a personal token with the scopes org:read project:read event:read \
                 member:read project:releases"
                    .to_owned()
            }
            ErrorKind::Forbidden => format!(
                "api_token may not read this: it lacks the scope {}, or its owner does not see the organization {organization:?}",
                self.scope
            ),
            ErrorKind::Foreign => format!(
                "if they are right, there is no organization {organization:?} at {base_url}: check the slug and the region"
            ),
            ErrorKind::NotFound | ErrorKind::NotHere => format!(
                "there is no organization {organization:?} at {base_url}: check the slug (it is in the address of your \
                 Sentry pages) and the region (base_url https://us.sentry.io/ or https://de.sentry.io/)"
            ),
            ErrorKind::Broken => {
                "the answer to this request never comes whole: check any proxy, and report it with the output of -v".to_owned()
            }
            ErrorKind::Unavailable if self.status == Some(429) => format!(
                "the server at {base_url} goes on refusing this for a limit of its own: run again later; nothing is lost, the \
                 bookmarks stay where they were"
            ),
            ErrorKind::Unavailable if self.status.is_some() => format!(
                "the server at {base_url} answers this with an error each time: look into its log, then run again; nothing \
                 is lost, the bookmarks stay where they were"
            ),
            ErrorKind::Unavailable => {
                format!("the server at {base_url} cannot be reached or does not answer: check base_url, the network and any proxy, then run again; nothing is lost, the bookmarks stay where they were")
            }
            ErrorKind::BadRequest | ErrorKind::Refused => {
                "the server refuses this request; please report it with the output of -v and the server's version".to_owned()
            }
            ErrorKind::Cut => {
                "what came of it is written, and the next run reads the list again".to_owned()
            }
            ErrorKind::Protocol => format!("check that base_url ({base_url}) is the address of a Sentry server"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.path)?;
        if let Some(status) = self.status {
            write!(f, " answered {status}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// Most characters of a body that a message quotes.
const DETAIL_LIMIT: usize = 300;

/// The message in an error body: `detail` as text or object, Django's field errors, or the beginning of the text. At
/// most `DETAIL_LIMIT` characters and `…`.
pub(crate) fn read_detail(body: &str) -> String {
    let text = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => detail_of(&value).unwrap_or_else(|| value.to_string()),
        Err(_) if body.trim_start().starts_with('<') => "an HTML page".to_owned(),
        Err(_) => body.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    match text.char_indices().nth(DETAIL_LIMIT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn detail_of(value: &serde_json::Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let detail = value.get("detail").or_else(|| value.get("message"))?;
    let inner = detail.get("message").unwrap_or(detail);
    inner.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_from_every_shape() {
        let cases = [
            (r#"{"detail": "Invalid token"}"#, "Invalid token"),
            (
                r#"{"detail": {"code": "sso-required", "message": "Must login via SSO", "extra": {}}}"#,
                "Must login via SSO",
            ),
            (r#"{"message": "This API no longer exists."}"#, "This API no longer exists."),
            (r#""too fast""#, "too fast"),
            (r#"{"field": ["wrong"]}"#, r#"{"field":["wrong"]}"#),
            ("<html>oops</html>", "an HTML page"),
            ("", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(read_detail(body), expected);
        }
        assert!(read_detail(&"é".repeat(5000)).chars().count() <= DETAIL_LIMIT + 1);
    }
}
