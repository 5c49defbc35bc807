//! The configuration. Checks once what users write; the rest of the program trusts the result.
//!
//! Reports all problems together, each with the option, its value and what would be right. Never quotes the token.

pub(crate) mod address;
pub(crate) mod options;
pub(crate) mod projects;
pub(crate) mod queries;
pub(crate) mod schema;
pub(crate) mod sources;
mod values;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use serde_json::{Map, Value};

use crate::config::address::{organization_in, parse_base_url, without_user_info};
use crate::config::options::{DEFAULT_BASE_URL, DEFAULT_ORGANIZATION, find};
use crate::config::projects::{ProjectChoice, Shard};
use crate::config::queries::Query;
use crate::config::sources::Gathered;
use crate::config::values::Values;
use crate::sentry::token::Token;
use crate::sentry::transport::Settings;
use crate::time::format_time;

/// Longer than any server keeps data, and short enough that subtracting it from a time does not overflow.
const LONGEST_LOOKBACK: Duration = Duration::from_hours(24 * 36_500);
/// How far our clock may be behind that of who wrote the configuration.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);
/// A shorter one could round to zero.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// The checked configuration.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Config {
    /// Slug of the organization that is read; of the first one if there are several.
    pub(crate) organization: String,
    /// Slugs of all organizations, if several are to be read; empty otherwise.
    pub(crate) organizations: Vec<String>,
    /// One of several organizations: it owns a state that names none.
    pub(crate) owner: Option<String>,
    /// Which projects are read.
    pub(crate) projects: ProjectChoice,
    /// The tap asks for nothing older.
    pub(crate) start_date: DateTime<Utc>,
    /// Fetch whole event bodies.
    pub(crate) fetch_event_details: bool,
    /// Merge each changed issue's detail into its record.
    pub(crate) fetch_issue_details: bool,
    /// How events are sampled.
    pub(crate) sampling: Sampling,
    /// How far before its bookmark a stream is read again.
    pub(crate) lookback: Duration,
    /// How often all issues are read again; `None` means never.
    pub(crate) issue_refresh: Option<Duration>,
    /// Write fields that the schemas do not declare.
    pub(crate) keep_unknown_fields: bool,
    /// Write `ACTIVATE_VERSION`, so that targets learn which rows of full tables are gone.
    pub(crate) activate_version: bool,
    /// The longest that a run may take; `None` means as long as it takes.
    pub(crate) max_run: Option<Duration>,
    /// Gaps that fail no run: beginnings of their texts in the log.
    pub(crate) accepted_gaps: Vec<String>,
    /// The user's own queries; each is a stream.
    pub(crate) queries: Vec<Query>,
    /// If a catalog selects every stream, read every stream, and not the default ones alone.
    pub(crate) all_streams: bool,
    /// What the HTTP client needs.
    pub(crate) client: Settings,
    /// Problems that the user should know of, but that do not stop a run.
    pub(crate) warnings: Vec<String>,
    /// Which options were taken from other taps' names, or from variables of Sentry's own tools.
    pub(crate) notes: Vec<String>,
}

/// The sampling options. Minimum and maximum per issue have no effect without a fraction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    /// Fraction of the events to keep, 0 to 1; `None` (or 1) keeps all.
    pub(crate) fraction: Option<f64>,
    /// How many events of a project one run reads at most, the newest first.
    pub(crate) max_per_project: Option<u64>,
    /// Fewest events of an issue in the sample.
    pub(crate) min_per_issue: u64,
    /// Most events of an issue in the sample.
    pub(crate) max_per_issue: u64,
    /// Changes which events the sample holds.
    pub(crate) seed: u64,
    /// Whether the user changed minimum or maximum per issue.
    pub(crate) shaped: bool,
}

impl Sampling {
    /// Whether the options may leave events out.
    pub(crate) fn is_on(&self) -> bool {
        self.fraction.is_some_and(|fraction| fraction < 1.0) || self.max_per_project.is_some()
    }
}

impl Config {
    /// Reads and checks a configuration. A source is a file, or `ENV` for the environment; later sources win.
    pub(crate) fn load(sources: &[impl AsRef<Path>]) -> Result<Self> {
        let gathered = sources::gather(sources)?;
        let names: Vec<String> = sources.iter().map(|source| source.as_ref().display().to_string()).collect();
        Self::of(gathered).with_context(|| format!("the config {} is not usable", names.join(", ")))
    }

    /// Checks the text of a configuration file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut gathered = Gathered::default();
        gathered.add(sources::parse(text)?);
        Self::of(gathered)
    }

    fn of(gathered: Gathered) -> Result<Self> {
        let mut config = Self::check(&gathered.object)?;
        config.notes = gathered.notes;
        Ok(config)
    }

    /// One configuration for each organization, in the order in which they are read.
    pub(crate) fn each_organization(&self) -> Vec<Self> {
        if self.organizations.is_empty() {
            return vec![self.clone()];
        }
        let one = |organization: &String| Self { organization: organization.clone(), ..self.clone() };
        self.organizations.iter().map(one).collect()
    }

    fn check(object: &Map<String, Value>) -> Result<Self> {
        let mut values = Values::new(object);
        let token = values.text("api_token").and_then(|token| check_token(&mut values, token));
        let token = values.require("api_token", token);
        let start_date = values.time("start_date").and_then(|time| check_start(&mut values, time));
        let start_date = values.require("start_date", start_date);
        let allow_http = values.boolean("allow_http").unwrap_or(false);
        let base_url = read_base_url(&mut values, allow_http);
        let organization = values.text("organization");
        let organizations = read_organizations(&mut values);
        let projects = read_projects(&mut values);
        let queries = queries::read(&mut values);
        let mut warnings = unknown_options(object);
        if organization.is_none() && organizations.is_empty() {
            warnings.push(format!(
                "organization is not set: reading {DEFAULT_ORGANIZATION:?}, the documented default, which is hardly yours"
            ));
        }
        let organization = organization.unwrap_or_else(|| DEFAULT_ORGANIZATION.to_owned());
        let slug = organization_in(&organization);
        if slug.is_none() {
            values.wrong::<()>(
                "organization",
                &Value::from(without_user_info(&organization)),
                "a slug, as in the address of your Sentry pages",
            );
        }
        let owner = slug.clone().filter(|slug| organizations.contains(slug));
        let organization = organizations.first().cloned().or(slug).unwrap_or_default();
        let sampling = read_sampling(&mut values, object);
        let lookback = Duration::from_secs(values.integer("lookback_window", 0).unwrap_or(600)).min(LONGEST_LOOKBACK);
        let issue_refresh = read_refresh(&mut values);
        let keep_unknown_fields = read_unknown_fields(&mut values);
        let client = read_client(&mut values, token, base_url);
        let fetch_event_details = values.boolean("fetch_event_details").unwrap_or(false);
        let fetch_issue_details = values.boolean("fetch_issue_details").unwrap_or(false);
        let activate_version = values.boolean("activate_version").unwrap_or(false);
        if activate_version && (projects.shard.is_some() || !organizations.is_empty()) {
            values.problems.push(
                "activate_version cannot be used with shard or organizations: it would delete the rows of the others"
                    .to_owned(),
            );
        }
        let all_streams = values.boolean("all_streams").unwrap_or(false);
        let max_run = read_max_run(&mut values);
        let accepted_gaps = values.list("accepted_gaps");
        match (start_date, client) {
            (Some(start_date), Some(client)) if values.problems.is_empty() => Ok(Self {
                organization,
                organizations,
                owner,
                projects,
                start_date,
                fetch_event_details,
                fetch_issue_details,
                sampling,
                lookback,
                issue_refresh,
                keep_unknown_fields,
                activate_version,
                max_run,
                accepted_gaps,
                queries,
                all_streams,
                client,
                warnings,
                notes: Vec::new(),
            }),
            _ => bail!("{}", values.problems.join("; ")),
        }
    }
}

fn read_organizations(values: &mut Values<'_>) -> Vec<String> {
    let mut organizations = Vec::new();
    for text in values.list("organizations") {
        match organization_in(&text) {
            Some(slug) if organizations.contains(&slug) => {}
            Some(slug) => organizations.push(slug),
            None => {
                let shown = Value::from(without_user_info(&text));
                values.wrong::<()>("organizations", &shown, "slugs, as in the address of your Sentry pages");
            }
        }
    }
    organizations
}

fn read_projects(values: &mut Values<'_>) -> ProjectChoice {
    let (include, exclude) = (values.list("projects"), values.list("exclude_projects"));
    let shard = values.text("shard").and_then(|text| match Shard::parse(&text) {
        Some(shard) => Some(shard),
        None => values.wrong("shard", &Value::from(text), "a share such as 2/4: the second of four"),
    });
    ProjectChoice { include, exclude, shard }
}

fn unknown_options(object: &Map<String, Value>) -> Vec<String> {
    let unknown = object.keys().filter(|name| find(name).is_none());
    unknown.map(|name| format!("the config has an unknown option {name:?}, which is ignored")).collect()
}

/// Refuses a day that has not come: bookmarks would follow it, and hide what happens until then.
fn check_start(values: &mut Values<'_>, start: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if start <= Utc::now() + CLOCKS_DIFFER {
        return Some(start);
    }
    values.wrong("start_date", &Value::from(format_time(start)), "a time that is not in the future")
}

fn check_token(values: &mut Values<'_>, token: String) -> Option<Token> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(Token::new(token));
    }
    values.wrong("api_token", &Value::Null, "one word of plain ASCII")
}

fn read_base_url(values: &mut Values<'_>, allow_http: bool) -> Option<Url> {
    let text = values.text("base_url").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
    match parse_base_url(&text, allow_http) {
        Ok(url) => Some(url),
        Err(right) => values.wrong("base_url", &Value::from(without_user_info(&text)), right),
    }
}

fn read_sampling(values: &mut Values<'_>, object: &Map<String, Value>) -> Sampling {
    let fraction = values.number("sample_fraction", |f| (0.0..=1.0).contains(&f), "a number from 0 to 1");
    let max_per_project = values.integer("max_events_per_project", 1);
    let min_per_issue = values.integer("min_events_per_issue", 0).unwrap_or(5);
    let max_per_issue = values.integer("max_events_per_issue", 1).unwrap_or(100);
    if min_per_issue > max_per_issue {
        let value = object.get("min_events_per_issue").cloned().unwrap_or(Value::from(min_per_issue));
        values.wrong::<()>("min_events_per_issue", &value, &format!("at most max_events_per_issue ({max_per_issue})"));
    }
    let seed = values.integer("sample_seed", 0).unwrap_or(0);
    let shaped = min_per_issue != 5 || max_per_issue != 100;
    Sampling { fraction, max_per_project, min_per_issue, max_per_issue, seed, shaped }
}

fn read_refresh(values: &mut Values<'_>) -> Option<Duration> {
    let text = values.text("issue_refresh_hours");
    match text.as_deref() {
        None => Some(Duration::from_hours(24)),
        Some("never") => None,
        Some(text) => match text.parse::<f64>().ok().filter(|hours| (0.0..1e6).contains(hours)) {
            Some(hours) => Some(Duration::from_secs_f64(hours * 3600.0)),
            None => values.wrong("issue_refresh_hours", &Value::from(text), "a number of hours, or \"never\""),
        },
    }
}

fn read_max_run(values: &mut Values<'_>) -> Option<Duration> {
    let fits = |minutes: f64| minutes > 0.0 && minutes <= 1e6;
    let minutes = values.number("max_run_minutes", fits, "a number of minutes, more than 0 and at most 1000000");
    minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0))
}

fn read_unknown_fields(values: &mut Values<'_>) -> bool {
    match values.text("unknown_fields").as_deref() {
        None | Some("drop") => false,
        Some("keep") => true,
        Some(other) => values.wrong("unknown_fields", &Value::from(other), "drop or keep").unwrap_or(false),
    }
}

fn read_client(values: &mut Values<'_>, token: Option<Token>, base_url: Option<Url>) -> Option<Settings> {
    let rate_limit = values.number(
        "rate_limit",
        |r| r > 0.0 && r <= 1000.0,
        "a number of requests per second, more than 0 and at most 1000",
    );
    let max_retries = values.integer("max_retries", 0).unwrap_or(8);
    let timeout = values.number("request_timeout", |t| t > 0.0 && t <= 86400.0, "a number of seconds above 0");
    let user_agent = values.text("user_agent");
    let ca_bundle = values.text("ca_bundle").and_then(|path| match std::fs::read(&path) {
        Ok(pem) => Some(pem),
        Err(error) => values.wrong("ca_bundle", &Value::from(path), &format!("a file that can be read ({error})")),
    });
    let default_agent = concat!("tap-sentry/", env!("CARGO_PKG_VERSION"));
    Some(Settings {
        base_url: base_url?,
        token: token?,
        rate_limit: rate_limit.unwrap_or(10.0),
        max_retries: u32::try_from(max_retries).unwrap_or(u32::MAX),
        request_timeout: Duration::from_secs_f64(timeout.unwrap_or(120.0)).max(SHORTEST_TIMEOUT),
        user_agent: user_agent.unwrap_or_else(|| default_agent.to_owned()),
        ca_bundle,
    })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
