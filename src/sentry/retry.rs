//! How long to wait before a request is sent again. Pure but for the random jitter. Does not wait.

use std::time::Duration;

use rand::RngExt;

/// First wait after a failure.
const BASE: Duration = Duration::from_millis(500);
/// Longest wait of our own back-off.
const CAP: Duration = Duration::from_mins(1);
/// Longest wait that a header may ask for. More is taken for a mistake, and not believed.
pub(crate) const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Exponential back-off after failure number `attempt`, from 0. It lies between half and all of `BASE`·2ⁿ, up to `CAP`.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let full = BASE.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(CAP);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Adds jitter to a wait that the server asked for, so that parallel requests do not return at the same moment.
pub(crate) fn with_jitter(wait: Duration) -> Duration {
    wait + Duration::from_millis(rand::rng().random_range(10..=100))
}

/// The wait in a `Retry-After` header, if it can be believed. Only seconds are read: Sentry sends no dates.
pub(crate) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let seconds: f64 = header?.trim().parse().ok()?;
    (0.0..=LONGEST_ASKED.as_secs_f64()).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
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
        assert_eq!(retry_after(Some("3600")), Some(LONGEST_ASKED));
        for malformed in ["", "-1", "3601", "1e99", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(Some(malformed)), None, "{malformed}");
        }
    }
}
