//! How long to wait before a request is sent again. Pure but for the dice.

use std::time::Duration;

use rand::RngExt;

/// First wait after a failure.
const BASE: Duration = Duration::from_millis(500);
/// Longest wait that we choose ourselves.
const CAP: Duration = Duration::from_mins(1);
/// Longest wait that a header may ask for; more than that is taken for a mistake.
const HEADER_CAP: Duration = Duration::from_hours(1);
/// Rate-limited answers in a row to one request before it is given up: an hour or more of waiting.
pub(crate) const MAX_LIMITED: u32 = 60;

/// Exponential back-off with jitter for the `attempt`-th failure (from 0): between half and all of `BASE`·2ⁿ.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let full = BASE.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(CAP);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Jitter on top of a wait the server asked for, so that parallel requests do not return at the same moment.
pub(crate) fn with_jitter(wait: Duration) -> Duration {
    wait.min(HEADER_CAP) + Duration::from_millis(rand::rng().random_range(10..=100))
}

/// `Retry-After` in seconds; dates are not used by Sentry and are ignored.
pub(crate) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let seconds: f64 = header?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(HEADER_CAP.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_a_cap() {
        for attempt in 0..40 {
            let full = BASE.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(CAP);
            let wait = backoff(attempt);
            assert!(wait >= full / 2 && wait <= full, "{attempt}: {wait:?}");
        }
    }

    #[test]
    fn retry_after_takes_seconds_only() {
        assert_eq!(retry_after(Some("1")), Some(Duration::from_secs(1)));
        assert_eq!(retry_after(Some("1e99")), Some(HEADER_CAP));
        for odd in ["", "-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(Some(odd)), None, "{odd}");
        }
    }
}
