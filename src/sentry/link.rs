//! Reads the `Link` headers: whether there is a next page, and its cursor (API §1.3).
//!
//! Takes only the cursor, never the URL, so that a header cannot send the token to another host. Sends nothing.

/// Why no page follows, as far as the headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// They say that the list has ended: `rel="next"` with `results="false"`.
    Said,
    /// They name no neighbouring page.
    Silent,
    /// They do not say in a readable way whether a page follows.
    Unreadable,
    /// They name a next page, but no cursor to ask for it.
    WithoutCursor,
}

/// The cursor of the next page by all `Link` headers of an answer, or why there is none.
///
/// Sentry names both neighbours on every page, so `results` decides: only `true` means that a page exists. Proxies split
/// and repeat headers, change the case of names, and add relations of their own. Those are passed over.
pub(crate) fn next_page<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<String, End> {
    let (mut found, mut readable, mut neighbours) = (None, true, false);
    for header in headers {
        // GlitchTip wraps the whole value in `{'` and `'}`.
        let header = header.trim();
        let header = header.strip_prefix("{'").and_then(|h| h.strip_suffix("'}")).unwrap_or(header);
        for relation in split(header, b',') {
            let Some(attributes) = attributes(relation) else {
                readable = false;
                continue;
            };
            neighbours |= is_called(attributes, "previous") || is_called(attributes, "prev");
            if is_called(attributes, "next") {
                found = better(found, says(attributes));
            }
        }
    }
    match found {
        Some(next) => next,
        None if readable && !neighbours => Err(End::Silent),
        None => Err(End::Unreadable),
    }
}

/// Whether the header is a set of text as Python prints it. Only GlitchTip sends this form.
pub(crate) fn is_python_set(header: &str) -> bool {
    header.starts_with("{'")
}

/// What a relation `next` says.
fn says(attributes: &str) -> Result<String, End> {
    let results = attribute(attributes, "results").map(str::to_ascii_lowercase);
    let cursor = attribute(attributes, "cursor").filter(|cursor| !cursor.is_empty());
    match (results.as_deref(), cursor) {
        (Some("false"), _) => Err(End::Said),
        (Some("true") | None, Some(cursor)) => Ok(cursor.to_owned()),
        (Some("true") | None, None) => Err(End::WithoutCursor),
        (Some(_), _) => Err(End::Unreadable),
    }
}

/// Of two relations `next`, the one that proves less. A list goes on if any of them says so.
fn better(one: Option<Result<String, End>>, other: Result<String, End>) -> Option<Result<String, End>> {
    match one {
        None | Some(Err(End::Said)) => Some(other),
        Some(Err(_)) if other.is_ok() => Some(other),
        one => one,
    }
}

/// The attributes of one relation `<url>; a="b"; c="d"`; `None` if it has another form.
fn attributes(relation: &str) -> Option<&str> {
    let relation = relation.trim().strip_prefix('<')?;
    relation.split_once('>').map(|(_, attributes)| attributes)
}

/// Whether a relation has this name. It may have several, in any case.
fn is_called(attributes: &str, name: &str) -> bool {
    let names = attribute(attributes, "rel").unwrap_or_default();
    names.split_ascii_whitespace().any(|other| other.eq_ignore_ascii_case(name))
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    split(attributes, b';').find_map(|attribute| {
        let (key, value) = attribute.split_once('=')?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then_some(unquoted)
    })
}

/// The parts between separators that are neither in quotes nor in `<>`. Blank parts are left out.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    let is_separator = move |byte: char| {
        let is_escaped = escaped;
        escaped = quoted && !is_escaped && byte == '\\';
        match byte {
            '"' if !is_escaped && !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        byte == char::from(separator) && !quoted && !bracketed
    };
    text.split(is_separator).filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREVIOUS: &str = r#"<https://sentry.io/api/0/projects/acme/web/events/?&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1""#;
    const NEXT: &str = r#"<https://sentry.io/api/0/projects/acme/web/events/?&cursor=0:100:0>; rel="next"; results="true"; cursor="0:100:0""#;

    fn both() -> String {
        format!("{PREVIOUS}, {NEXT}")
    }

    fn follows(header: &str) -> Result<String, End> {
        next_page([header])
    }

    const PAGE: Result<&str, &End> = Ok("0:100:0");

    #[test]
    fn a_next_page_exists_only_where_results_says_so() {
        assert_eq!(follows(&both()).as_deref(), PAGE);
        assert_eq!(follows(&both().replace(r#"results="true""#, r#"results="false""#)), Err(End::Said));
        assert_eq!(follows(&both().replace(r#"results="true""#, r#"results="maybe""#)), Err(End::Unreadable));
        assert_eq!(follows(&NEXT.replace(r#" results="true";"#, "")).as_deref(), PAGE);
    }

    #[test]
    fn all_headers_count_in_any_order() {
        for headers in [[PREVIOUS, NEXT], [NEXT, PREVIOUS], ["<https://cdn.example>; rel=preconnect", NEXT]] {
            assert_eq!(next_page(headers).as_deref(), PAGE);
        }
        let last = NEXT.replace("true", "false");
        assert_eq!(next_page([last.as_str(), NEXT]).as_deref(), PAGE, "a list goes on if any header says so");
        assert_eq!(next_page([NEXT, last.as_str()]).as_deref(), PAGE);
    }

    #[test]
    fn names_and_values_may_be_in_any_case_and_without_quotes() {
        let other = both().replace("rel=\"next\"", "Rel=Next").replace("results", "RESULTS").replace("true", "True");
        assert_eq!(follows(&other.replace("cursor=\"", "Cursor=\"")).as_deref(), PAGE);
        assert_eq!(follows(&NEXT.replace("rel=\"next\"", "rel=\"last NEXT\"")).as_deref(), PAGE);
    }

    #[test]
    fn separators_in_urls_and_quotes_do_not_split() {
        assert_eq!(follows(&both().replace("?&cursor", "?a=1,2;rel=\"next\"&cursor")).as_deref(), PAGE);
        let title = r#"rel="next"; title="a, b; rel=\"x\" <c>; results=\"false\"""#;
        assert_eq!(follows(&NEXT.replace("rel=\"next\"", title)).as_deref(), PAGE);
    }

    #[test]
    fn glitchtip_wraps_the_header_and_leaves_the_last_cursor_out() {
        assert_eq!(follows(&format!("{{'{}'}}", both())).as_deref(), PAGE);
        assert_eq!(follows(r#"{'<https://x/>; rel="next"; results="false"'}"#), Err(End::Said));
    }

    #[test]
    fn a_printed_set_is_told_from_a_header() {
        assert!(is_python_set(&format!("{{'{}'}}", both())) && !is_python_set(&both()) && !is_python_set(""));
    }

    #[test]
    fn what_names_no_neighbour_is_silent() {
        assert_eq!(next_page([]), Err(End::Silent));
        for header in ["", " , ", "<https://cdn.example>; rel=preconnect", r#"<x>; cursor="1""#, "<x>"] {
            assert_eq!(follows(header), Err(End::Silent), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_read_proves_no_end() {
        for header in [PREVIOUS, "<", ">", "a, b", "x; rel=next", "<x; rel=next"] {
            assert_eq!(follows(header), Err(End::Unreadable), "{header}");
        }
        for header in [r#"<x>; rel="next""#, r#"<x>; rel="next"; results="true""#, r#"<x>; rel=next; cursor="""#] {
            assert_eq!(follows(header), Err(End::WithoutCursor), "{header}");
        }
    }
}
