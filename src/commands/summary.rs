//! The summary at the end of a run: records, requests and gaps of each stream, and the total. Changes no state.

use std::fmt::Write;

use serde_json::json;
use tracing::{debug, info, warn};

use crate::commands::hint::hint;
use crate::output::stream::Tally;
use crate::sentry::costs::Cost;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::endpoints::{
    ISSUE_DETAIL, ISSUE_EVENT_DETAIL, ISSUE_EVENTS, ORGANIZATION_ISSUES, PROJECT_EVENT_DETAIL, PROJECT_EVENTS,
    PROJECT_ISSUES,
};
use crate::streams::{Source, Stream};
use crate::sync::session::Session;
use crate::terminal::logging::metric;

/// Logs the summary. Returns what is missing; `None` if every selected stream was read to its end, but for accepted gaps.
pub(crate) fn summarize(session: &Session) -> Option<String> {
    let mut missing = Vec::new();
    for output in session.output.streams() {
        let name = output.stream.tap_stream_id;
        let tally = output.tally();
        let mut cost = Cost::default();
        for endpoint in endpoints(output.stream) {
            cost.add(session.client.costs.of(endpoint));
        }
        metric("counter", "record_count", json!(tally.records), json!({"stream": name}));
        metric("counter", "http_request_count", json!(cost.requests), json!({"stream": name}));
        let line = format!("{name}: {} records; {}{}", tally.records, describe(&cost), remarks(&tally));
        if tally.gaps.is_empty() && tally.notes.unreadable.is_empty() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
        let mut failing = tally.gaps.iter().filter(|gap| !gap.is_accepted);
        if let Some(first) = failing.next() {
            let more = failing.count();
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            missing.push(format!("{name}: {}{more}", first.what));
        }
    }
    let status = if missing.is_empty() { "succeeded" } else { "failed" };
    let total = session.client.costs.total();
    let seconds = session.client.costs.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a number of requests is far below 2^52")]
    let rate = total.requests as f64 / seconds.max(0.001);
    metric("timer", "sync_duration", json!(seconds), json!({"status": status}));
    info!("{}, {} bytes; {seconds:.1} s, {rate:.1} requests a second", describe(&total), total.bytes);
    debug!("This server lacks: {}", session.client.dialect);
    if let Some(hint) = hint(session) {
        info!("Hint: {hint}");
    }
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Endpoints that only this stream asks.
fn endpoints(stream: &'static Stream) -> Vec<&'static Endpoint> {
    match &stream.source {
        Source::Endpoint(endpoint) => vec![endpoint],
        Source::ParentRow(embeds) => embeds.iter().map(|embed| &embed.endpoint).collect(),
        Source::Issues => vec![&ORGANIZATION_ISSUES, &PROJECT_ISSUES, &ISSUE_DETAIL],
        // Rows that are embedded in events need no request.
        Source::EventPart(_) => vec![],
        Source::Events => vec![&ISSUE_EVENTS, &PROJECT_EVENTS, &ISSUE_EVENT_DETAIL, &PROJECT_EVENT_DETAIL],
    }
}

/// The cost as text. The waiting time is a sum over requests that wait in parallel, so it may exceed the run's time.
fn describe(cost: &Cost) -> String {
    let mut text = format!("{} request{}", cost.requests, if cost.requests == 1 { "" } else { "s" });
    for (count, what) in [(cost.retries, "repeated after errors"), (cost.limited, "rate limited")] {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    if cost.waited.as_millis() >= 100 {
        let _ = write!(text, ", {:.1} s of waiting to try again", cost.waited.as_secs_f64());
    }
    text
}

fn remarks(tally: &Tally) -> String {
    let mut text = String::new();
    let mut add = |what: String| {
        let _ = write!(text, "; {what}");
    };
    for (reason, count) in &tally.skipped {
        add(format!("{count} skipped: {reason}"));
    }
    for (what, fields) in [
        ("unknown fields left out", &tally.notes.dropped),
        ("values brought to the declared type", &tally.notes.converted),
        ("unreadable values written as null", &tally.notes.unreadable),
    ] {
        if !fields.is_empty() {
            let names: Vec<_> = fields.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            add(format!("{what}: {}", names.join(", ")));
        }
    }
    if tally.notes.replaced_characters > 0 {
        add(format!("{} characters that targets refuse replaced by U+FFFD", tally.notes.replaced_characters));
    }
    if !tally.gaps.is_empty() {
        let accepted = tally.gaps.iter().filter(|gap| gap.is_accepted).count();
        let of_these = if accepted > 0 { format!(" (accepted: {accepted})") } else { String::new() };
        add(format!("could not be read: {}{of_these}", tally.gaps.len()));
    }
    text
}
