//! Gaps that the user knows of and accepts, by their names in the log. They are warnings, and fail no run.
//!
//! Knows texts only: neither streams nor how a gap comes about.

/// What may follow on the accepted part of a gap's text. A request without a query is followed by what it answered.
const ENDS: [&str; 4] = [":", ";", "?", " answered "];

/// Whether an entry of the option `accepted_gaps` accepts a gap. `gap` is its text in the log, `<stream>: <what>`. The
/// entry is its beginning, up to a place where a name ends: `events: issue 12` does not mean issue 123.
pub(crate) fn accepts(entry: &str, gap: &str) -> bool {
    gap.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || ENDS.iter().any(|end| rest.starts_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_where_a_name_ends() {
        let issue = "events: issue 123: GET organizations/acme/issues/123/events/?full=true answered 500: oops";
        for entry in ["events", "events: issue 123", issue] {
            assert!(accepts(entry, issue), "{entry}");
        }
        assert!(accepts("events: issue 123: GET organizations/acme/issues/123/events/", issue));
        for entry in ["", ":", "e", "event", "events: issue", "events: issue 12", "events: ", "issues", "Events"] {
            assert!(!accepts(entry, issue), "{entry}");
        }
        let request = "teams: GET organizations/acme/teams/";
        assert!(accepts(request, "teams: GET organizations/acme/teams/ answered 403"));
        assert!(!accepts(request, "teams: GET organizations/acme/teams/1/ answered 403"));
        assert!(accepts("events: rows moved", "events: rows moved; read again"));
        assert!(!accepts("events: rows moved each time", "events: rows moved"));
    }
}
