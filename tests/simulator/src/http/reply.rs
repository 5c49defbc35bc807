//! An answer before it becomes bytes: status, headers, cursors, body.

use serde_json::json;

use crate::api::page::Link;
use crate::json;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// Headers besides those every answer has.
    pub(crate) headers: Vec<(String, String)>,
    /// The content type.
    pub(crate) content_type: String,
    /// The cursors, if the answer is a page.
    pub(crate) link: Option<Link>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// How many rows the body has.
    pub(crate) rows: usize,
}

impl Reply {
    /// An answer with this body.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: content_type.to_owned(),
            link: None,
            body: body.into(),
            rows: 0,
        }
    }

    /// One object.
    pub(crate) fn text(body: String) -> Self {
        Self { rows: 1, ..Self::new(200, "application/json", body) }
    }

    /// A list without cursors.
    pub(crate) fn list(rows: &[String]) -> Self {
        Self { rows: rows.len(), ..Self::new(200, "application/json", json::array(rows)) }
    }

    /// A page of a list.
    pub(crate) fn page(rows: &[String], link: Link) -> Self {
        Self { link: Some(link), ..Self::list(rows) }
    }

    /// An error in the words of the REST framework.
    pub(crate) fn detail(status: u16, text: &str) -> Self {
        Self::new(status, "application/json", json!({ "detail": text }).to_string())
    }

    /// An unhandled error.
    pub(crate) fn internal(id: u64) -> Self {
        let body = json!({ "detail": "Internal Error", "errorId": format!("{id:032x}") });
        Self::new(500, "application/json", body.to_string())
    }

    /// 404 without a body: an unknown route.
    pub(crate) fn nothing() -> Self {
        Self::new(404, "text/html; charset=utf-8", "")
    }

    /// 404 for things that do not exist.
    pub(crate) fn missing() -> Self {
        Self::detail(404, "The requested resource does not exist")
    }

    /// 403 for things that the token may not read.
    pub(crate) fn forbidden() -> Self {
        Self::detail(403, "You do not have permission to perform this action.")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The reason phrase of a status.
pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unnamed",
    }
}
