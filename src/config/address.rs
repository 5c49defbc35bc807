//! Addresses as people paste them: of the server, or of a page of an organization. Makes no request.

use reqwest::Url;

/// Subdomains of sentry.io that are not organizations.
const REGIONS: &[&str] = &["us", "de", "www", "docs", "status"];

/// The address without user name and password, for messages.
pub(crate) fn without_user_info(text: &str) -> String {
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    match text.rfind('@') {
        Some(at) if at >= start => format!("{}(hidden){}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    }
}

/// The API's address from any form of the server's: with or without scheme, trailing slash or `/api/0/`.
pub(crate) fn parse_base_url(text: &str, allow_http: bool) -> Result<Url, &'static str> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|_| "an address such as https://sentry.io/api/0/")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address without user name or password: the token goes into api_token");
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(&url) => {}
        "http" => {
            return Err(
                "an https address: plain http would show the token to the network (allow_http: true permits it)",
            );
        }
        _ => return Err("an https address"),
    }
    url.set_query(None);
    url.set_fragment(None);
    let root = root_of(url.path()).to_owned();
    url.set_path(&format!("{root}/api/0/"));
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The path of the server itself: the part before the API, or before the pages of an organization.
fn root_of(path: &str) -> &str {
    let ends = ["/api/0", "/organizations/", "/settings/"].iter().filter_map(|end| path.find(end));
    path[..ends.min().unwrap_or(path.len())].trim_end_matches('/')
}

/// The slug of an organization. The text is the slug, or the address of one of the organization's pages.
pub(crate) fn organization_in(text: &str) -> Option<String> {
    let is_slug = |text: &str| !text.is_empty() && !text.contains(['/', '.', ':', '?', '#', ' ']);
    if is_slug(text) {
        return Some(text.to_owned());
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).ok()?;
    let segments: Vec<&str> = url.path_segments()?.collect();
    let after = |word: &str| segments.iter().position(|segment| *segment == word).and_then(|at| segments.get(at + 1));
    let below = url.host_str()?.strip_suffix(".sentry.io").filter(|name| !REGIONS.contains(name));
    let slug = after("organizations").or_else(|| after("settings")).copied().or(below)?;
    is_slug(slug).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_address_of_an_organization_is_understood() {
        for text in [
            "acme",
            "acme.sentry.io",
            "https://acme.sentry.io/issues/?project=1",
            "https://sentry.io/organizations/acme/issues/12/",
            "https://us.sentry.io/api/0/organizations/acme/",
            "https://sentry.example.com/organizations/acme/projects/",
            "http://127.0.0.1:9000/settings/acme/",
        ] {
            assert_eq!(organization_in(text).as_deref(), Some("acme"), "{text}");
        }
        for text in ["a/b", "https://sentry.io/", "us.sentry.io", "a b", ""] {
            assert_eq!(organization_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_pasted_page_is_the_address_of_its_server() {
        for (text, base) in [
            ("https://sentry.io/organizations/acme/issues/", "https://sentry.io/api/0/"),
            ("https://acme.sentry.io/settings/account/", "https://acme.sentry.io/api/0/"),
            ("sentry.example.com/sentry/api/0/organizations/acme/", "https://sentry.example.com/sentry/api/0/"),
        ] {
            assert_eq!(parse_base_url(text, false).map(|url| url.to_string()).as_deref(), Ok(base), "{text}");
        }
    }
}
