//! How Sentry writes and reads times. This file knows no clock.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// `2026-11-01T12:00:00Z` from milliseconds since the epoch.
pub(crate) fn seconds(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// With three fraction digits, or without them if they would be zero.
pub(crate) fn millis(ms: i64) -> String {
    if ms % 1000 == 0 { seconds(ms) } else { from_ms(ms).to_rfc3339_opts(SecondsFormat::Millis, true) }
}

/// With six fraction digits, as rows of the database have them.
pub(crate) fn micros(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The instant of a count of milliseconds.
pub(crate) fn from_ms(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// Reads a `start` or `end` parameter: ISO 8601 with or without zone and fraction, a date, or a
/// Unix time. Returns whole seconds, since the event index has no fractions (API §1.5).
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    for pattern in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(bare, pattern) {
            return Some(time.and_utc().timestamp());
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(bare, "%Y-%m-%d") {
        return date.and_hms_opt(0, 0, 0).map(|time| time.and_utc().timestamp());
    }
    unix(text)
}

/// A Unix time in seconds, without its fraction.
fn unix(text: &str) -> Option<i64> {
    let whole = text.split('.').next().unwrap_or(text);
    text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    whole.parse().ok()
}

/// Reads a period such as `14d` as seconds. A number without a unit counts seconds.
pub(crate) fn period(text: &str) -> Option<i64> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        b'd' => (&text[..text.len() - 1], 86_400),
        b'w' => (&text[..text.len() - 1], 604_800),
        _ => (text, 1),
    };
    number.parse::<u32>().ok().map(|number| i64::from(number) * factor)
}

/// The `Date` header's form of a time.
pub(crate) fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The day for which `payloads` are written.
const WRITTEN_FOR: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a date");

/// The text of a payload with all its dates moved, so that the day for which it is written becomes that of `now`.
pub fn payload_at(now: DateTime<Utc>, text: &str) -> String {
    let by = now.date_naive() - WRITTEN_FOR;
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, after) = rest.split_at(quote + 1);
        moved.push_str(before);
        rest = after;
        let date = after.get(..10).and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok());
        if let Some(date) = date {
            moved.push_str(&(date + by).to_string());
            rest = &after[10..];
        }
    }
    moved + rest
}
