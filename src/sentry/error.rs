//! What can go wrong with a request, and the judgement of an answer's status.
//!
//! Judging is pure: status and body shape in, verdict out. How long to wait is decided in `retry`.

use std::fmt;

/// What is to be done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Use it.
    Accept,
    /// Wait as the server says, then send the same request again.
    RateLimited,
    /// Try again after a while.
    Retry,
    /// This server does not know the path: try an older form of it, if there is one.
    NotHere,
    /// Final.
    Fail,
}

/// Kinds of failure that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: the token is not accepted.
    Unauthorized,
    /// 403: the token may not read this.
    Forbidden,
    /// 404: this does not exist (any more).
    NotFound,
    /// 400 and its like: the server does not understand the request.
    BadRequest,
    /// Tried again and again without success, or rate limited without end.
    Unavailable,
    /// An answer that makes no sense: another shape, a cursor that repeats, a redirect elsewhere.
    Protocol,
}

/// A request that failed for good.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// Kind of failure.
    pub kind: ErrorKind,
    /// Status of the last answer, if there was one.
    pub status: Option<u16>,
    /// Path and query, without host.
    pub path: String,
    /// What the server or the network said, without secrets.
    pub detail: String,
    /// A scope that the endpoint needs.
    pub scope: &'static str,
}

impl ApiError {
    /// An answer of the right shape with rows that cannot be used.
    pub fn odd_rows(path: String, scope: &'static str, detail: &str) -> Self {
        Self { kind: ErrorKind::Protocol, status: None, path, detail: detail.to_owned(), scope }
    }

    /// A path that the server is known not to have.
    pub fn not_here(path: String, scope: &'static str) -> Self {
        Self { kind: ErrorKind::NotFound, status: None, path, detail: "this server does not have it".to_owned(), scope }
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

/// What a body looks like at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyShape {
    /// Whole and valid JSON.
    Json,
    /// A web page: how servers and proxies answer paths that they do not have.
    Html,
    /// Empty, cut short, or something else.
    Other,
}

/// The verdict on an answer by its status and body (API §1.8).
///
/// A 404 that is not JSON, or a web page with status 200, is how servers of other ages answer paths that they do
/// not have. 410 is first taken for a path that is gone, and only where no other path is left for a brown-out.
pub fn judge(status: u16, body: BodyShape) -> Verdict {
    match (status, body) {
        (200..=299, BodyShape::Json) => Verdict::Accept,
        (200..=299 | 404, BodyShape::Html) | (404, BodyShape::Other) | (405 | 410, _) => Verdict::NotHere,
        (200..=299, BodyShape::Other) | (408 | 425 | 500..=599, _) => Verdict::Retry,
        (429, _) => Verdict::RateLimited,
        _ => Verdict::Fail,
    }
}

/// The kind of a final failure by its status.
pub fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        300..=399 => ErrorKind::Protocol,
        400..=499 if status != 408 && status != 410 && status != 429 => ErrorKind::BadRequest,
        _ => ErrorKind::Unavailable,
    }
}

/// Longest part of a body that is quoted in a message, in characters.
const DETAIL_LIMIT: usize = 300;

/// What an error body says: `detail` as text or object, Django's field errors, or the beginning of the text.
pub fn read_detail(body: &str) -> String {
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
    fn every_status_has_its_verdict() {
        for status in 100..600 {
            let verdict = judge(status, BodyShape::Json);
            let expected = match status {
                200..=299 => Verdict::Accept,
                408 | 425 | 500.. => Verdict::Retry,
                429 => Verdict::RateLimited,
                405 | 410 => Verdict::NotHere,
                _ => Verdict::Fail,
            };
            assert_eq!(verdict, expected, "{status}");
        }
        assert_eq!(judge(404, BodyShape::Other), Verdict::NotHere);
        assert_eq!(judge(200, BodyShape::Html), Verdict::NotHere);
        assert_eq!(judge(200, BodyShape::Other), Verdict::Retry);
        assert_eq!(judge(502, BodyShape::Html), Verdict::Retry);
    }

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
