//! Describes an endpoint: its paths, their older forms, its page size and the shape of its body.
//!
//! Only this file encodes paths and queries, so no slug or release version can break a URL. Sends nothing.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::sentry::limits::group::LimitGroup;

/// Path segments and query values encode every character but the unreserved ones (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The query parameter that sets the page size (API §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageSize {
    /// The answer is not paged.
    None,
    /// `per_page`, in most lists.
    PerPage,
    /// `limit`, in issue lists.
    Limit,
}

/// Where the rows are in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// The body is an array of rows.
    Array,
    /// The body is one row.
    Object,
    /// The body is an object. Its field of this name is the array of rows.
    Under(&'static str),
    /// The body has `intervals` of time, and `groups` with a series of values each. Each group and interval is a row.
    Series {
        /// Most values in one answer.
        most: usize,
    },
}

/// One kind of request.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Path templates: today's first, then those of older servers. Placeholders are in braces.
    pub paths: &'static [&'static str],
    /// The bucket that its requests draw on.
    pub limit_group: LimitGroup,
    /// Which query parameter sets the page size.
    pub page_size: PageSize,
    /// Whether today's path answers in one piece although an older path is paged. Without `page_size` all of them do.
    pub in_one_piece: bool,
    /// Query parameters that are always sent.
    pub query: &'static [(&'static str, &'static str)],
    /// Shape of the body.
    pub rows: Rows,
    /// Most rows that the server gives of one list, newest first. Ask for older rows by a window of time.
    pub deepest: usize,
    /// The token scope that it needs; a message names it if it is missing (API §1.2).
    pub scope: &'static str,
}

impl Endpoint {
    /// A list in the default bucket. Endpoints override its fields with struct update syntax.
    pub const LIST: Self = Self {
        paths: &[],
        limit_group: LimitGroup::Default,
        page_size: PageSize::PerPage,
        in_one_piece: false,
        query: &[],
        rows: Rows::Array,
        deepest: usize::MAX,
        scope: "org:read",
    };

    /// One object in the default bucket.
    pub const DETAIL: Self = Self { page_size: PageSize::None, rows: Rows::Object, ..Self::LIST };

    /// Whether the path of this index answers in one piece: without `Link`, it has all its rows (API §1.3).
    pub fn answers_in_one_piece(&self, index: usize) -> bool {
        self.page_size == PageSize::None || (self.in_one_piece && index == 0)
    }

    /// Whether its path names something beside the organization.
    pub fn names_a_thing(&self) -> bool {
        self.paths[0].matches('{').count() > 1
    }

    /// Whether the server limits the rows of one list.
    pub fn is_bounded(&self) -> bool {
        self.deepest < usize::MAX
    }
}

/// Values for the placeholders of a path: name and text, not yet encoded.
pub(crate) type PathValues = Vec<(&'static str, String)>;

/// The path with every placeholder replaced by its encoded value. An unknown placeholder stays; the server refuses it.
/// `by_slug` says that slugs of digits are slugs in a path.
pub(crate) fn fill_path(template: &str, values: &[(&'static str, String)], by_slug: bool) -> String {
    let mut path = String::with_capacity(template.len() + 32);
    for segment in template.split_inclusive('/') {
        let (name, slash) = match segment.strip_suffix('/') {
            Some(name) => (name, "/"),
            None => (segment, ""),
        };
        let placeholder = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match placeholder.and_then(|name| path_value(name, values, by_slug)) {
            Some(value) => path.extend(utf8_percent_encode(value, ENCODED)),
            None => path.push_str(name),
        }
        path.push_str(slash);
    }
    path
}

/// The value for a placeholder. Servers take digits in a path for an id, so a slug of digits alone would name another thing.
/// Its id stands in for it: the value of this name with `_id` (API §8). Older servers know slugs alone.
fn path_value<'v>(name: &str, values: &'v [(&'static str, String)], by_slug: bool) -> Option<&'v str> {
    let find =
        |is_it: &dyn Fn(&str) -> bool| values.iter().find(|(known, _)| is_it(known)).map(|(_, value)| value.as_str());
    let value = find(&|known| known == name)?;
    let id = || find(&|known| known.strip_suffix("_id") == Some(name));
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits && !by_slug { id().or(Some(value)) } else { Some(value) }
}

/// The pairs as `?a=b&c=d`, encoded; empty if there are none.
pub(crate) fn query_string<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        let name = utf8_percent_encode(name, ENCODED);
        let value = utf8_percent_encode(value, ENCODED);
        // Writing to a String cannot fail.
        let _ = write!(query, "{name}={value}");
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_version_stays_one_segment() {
        let values = [("organization", "acme".to_owned()), ("version", "front end@1.0.0+b/ü".to_owned())];
        assert_eq!(
            fill_path("organizations/{organization}/releases/{version}/commits/", &values, false),
            "organizations/acme/releases/front%20end%401.0.0%2Bb%2F%C3%BC/commits/"
        );
    }

    #[test]
    fn a_slug_of_digits_is_replaced_by_the_id() {
        let path = |slug: &str| {
            let values =
                [("organization", "7".to_owned()), ("project", slug.to_owned()), ("project_id", "42".to_owned())];
            fill_path("projects/{organization}/{project}/keys/", &values, false)
        };
        assert_eq!(path("2048"), "projects/7/42/keys/");
        assert_eq!(path("2048-game"), "projects/7/2048-game/keys/");
        assert_eq!(fill_path("issues/{issue}/", &[("issue", "5".to_owned())], false), "issues/5/");
    }

    #[test]
    fn queries_are_encoded_and_may_hold_empty_values() {
        let query = query_string([("query", ""), ("start", "2026-01-01T00:00:00"), ("cursor", "0:100:0")]);
        assert_eq!(query, "?query=&start=2026-01-01T00%3A00%3A00&cursor=0%3A100%3A0");
    }
}
