//! Judges an answer by its status and the shape of its body. Pure.
//!
//! A status alone proves little: proxies and routers answer with the same numbers as Sentry. Does not know how long to wait
//! (`retry.rs`), nor what an error means for a run (`error.rs`).

use serde_json::Value;

use crate::sentry::error::ErrorKind;

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Use its body.
    Accept,
    /// Wait as the server says, then send the same request again.
    RateLimited,
    /// Try again after a while.
    Retry,
    /// No answer of Sentry's API: a proxy gave it. Try again after a while.
    Foreign,
    /// No answer of Sentry's API: a proxy gave it, or the server does not have the path.
    Missing,
    /// The same, by a web page in place of an answer, or by 405.
    WebPage,
    /// The server has turned the path off.
    Removed,
    /// The server does not accept the request, for a reason that the body names.
    Refused,
    /// Final.
    Fail,
}

/// The shape of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyShape {
    /// A JSON object with `detail`, as Sentry's errors are.
    Detail,
    /// Another JSON object.
    Object,
    /// Other JSON.
    Json,
    /// A web page. Servers and proxies answer missing paths so.
    Html,
    /// Empty, cut short, or something else.
    Other,
}

impl BodyShape {
    /// The shape of an error's body.
    pub(crate) fn of(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(Value::Object(object)) if object.get("detail").is_some_and(|detail| !detail.is_null()) => Self::Detail,
            Ok(Value::Object(_)) => Self::Object,
            Ok(_) => Self::Json,
            Err(_) => Self::Other,
        }
    }
}

/// The verdict on an answer by its status and body (API §1.8).
///
/// Older and newer servers answer a missing path with a 404 that is not JSON, or with a web page and status 200. Proxies
/// and routers do so too, while a server restarts. Serializers answer 400 with an object of field names.
pub(crate) fn judge(status: u16, body: BodyShape) -> Verdict {
    use BodyShape::{Detail, Html, Object, Other};
    match (status, body) {
        (200..=299, Html) | (405, _) => Verdict::WebPage,
        (200..=299, Other) | (408 | 425 | 500..=599, _) => Verdict::Retry,
        (200..=299, _) => Verdict::Accept,
        (429, _) => Verdict::RateLimited,
        (410, _) => Verdict::Removed,
        (403 | 404, Detail) | (401, _) => Verdict::Fail,
        (404, _) => Verdict::Missing,
        (403, _) => Verdict::Foreign,
        (400, Detail | Object) => Verdict::Refused,
        (400..=499, Detail | Object) => Verdict::Fail,
        (400..=499, _) => Verdict::Foreign,
        _ => Verdict::Fail,
    }
}

/// The kind of a final failure by its status.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        400 | 422 => ErrorKind::BadRequest,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        410 => ErrorKind::NotHere,
        300..=399 => ErrorKind::Protocol,
        408 | 425 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_verdict() {
        for status in 100..600 {
            let verdict = judge(status, BodyShape::Detail);
            let expected = match status {
                200..=299 => Verdict::Accept,
                408 | 425 | 500.. => Verdict::Retry,
                429 => Verdict::RateLimited,
                405 => Verdict::WebPage,
                410 => Verdict::Removed,
                400 => Verdict::Refused,
                _ => Verdict::Fail,
            };
            assert_eq!(verdict, expected, "{status}");
        }
        assert_eq!(judge(200, BodyShape::Html), Verdict::WebPage);
        assert_eq!(judge(200, BodyShape::Other), Verdict::Retry);
        assert_eq!(judge(502, BodyShape::Html), Verdict::Retry);
    }

    #[test]
    fn what_is_not_sentrys_json_proves_nothing() {
        for body in
            ["", "<html>404</html>", "404 page not found", r#"{"error": "no route"}"#, "[]", r#"{"detail":null}"#]
        {
            assert_eq!(judge(404, BodyShape::of(body)), Verdict::Missing, "{body}");
            assert_eq!(judge(403, BodyShape::of(body)), Verdict::Foreign, "{body}");
        }
        assert_eq!(judge(404, BodyShape::of(r#"{"detail": "Not Found"}"#)), Verdict::Fail);
        assert_eq!(judge(400, BodyShape::of("Bad Request")), Verdict::Foreign);
        assert_eq!(judge(400, BodyShape::of(r#"{"sort": ["Unknown."]}"#)), Verdict::Refused);
        assert_eq!(judge(422, BodyShape::of(r#"{"detail": [{"loc": ["query", "sort"]}]}"#)), Verdict::Fail);
        assert_eq!(judge(414, BodyShape::of("<html></html>")), Verdict::Foreign);
    }
}
