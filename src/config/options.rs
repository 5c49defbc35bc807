//! The table of options: name, kind, default, description. Validation, documentation and plugin definitions follow it.
//! Does not know where values come from.

use serde_json::Value;

/// The kind of value that an option takes. Numbers and booleans may also be written as strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never printed.
    Secret,
    /// A time of RFC 3339, a time without a zone (then UTC), or a date.
    Time,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A number, or a word instead of one.
    NumberOrWord,
    /// `true` or `false`.
    Boolean,
    /// Several texts: an array, an array as JSON text, or texts separated by commas.
    List,
    /// Several objects: an array, or an array as JSON text.
    Objects,
}

impl Kind {
    /// The types in JSON Schema.
    pub fn types(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Secret | Self::Time => &["string"],
            Self::Integer => &["integer"],
            Self::Number => &["number"],
            Self::NumberOrWord => &["number", "string"],
            Self::Boolean => &["boolean"],
            Self::List | Self::Objects => &["array", "string"],
        }
    }
}

/// One option of the configuration file.
#[derive(Debug)]
pub struct ConfigOption {
    /// Key in the configuration file.
    pub name: &'static str,
    /// Kind of value.
    pub kind: Kind,
    /// Names that other taps use for it.
    pub other_names: &'static [&'static str],
    /// The environment variable from which Sentry's own tools read it.
    pub sentry_variable: Option<&'static str>,
    /// Whether the tap needs it.
    pub required: bool,
    /// Default as JSON text; `None` if there is none.
    pub default: Option<&'static str>,
    /// What it does, for users.
    pub description: &'static str,
}

impl ConfigOption {
    /// The default as a value; `None` if there is none.
    pub fn default_value(&self) -> Option<Value> {
        self.default.and_then(|text| serde_json::from_str(text).ok())
    }

    /// The name as a title.
    pub fn title(&self) -> String {
        let word = |word: &str| match word {
            "api" | "url" | "ca" | "http" => word.to_uppercase(),
            _ => word[..1].to_uppercase() + &word[1..],
        };
        self.name.split('_').map(word).collect::<Vec<_>>().join(" ")
    }
}

const fn option(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    description: &'static str,
) -> ConfigOption {
    ConfigOption { name, kind, other_names: &[], sentry_variable: None, required: false, default, description }
}

/// Organization if none is configured. The original tap documents this default.
pub(crate) const DEFAULT_ORGANIZATION: &str = "split-software";
/// Server if none is configured.
pub(crate) const DEFAULT_BASE_URL: &str = "https://sentry.io/api/0/";

/// Every option.
pub const OPTIONS: &[ConfigOption] = &[
    ConfigOption {
        required: true,
        other_names: &["auth_token", "token", "access_token"],
        sentry_variable: Some("SENTRY_AUTH_TOKEN"),
        ..option("api_token", Kind::Secret, None, "Sentry API token")
    },
    ConfigOption { required: true, ..option("start_date", Kind::Time, None, "Date to start syncing data from") },
    ConfigOption {
        other_names: &["api_url", "hostname", "host", "url"],
        sentry_variable: Some("SENTRY_URL"),
        ..option(
            "base_url",
            Kind::Text,
            Some("\"https://sentry.io/api/0/\""),
            "Address of the Sentry server: sentry.io, a region host, or self-hosted",
        )
    },
    ConfigOption {
        other_names: &["organization_slug", "org_slug", "org"],
        sentry_variable: Some("SENTRY_ORG"),
        ..option("organization", Kind::Text, Some("\"split-software\""), "Slug of the organization")
    },
    option(
        "organizations",
        Kind::List,
        None,
        "Several organizations instead of one, read one after the other, each with its own state",
    ),
    option("projects", Kind::List, None, "Projects to read: slugs, ids, or patterns with * and ?; all without it"),
    option("exclude_projects", Kind::List, None, "Projects to leave out: slugs, ids, or patterns with * and ?"),
    option(
        "shard",
        Kind::Text,
        None,
        "Share of this machine among several: 2/4 reads the second of four shares of the projects",
    ),
    option("rate_limit", Kind::Number, Some("10"), "Most API requests per second"),
    option("sample_fraction", Kind::Number, None, "Fraction of events to keep, from 0 to 1"),
    option("max_events_per_project", Kind::Integer, None, "Most events to fetch per project and run, the newest first"),
    option("min_events_per_issue", Kind::Integer, Some("5"), "With sample_fraction: fewest events to keep per issue"),
    option("max_events_per_issue", Kind::Integer, Some("100"), "With sample_fraction: most events to keep per issue"),
    option("fetch_event_details", Kind::Boolean, Some("false"), "Fetch the whole body of every event"),
    option(
        "fetch_issue_details",
        Kind::Boolean,
        Some("false"),
        "Fetch activity, participants, releases and tags of every changed issue, one request each",
    ),
    option("sample_seed", Kind::Integer, Some("0"), "Changes which events a sample holds"),
    option(
        "lookback_window",
        Kind::Integer,
        Some("600"),
        "Seconds before each bookmark that are read again, for events that arrive late",
    ),
    option(
        "issue_refresh_hours",
        Kind::NumberOrWord,
        Some("24"),
        "Hours between readings of all issues of the last 90 days, for changes that no event causes; 0 is every run, \"never\" is never",
    ),
    option(
        "unknown_fields",
        Kind::Text,
        Some("\"drop\""),
        "What to do with fields that the schemas do not have: drop or keep",
    ),
    option(
        "activate_version",
        Kind::Boolean,
        Some("false"),
        "Send ACTIVATE_VERSION after each full table, so that targets mark or delete rows that are gone",
    ),
    option(
        "all_streams",
        Kind::Boolean,
        Some("false"),
        "Read every stream where the catalog selects every one, also those that cost a request per issue",
    ),
    option(
        "queries",
        Kind::Objects,
        None,
        "Streams of your own: rows of Sentry's events table, each with a name, a dataset, fields and a query",
    ),
    option(
        "max_run_minutes",
        Kind::Number,
        None,
        "Minutes after which a run ends well and leaves the rest to the next one; no limit without it",
    ),
    option(
        "accepted_gaps",
        Kind::List,
        None,
        "Gaps that do not fail a run, as the log names them: a stream, or the beginning of a gap's text",
    ),
    option("max_retries", Kind::Integer, Some("8"), "Retries of a request that failed in a way that may pass"),
    option(
        "request_timeout",
        Kind::Number,
        Some("120"),
        "Seconds of silence after which a request is given up and tried again",
    ),
    option("user_agent", Kind::Text, None, "User-Agent header, for a contact address"),
    option("ca_bundle", Kind::Text, None, "File of PEM certificates to trust beside the system's"),
    option(
        "allow_http",
        Kind::Boolean,
        Some("false"),
        "Send the token over plain http to a server that is not on this machine",
    ),
];

/// The option of this name.
pub(crate) fn find(name: &str) -> Option<&'static ConfigOption> {
    OPTIONS.iter().find(|option| option.name == name)
}
