//! The server's clock, as the `Date` headers of its answers tell it. Bookmarks are reckoned by it, because the times of rows
//! are the server's. Sends nothing.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

/// Seconds. A `Date` that is further from our clock was not written by a clock that is right.
const BELIEVABLE: f64 = 86_400.0;
/// Seconds. Two bounds that are further apart come from different clocks.
const SAME_CLOCK: f64 = 2.0;

/// What is known of the server's clock.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    /// Server clock minus ours, in seconds. It is a lower bound that improves with each answer.
    offset: Option<f64>,
    /// The server has answered a request.
    has_answered: bool,
    warned: bool,
}

impl ServerClock {
    /// Learns from the `Date` of an answer that came at `local`, our clock in epoch seconds.
    pub(super) fn observe(&mut self, date: Option<DateTime<Utc>>, local: f64, accepted: bool) {
        self.has_answered |= accepted;
        let Some(date) = date else { return };
        #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds fit")]
        let bound = date.timestamp_millis() as f64 / 1000.0 - local;
        // The header is cut to whole seconds, so every answer gives a lower bound. If it is far from the known one,
        // a clock has changed.
        let known = self.offset.filter(|known| (known - bound).abs() < SAME_CLOCK);
        self.offset = Some(known.map_or(bound, |known| known.max(bound)));
    }

    /// Whether a `Date` was had.
    pub(super) fn is_told(&self) -> bool {
        self.offset.is_some()
    }

    /// Whether asking again would tell no more: a `Date` was had, or an accepted answer had none.
    pub(super) fn is_settled(&self) -> bool {
        self.is_told() || self.has_answered
    }

    /// Server clock minus ours, in seconds, as the server tells it; zero while it tells nothing. The times of its limits
    /// count by this clock, however wrong it is.
    pub(super) fn offset(&self) -> f64 {
        self.offset.unwrap_or(0.0)
    }

    /// Server clock minus ours, if it can be believed; zero otherwise, which is said once.
    pub(super) fn believed_offset(&mut self) -> TimeDelta {
        let offset = self.offset.filter(|offset| offset.abs() < BELIEVABLE);
        if offset.is_none() && self.has_answered && !self.warned {
            self.warned = true;
            let why = self.offset.map_or_else(
                || "the server does not say its time".to_owned(),
                |offset| format!("the server's clock is {:.1} days off this machine's", offset / BELIEVABLE),
            );
            warn!("{why}, so time is reckoned by this machine's clock");
        }
        #[expect(clippy::cast_possible_truncation, reason = "the milliseconds of a day fit")]
        TimeDelta::milliseconds((offset.unwrap_or(0.0) * 1000.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(seconds, 0)
    }

    #[test]
    fn a_clock_within_a_day_is_believed_and_another_is_not() {
        let mut clock = ServerClock::default();
        assert!(!clock.is_settled());
        clock.observe(at(1000 + 3600), 1000.0, true);
        assert!(clock.is_told());
        assert_eq!(clock.believed_offset(), TimeDelta::hours(1));
        // A later answer of the same second is a lower bound too.
        clock.observe(at(1000 + 3600), 1000.9, true);
        assert_eq!(clock.believed_offset(), TimeDelta::hours(1));
        clock.observe(at(1000 + 25 * 3600), 1000.0, true);
        assert_eq!(clock.believed_offset(), TimeDelta::zero());
        assert!(clock.offset() > BELIEVABLE, "the server's limits still count by it");
    }

    #[test]
    fn a_date_in_the_last_year_of_the_calendar_is_no_crash() {
        let mut clock = ServerClock::default();
        clock.observe(Some(DateTime::<Utc>::MAX_UTC), 1000.0, true);
        assert_eq!(clock.believed_offset(), TimeDelta::zero());
    }

    #[test]
    fn an_answer_without_a_date_settles_that_there_is_none() {
        let mut clock = ServerClock::default();
        clock.observe(None, 1000.0, false);
        assert!(!clock.is_settled(), "a proxy may have refused for the server");
        clock.observe(None, 1000.0, true);
        assert!(clock.is_settled() && !clock.is_told());
    }
}
