//! The report of `--plan`, as text, JSON or Markdown. Does not know how the costs were estimated.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::Format;

/// What one stream would cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Number of requests.
    pub(crate) requests: u64,
    /// Number of records.
    pub(crate) records: u64,
    /// Both may be higher: only a part of the list was read.
    pub(crate) at_least: bool,
}

/// What a sync would cost.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// Slug of the organization.
    pub(crate) organization: String,
    /// Selected streams, in order.
    pub(crate) streams: Vec<(&'static str, Cost)>,
    /// Requests per second, from `rate_limit`.
    pub(crate) rate: f64,
    /// Time for all streams, in seconds, within the server's own limits.
    pub(crate) seconds: f64,
    /// Requests that the estimate took.
    pub(crate) asked: u64,
}

impl Estimate {
    fn total(&self) -> Cost {
        let mut total = Cost::default();
        for (_, cost) in &self.streams {
            total.requests += cost.requests;
            total.records += cost.records;
            total.at_least |= cost.at_least;
        }
        total
    }

    /// The report in this format.
    pub(crate) fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.to_text(),
            Format::Json => format!("{:#}\n", self.to_json()),
            Format::Markdown => self.to_markdown(),
        }
    }

    /// A table for people.
    fn to_text(&self) -> String {
        let mut text = format!("{}\n\n", self.organization);
        let _ = writeln!(text, "{:<20} {:>12} {:>10} {:>12}", "stream", "requests", "minutes", "records");
        for [name, requests, minutes, records] in self.rows() {
            let _ = writeln!(text, "{name:<20} {requests:>12} {minutes:>10} {records:>12}");
        }
        let (rate, asked) = (self.rate, self.asked);
        let _ = writeln!(text, "\nAt {rate} requests a second, within the server's limits. Asked {asked} times.");
        if self.total().at_least {
            text += "+ at least: only the first page of the list was looked at.\n";
        }
        text
    }

    /// Name, requests, minutes and records of each stream and of all.
    fn rows(&self) -> Vec<[String; 4]> {
        let row = |name: &str, cost: &Cost, seconds: f64| {
            let mark = if cost.at_least { "+" } else { "" };
            let (requests, records) = (format!("{}{mark}", cost.requests), format!("{}{mark}", cost.records));
            [name.to_owned(), requests, format!("{:.1}", seconds / 60.0), records]
        };
        let streams = self.streams.iter().map(|(name, cost)| row(name, cost, number(cost.requests) / self.rate));
        streams.chain([row("all", &self.total(), self.seconds)]).collect()
    }

    fn to_markdown(&self) -> String {
        let mut text = String::from("| Stream | Requests | Minutes | Records |\n| --- | ---: | ---: | ---: |\n");
        for row in self.rows() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }

    /// The report for programs.
    fn to_json(&self) -> Value {
        let cost = |cost: &Cost| json!({"requests": cost.requests, "records": cost.records, "at_least": cost.at_least});
        let streams = self.streams.iter().map(|(name, of)| ((*name).to_owned(), cost(of)));
        let streams: serde_json::Map<String, Value> = streams.collect();
        json!({
            "organization": self.organization, "streams": streams, "all": cost(&self.total()), "seconds": self.seconds, "rate": self.rate, "asked": self.asked,
        })
    }
}

/// A number of requests, for calculations with fractions.
#[expect(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
