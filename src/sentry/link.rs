//! Reads the `Link` header: whether there is a next page, and its cursor (API §1.3).
//!
//! Takes only the cursor, never the URL, so that a header cannot send the token to another host. Sends nothing.

/// The cursor of the next page; `None` if there is none.
///
/// Both relations are always present, so `results` decides: only `true` means that a page exists.
pub(crate) fn next_cursor(header: &str) -> Option<String> {
    // GlitchTip wraps the whole value in `{'` and `'}`.
    let header = header.strip_prefix("{'").and_then(|h| h.strip_suffix("'}")).unwrap_or(header);
    let mut rest = header;
    while let Some((relation, tail)) = split_relation(rest) {
        if relation.attribute("rel") == Some("next") {
            let more = relation.attribute("results").is_none_or(|results| results == "true");
            let cursor = relation.attribute("cursor").filter(|cursor| !cursor.is_empty());
            return cursor.filter(|_| more).map(str::to_owned);
        }
        rest = tail;
    }
    None
}

/// Whether the header is a set of text as Python prints it. Only GlitchTip sends this form.
pub(crate) fn is_python_set(header: &str) -> bool {
    header.starts_with("{'")
}

struct Relation<'a> {
    attributes: &'a str,
}

/// Splits the first relation `<url>; a="b"; c="d"` off. A comma inside quotes or `<>` does not end it.
fn split_relation(header: &str) -> Option<(Relation<'_>, &str)> {
    let url = header.find('<')?;
    let after = url + header.get(url..)?.find('>')? + 1;
    let attributes = &header[after..];
    let mut quoted = false;
    for (at, byte) in attributes.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                return Some((Relation { attributes: &attributes[..at] }, &attributes[at + 1..]));
            }
            _ => {}
        }
    }
    Some((Relation { attributes }, ""))
}

impl<'a> Relation<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.split(';').find_map(|attribute| {
            let (key, value) = attribute.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORE: &str = r#"<https://sentry.io/api/0/projects/acme/web/events/?&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", <https://sentry.io/api/0/projects/acme/web/events/?&cursor=0:100:0>; rel="next"; results="true"; cursor="0:100:0""#;

    #[test]
    fn a_next_page_exists_only_where_results_says_so() {
        assert_eq!(next_cursor(MORE).as_deref(), Some("0:100:0"));
        let last = MORE.replace(r#"results="true""#, r#"results="false""#);
        assert_eq!(next_cursor(&last), None);
    }

    #[test]
    fn a_url_with_commas_does_not_split_the_header() {
        let header = MORE.replace("?&cursor", "?a=1,2;rel=\"next\"&cursor");
        assert_eq!(next_cursor(&header).as_deref(), Some("0:100:0"));
    }

    #[test]
    fn glitchtip_wraps_the_header_and_leaves_the_last_cursor_out() {
        let wrapped = format!("{{'{MORE}'}}");
        assert_eq!(next_cursor(&wrapped).as_deref(), Some("0:100:0"));
        assert_eq!(next_cursor(r#"{'<https://x/>; rel="next"; results="false"'}"#), None);
    }

    #[test]
    fn a_printed_set_is_told_from_a_header() {
        assert!(is_python_set(&format!("{{'{MORE}'}}")) && !is_python_set(MORE) && !is_python_set(""));
    }

    #[test]
    fn nonsense_is_no_next_page() {
        for header in ["", "<", ">", "<>;", "a, b", r#"<x>; rel="next""#, r#"<x>; cursor="1""#] {
            assert_eq!(next_cursor(header), None, "{header}");
        }
    }
}
