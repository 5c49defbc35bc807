//! What a run came to, said once at its end: per stream, and in requests.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use serde_json::json;
use tracing::{info, warn};

use crate::sync::Sync;
use crate::sync::output::Tally;

/// Logs the summary; returns what is missing, or `None` when every selected stream was read whole.
pub fn summarize(sync: &Sync) -> Option<String> {
    let mut missing = Vec::new();
    for output in sync.output.streams() {
        let name = output.stream.tap_stream_id;
        let tally = output.tally();
        let metric =
            json!({"type": "counter", "metric": "record_count", "value": tally.records, "tags": {"stream": name}});
        info!("METRIC: {metric}");
        let remarks = remarks(&tally);
        let separator = if remarks.is_empty() { "" } else { "; " };
        if tally.gaps.is_empty() && tally.notes.unreadable.is_empty() {
            info!("{name}: {} records{separator}{remarks}", tally.records);
        } else {
            warn!("{name}: {} records{separator}{remarks}", tally.records);
        }
        if let Some(first) = tally.gaps.first() {
            let more = tally.gaps.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            missing.push(format!("{name}: {first}{more}"));
        }
    }
    let counters = &sync.client.counters;
    info!(
        "{} requests, {} repeated after errors, {} rate limited, {} bytes",
        counters.requests.load(Ordering::Relaxed),
        counters.retries.load(Ordering::Relaxed),
        counters.limited.load(Ordering::Relaxed),
        counters.bytes.load(Ordering::Relaxed),
    );
    (!missing.is_empty()).then(|| missing.join("; "))
}

fn remarks(tally: &Tally) -> String {
    let mut text = String::new();
    let mut say = |what: String| {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{what}");
    };
    for (reason, count) in &tally.skipped {
        say(format!("{count} skipped: {reason}"));
    }
    for (what, fields) in [
        ("unknown fields left out", &tally.notes.dropped),
        ("values brought to the declared type", &tally.notes.converted),
        ("unreadable values written as null", &tally.notes.unreadable),
    ] {
        if !fields.is_empty() {
            let names: Vec<_> = fields.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            say(format!("{what}: {}", names.join(", ")));
        }
    }
    if tally.notes.replaced_characters > 0 {
        say(format!("{} characters that targets refuse replaced by U+FFFD", tally.notes.replaced_characters));
    }
    if !tally.gaps.is_empty() {
        say(format!("could not be read: {}", tally.gaps.len()));
    }
    text
}
