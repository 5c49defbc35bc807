//! Tells whether the text of a 400 is about what was asked for. Pure.
//!
//! Only such a 400 may mean that a server does not know the request. Servers also answer 400 for a passing reason: until
//! July 2025 to a query that took too long (API §8).

/// Words of texts about a passing reason, whatever else the text names.
const PASSING: &[&str] = &["timeout", "timed out", "too long to run", "failed to run", "internal error", "unavailable"];

/// What servers also call a parameter: its name, and their words for it (API §1.4, §1.5, §1.8, §2).
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("start", &["date", "datetime", "iso8601", "statsperiod"]),
    ("end", &["date", "datetime", "iso8601", "statsperiod"]),
    ("cursor", &["offset"]),
    ("query", &["search"]),
    ("field", &["column"]),
];

/// Shortest word of a value that counts. Shorter ones occur by chance.
const SHORTEST: usize = 4;

/// Whether a body names one of these parameters of the request, or a value of one.
pub(crate) fn names_what_was_asked<'a>(body: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    let body = body.to_lowercase();
    if PASSING.iter().any(|text| body.contains(text)) {
        return false;
    }
    let words: Vec<String> = words(&body).collect();
    parameters.into_iter().any(|(name, value)| {
        let name = plain(name);
        let others = OTHER_NAMES.iter().filter(|(known, _)| *known == name).flat_map(|(_, others)| others.iter());
        let others: Vec<&str> = others.copied().chain([name.as_str()]).collect();
        let value: Vec<String> = self::words(&value.to_lowercase()).filter(|word| word.len() >= SHORTEST).collect();
        words.iter().any(|word| value.contains(word) || others.iter().any(|name| is_called(word, name)))
    })
}

/// Whether a word is this name, its plural, or the end of it, as in `statsPeriod` for `groupStatsPeriod`.
fn is_called(word: &str, name: &str) -> bool {
    let word = word.strip_suffix('s').filter(|word| *word == name).unwrap_or(word);
    word == name || (word.len() > SHORTEST && name.ends_with(word))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_alphanumeric() || "._".contains(c);
    text.split(move |c| !is_part(c)).map(plain).filter(|word| !word.is_empty())
}

/// Without what names are joined by: `stats_period` and `statsPeriod` are one name.
fn plain(text: &str) -> String {
    text.trim_matches('.').replace('_', "").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUES: &[(&str, &str)] = &[
        ("sort", "date"),
        ("groupStatsPeriod", ""),
        ("collapse", "filtered"),
        ("query", "issue.category:feedback"),
        ("project", "-1"),
        ("limit", "100"),
        ("start", "2026-01-01T00:00:00"),
        ("end", "2026-02-01T00:00:00"),
        ("cursor", "0:9900:0"),
        ("field", "title"),
    ];

    fn names(detail: &str) -> bool {
        names_what_was_asked(&format!(r#"{{"detail": "{detail}"}}"#), ISSUES.iter().copied())
    }

    #[test]
    fn refusals_of_servers_name_what_they_do_not_know() {
        for detail in [
            "You do not have the multi project stream feature enabled",
            "Invalid project parameter. Values must be numbers.",
            "Error parsing search query: Invalid value for issue.category",
            "Sort key 'date' not supported.",
            "invalid sort",
            "Unrecognized sort",
            "invalid limit",
            "Invalid cursor parameter.",
            "Fetching large offsets is temporarily disabled for performance reasons",
            "Offset too large, narrow your search",
            "You can view up to 20 fields at a time. Please delete some and try again.",
            "Invalid stats_period. Valid choices are '', '24h', and '14d'",
            "start and end are both required",
            "2026 is not a valid ISO8601 date query",
            "Invalid date range parameters provided",
            "Your interval and date range would create too many results. Use a larger interval, or a smaller date range.",
        ] {
            assert!(names(detail), "{detail}");
        }
        assert!(names_what_was_asked(
            r#"{"error":{"params":{"stats_period":{"message":"no"}}}}"#,
            ISSUES.iter().copied()
        ));
        assert!(names_what_was_asked(r#"{"dataset": ["Unknown."]}"#, [("dataset", "errors")]));
        let datasets = r#"{"detail": "dataset must be one of: discover, errors, metrics"}"#;
        assert!(names_what_was_asked(datasets, [("dataset", "logs")]));
    }

    #[test]
    fn passing_reasons_and_bare_words_name_nothing() {
        for detail in [
            "Query timeout. Please try again. If the problem persists try a smaller date range or fewer projects. Also consider a filter on the transaction field if you're filtering performance data.",
            "Internal error. Your query failed to run.",
            "Query timed out",
            "Bad Request",
            "No.",
            "",
        ] {
            assert!(!names(detail), "{detail}");
        }
    }
}
