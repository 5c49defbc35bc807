//! How long a request waits after answers with status 429, and when it is given up. Pure.
//!
//! The server's headers are believed at first. Some are wrong: they show room, or a window that has passed, because another
//! limit than theirs refuses. So waits grow with each refusal, and what counts in the end is time, not their number.

use std::time::{Duration, Instant};

/// Waits grow from here, after the first refusal.
const BASE: Duration = Duration::from_millis(200);
/// Waits grow up to here. A wait that the server asks for may be longer.
const CAP: Duration = Duration::from_mins(1);
/// So long, beyond the longest wait that the server has asked for, a request waits for its endpoint to give any good answer.
const PATIENCE: Duration = Duration::from_mins(10);

/// The refusals of one request.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: u32,
    first: Option<Instant>,
    longest: Duration,
}

impl Refusals {
    /// How many there were.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The wait after one more refusal; `None` if it is not worth waiting any longer. `said` is what the headers ask for.
    /// `progress` is when the endpoint gave its last good answer to any request.
    pub(crate) fn next(&mut self, said: Duration, now: Instant, progress: Option<Instant>) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        let since = progress.map_or(first, |progress| progress.max(first));
        if now.saturating_duration_since(since) > self.longest + PATIENCE {
            return None;
        }
        self.longest = self.longest.max(said);
        let grown =
            if self.count == 0 { Duration::ZERO } else { BASE.saturating_mul(2_u32.saturating_pow(self.count)) };
        self.count += 1;
        Some(said.max(grown.min(CAP)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How often a request is refused until it is given up, and after how long, if headers always ask for `said`.
    fn given_up(said: Duration) -> (u32, Duration) {
        let (mut refusals, began) = (Refusals::default(), Instant::now());
        let mut now = began;
        while let Some(wait) = refusals.next(said, now, None) {
            now += wait;
        }
        (refusals.count(), now - began)
    }

    #[test]
    fn the_first_wait_is_what_the_server_says_and_later_ones_grow() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        let mut next = |said: u64| refusals.next(Duration::from_millis(said), now, None).expect("a wait").as_millis();
        assert_eq!([next(1), next(1), next(1), next(1), next(9000)], [1, 400, 800, 1600, 9000]);
        assert_eq!((0..9).map(|_| next(0)).max(), Some(60_000));
    }

    #[test]
    fn a_request_is_given_up_by_time_and_not_by_the_number_of_refusals() {
        for said in [Duration::ZERO, SECOND] {
            let (count, after) = given_up(said);
            assert!(count < 25 && after > PATIENCE && after < PATIENCE + 2 * CAP, "{count} refusals, {after:?}");
        }
        let hour = 3600 * SECOND;
        let (count, after) = given_up(hour);
        assert!(count <= 2 && after >= hour, "an hour is waited for: {count} refusals, {after:?}");
    }

    #[test]
    fn progress_of_the_endpoint_is_worth_more_patience() {
        let (mut refusals, began) = (Refusals::default(), Instant::now());
        assert!(refusals.next(SECOND, began, None).is_some());
        let (progress, later) = (began + 2 * PATIENCE, began + 2 * PATIENCE + SECOND);
        assert!(refusals.next(SECOND, later, Some(progress)).is_some());
        assert!(refusals.next(SECOND, later, None).is_none());
    }

    #[test]
    fn three_quarters_of_a_minute_take_some_tens_of_requests_at_most() {
        let (mut refusals, began) = (Refusals::default(), Instant::now());
        let mut now = began;
        while now - began < 45 * SECOND {
            now += refusals.next(BASE, now, None).expect("a wait");
        }
        assert!(refusals.count() <= 10, "{}", refusals.count());
    }
}
