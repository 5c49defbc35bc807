//! The report of `--test`, as text, JSON or Markdown. Does not know how the outcomes were found.

use std::fmt::Write;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cli::Format;
use crate::config::Config;
use crate::sentry::limits::bucket::Quota;
use crate::sentry::token::TokenKind;

/// Whether a stream can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Yes: it was read.
    Works,
    /// Unknown: there was nothing to try it with.
    Untested(String),
    /// No, and why.
    Fails(String),
}

/// One stream's outcome.
#[derive(Debug)]
pub(crate) struct Check {
    /// The stream.
    pub(crate) stream: &'static str,
    /// Whether it can be read.
    pub(crate) outcome: Outcome,
}

/// A rate limit that the server has shown.
#[derive(Debug)]
pub(crate) struct Limit {
    what: &'static str,
    requests: u32,
    seconds: f64,
    concurrency: u32,
}

/// Everything that the test found.
#[derive(Debug)]
pub(crate) struct Report {
    /// Address of the API.
    server: String,
    /// Slug of the organization.
    organization: String,
    /// Kind of the token, by its prefix.
    token: TokenKind,
    /// The configured `rate_limit`.
    rate_limit: f64,
    /// How far the server's clock is ahead of this machine's, if it matters.
    pub(crate) skew: Option<TimeDelta>,
    /// Address of the organization's region, if it is not the configured one.
    pub(crate) region: Option<String>,
    /// Rate limits that the server has shown.
    pub(crate) limits: Vec<Limit>,
    /// Outcomes of the selected streams.
    pub(crate) checks: Vec<Check>,
}

impl Limit {
    /// The limit in a quota.
    pub(crate) fn of(what: &'static str, quota: &Quota) -> Self {
        Self { what, requests: quota.limit, seconds: quota.window, concurrency: quota.concurrency }
    }

    fn render(&self) -> String {
        let time = if self.seconds <= 1.0 { "a second".to_owned() } else { format!("in {:.0} s", self.seconds) };
        let once = if self.concurrency == u32::MAX { String::new() } else { format!(", {} at once", self.concurrency) };
        format!("{}: {} requests {time}{once}", self.what, self.requests)
    }
}

impl Report {
    /// The report before the first request.
    pub(crate) fn of(config: &Config) -> Self {
        let client = &config.client;
        Self {
            server: client.base_url.to_string(),
            organization: config.organization.clone(),
            token: client.token.kind(),
            rate_limit: client.rate_limit,
            skew: None,
            region: None,
            limits: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Names of the streams that cannot be read; `None` if all can.
    pub(crate) fn failures(&self) -> Option<String> {
        let failed = |check: &&Check| matches!(check.outcome, Outcome::Fails(_));
        let names: Vec<_> = self.checks.iter().filter(failed).map(|check| check.stream).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The report in this format.
    pub(crate) fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => format!("{:#}\n", self.json()),
            Format::Markdown => self.markdown(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("server", self.server.clone()),
            ("organization", self.organization.clone()),
            ("token", token(self.token).to_owned()),
            ("rate_limit", format!("{} requests a second at most", self.rate_limit)),
        ];
        if let Some(region) = &self.region {
            facts.push(("region", format!("the data is at {region}: as base_url it would be faster")));
        }
        if let Some(skew) = self.skew {
            let seconds = skew.num_seconds();
            let direction = if seconds > 0 { "ahead of" } else { "behind" };
            facts.push((
                "clock",
                format!("the server's is {} s {direction} this machine's; the server's counts", seconds.abs()),
            ));
        }
        facts.extend(self.limits.iter().map(|limit| ("limit", limit.render())));
        facts
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, fact) in self.facts() {
            let _ = writeln!(text, "{name:<16} {fact}");
        }
        text += "\n";
        for check in &self.checks {
            let _ = writeln!(text, "{:<16} {}", check.stream, describe(&check.outcome));
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = String::from("| What | Found |\n| --- | --- |\n");
        for (name, fact) in self.facts() {
            let _ = writeln!(text, "| {name} | {fact} |");
        }
        text += "\n| Stream | Outcome |\n| --- | --- |\n";
        for check in &self.checks {
            let _ = writeln!(text, "| `{}` | {} |", check.stream, describe(&check.outcome).replace('|', "\\|"));
        }
        text
    }

    fn json(&self) -> Value {
        let streams: serde_json::Map<String, Value> = self.checks.iter().map(stream_json).collect();
        let limits = self.limits.iter().map(|limit| {
            let concurrency = Some(limit.concurrency).filter(|most| *most != u32::MAX);
            json!({"what": limit.what, "requests": limit.requests, "seconds": limit.seconds, "concurrency": concurrency})
        });
        json!({
            "ok": self.failures().is_none(),
            "server": self.server,
            "organization": self.organization,
            "token": token(self.token),
            "rate_limit": self.rate_limit,
            "region": self.region,
            "clock_skew_seconds": self.skew.map(|skew| skew.num_seconds()),
            "limits": limits.collect::<Vec<_>>(),
            "streams": streams,
        })
    }
}

fn stream_json(check: &Check) -> (String, Value) {
    let (outcome, why) = match &check.outcome {
        Outcome::Works => ("works", None),
        Outcome::Untested(why) => ("untested", Some(why)),
        Outcome::Fails(why) => ("fails", Some(why)),
    };
    (check.stream.to_owned(), json!({"outcome": outcome, "why": why}))
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Works => "works".to_owned(),
        Outcome::Untested(why) => format!("not tested: {why}"),
        Outcome::Fails(why) => format!("FAILS: {why}"),
    }
}

fn token(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Integration => "internal integration (sntryi_)",
        TokenKind::Personal => "personal token (sntryu_)",
        TokenKind::OAuth => "OAuth token (sntrya_)",
        TokenKind::Organization => "organization token (sntrys_), which can read releases only",
        TokenKind::Unknown => "without a prefix that says its kind",
    }
}
