//! Judges an answer by its status and the shape of its body. Pure.
//!
//! Does not know how long to wait (`retry.rs`), nor what an error means for a run (`error.rs`).

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
    /// This server does not know the path: try an older form of it, if there is one.
    NotHere,
    /// The path is missing, or the answer is transient: a proxy's page, or a path that is turned off for a while.
    MayBeMissing,
    /// Final.
    Fail,
}

/// The shape of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyShape {
    /// Whole and valid JSON.
    Json,
    /// A web page. Servers and proxies answer missing paths so.
    Html,
    /// Empty, cut short, or something else.
    Other,
}

/// The verdict on an answer by its status and body (API §1.8).
///
/// Older and newer servers answer a missing path with a 404 that is not JSON, or with a web page and status 200. A 410
/// first means that the path is gone. Only if no other path is left, it means a brown-out.
pub(crate) fn judge(status: u16, body: BodyShape) -> Verdict {
    match (status, body) {
        (200..=299, BodyShape::Json) => Verdict::Accept,
        (404, BodyShape::Html | BodyShape::Other) => Verdict::NotHere,
        (200..=299, BodyShape::Html) | (405 | 410, _) => Verdict::MayBeMissing,
        (200..=299, BodyShape::Other) | (408 | 425 | 500..=599, _) => Verdict::Retry,
        (429, _) => Verdict::RateLimited,
        _ => Verdict::Fail,
    }
}

/// The kind of a final failure by its status.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        300..=399 => ErrorKind::Protocol,
        400..=499 if status != 408 && status != 410 && status != 429 => ErrorKind::BadRequest,
        _ => ErrorKind::Unavailable,
    }
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
                405 | 410 => Verdict::MayBeMissing,
                _ => Verdict::Fail,
            };
            assert_eq!(verdict, expected, "{status}");
        }
        assert_eq!(judge(404, BodyShape::Other), Verdict::NotHere);
        assert_eq!(judge(404, BodyShape::Html), Verdict::NotHere);
        assert_eq!(judge(200, BodyShape::Html), Verdict::MayBeMissing);
        assert_eq!(judge(200, BodyShape::Other), Verdict::Retry);
        assert_eq!(judge(502, BodyShape::Html), Verdict::Retry);
    }
}
