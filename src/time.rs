//! Times as text, in every form that servers, states and people write. A leaf: imports no other module of this crate.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// A time in UTC.
pub(crate) type Time = DateTime<Utc>;

/// Reads a time of RFC 3339, or a time without a zone, which is UTC. Refuses years that RFC 3339 cannot write.
pub(crate) fn parse_time(value: &str) -> Option<Time> {
    parse_any(value).filter(|time| (0..=9999).contains(&time.year()))
}

fn parse_any(value: &str) -> Option<Time> {
    if let Ok(time) = DateTime::parse_from_rfc3339(value) {
        return Some(time.with_timezone(&Utc));
    }
    let naive = NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S%.f"));
    naive.ok().map(|naive| naive.and_utc())
}

/// Like [`parse_time`]. Also reads a date, which means its midnight.
pub(crate) fn parse_time_or_date(value: &str) -> Option<Time> {
    let date = || NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let time = parse_any(value).or_else(|| date().map(|naive| naive.and_utc()));
    time.filter(|time| (0..=9999).contains(&time.year()))
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the form in bookmarks.
pub(crate) fn format_time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `YYYY-MM-DDTHH:MM:SS`, the form that servers of every age accept as a query parameter (API §1.5).
pub(crate) fn format_query_time(time: Time) -> String {
    time.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The time cut to whole seconds, the resolution at which Sentry compares event times (API §1.5).
pub(crate) fn whole_second(time: Time) -> Time {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time)
}

/// Serializes times as [`format_time`] writes them.
pub(crate) mod seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{Time, format_time, parse_time};

    /// Writes.
    pub(crate) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_time(*time))
    }

    /// Reads.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_time(&text).ok_or_else(|| Error::custom("not a time"))
    }

    /// The same for times that may be absent.
    pub(crate) mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        use super::super::{Time, format_time, parse_time};

        /// Writes.
        #[expect(clippy::ref_option, reason = "the form serde asks for")]
        pub(crate) fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => serializer.serialize_str(&format_time(*time)),
                None => serializer.serialize_none(),
            }
        }

        /// Reads. A text that is no time counts as absent.
        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            Ok(text.as_deref().and_then(parse_time))
        }
    }
}
